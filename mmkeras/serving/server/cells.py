"""From the values of a request to the cells of a table. No path or address is ever one of them."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.media.images.image_file import image_size
from mmkeras.data.tables.columns import did_you_mean
from mmkeras.schema import Schema

_PREFIX = "data:"
_MOST_DIGITS = 400
Row = dict[str, Any]


class CellReader:
    """Turns the values of requests into cells.

    Args:
        schema: Of the run.
        most_pixels: The most pixels of an image.
    """

    def __init__(self, schema: Schema, most_pixels: int):
        self._schema, self._most_pixels = schema, most_pixels
        self.kinds: dict[str, str] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {}
        for modality in schema.modalities:
            kind = KINDS[modality.kind]
            for column, role in kind.column_roles(modality).items():
                if column not in self._readers:
                    self._readers[column] = self._reader(kind, modality, role)
                    self.kinds[column] = role if kind.is_table else modality.kind
        targets = (*schema.target_columns, schema.id, schema.group, schema.weight)
        self._ignored = {column for column in targets if column is not None} - set(self._readers)

    def _reader(self, kind: Any, modality: Any, role: str) -> Callable[[Any], Any]:
        if kind.has_files:
            if not kind.takes_bytes:
                return _array
            one = self._image if kind.has_heat_map and kind.is_visual else _bytes
            return (lambda value: _several(value, one)) if getattr(modality, "several", 0) else one
        if kind.has_words:
            return _text
        return {"number": _number, "label": _name}.get(role, _text)

    def row(self, value: Any) -> Row:
        """The cells of one row.

        Raises:
            ValueError: It is not an object of columns and values, or a value cannot be a cell.
        """
        if not isinstance(value, Mapping):
            raise ValueError(f"a row is an object of columns and values. Received: {_shown(value)}")
        for column in value:
            if column not in self._readers and column not in self._ignored:
                raise ValueError(
                    f"no column {_shown(column)}{did_you_mean(str(column), self._readers)}; the "
                    f"columns are {list(self._readers)}"
                )
        cells: Row = {}
        for column, read in self._readers.items():
            cell = value.get(column)
            try:
                cells[column] = None if cell is None else read(cell)
            except ValueError as error:
                raise ValueError(f"column {column!r}: {error}") from None
        return cells

    def _image(self, value: Any) -> bytes | None:
        contents = _bytes(value)
        if contents is None:
            return None
        height, width = image_size(contents)
        if height * width > self._most_pixels:
            raise ValueError(
                f"an image of {width} x {height} pixels; at most {self._most_pixels:,} are read"
            )
        return contents


def _bytes(value: Any) -> bytes | None:
    """A file: bytes of a form, or base64, alone or in a data address (`data:image/png;base64,`)."""
    if isinstance(value, bytes):
        return value or None
    if not isinstance(value, str):
        raise ValueError(f"a file is a text of base64. Received: {_shown(value)}")
    if value.startswith(_PREFIX):
        head, comma, value = value.partition(",")
        if not comma or not head.endswith(";base64"):
            raise ValueError("a data address has its contents as base64: data:TYPE;base64,...")
    try:
        return base64.b64decode(value, validate=True) or None
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64: {error}; files are sent, not named") from None


def _several(value: Any, one: Callable[[Any], Any]) -> list[Any] | None:
    if not isinstance(value, list):
        value = [value]
    return [each for each in map(one, value) if each is not None] or None


def _array(value: Any) -> np.ndarray | None:
    if not isinstance(value, list):
        raise ValueError(f"a feature sequence is a list of steps. Received: {_shown(value)}")
    try:
        array = np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        array = np.array("")
    if array.dtype.kind != "f" or array.ndim not in (1, 2):
        raise ValueError("a feature sequence is a list of steps, each a list of as many numbers")
    return array if array.size else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a text. Received: {_shown(value)}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a number. Received: {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a finite number, or null where there is none")
    return number


def _name(value: Any) -> str | int | float | bool:
    if not isinstance(value, str | int | float | bool):
        raise ValueError(
            f"a category is a text, a number or a truth value. Received: {_shown(value)}"
        )
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        raise ValueError("a category of so many digits")
    return value


def _shown(value: Any) -> str:
    """A value as an error says it: short."""
    if isinstance(value, Mapping | list):
        return f"{'an object' if isinstance(value, Mapping) else 'a list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        return "a very large number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
