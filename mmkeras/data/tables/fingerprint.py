"""Tell whether two tables, or two rows, hold the same."""

from __future__ import annotations

import hashlib
import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.media.plain_file import file_name, plain_file_size
from mmkeras.data.tables.cells import (
    content_digest,
    equal_means_same,
    is_empty,
    label_name,
    label_set,
    read_numbers,
    to_number,
)
from mmkeras.data.tables.columns import column_roles
from mmkeras.schema import Schema

_FILES = {role for kind in KINDS.values() if kind.has_files for role in kind.readers()}


def fingerprint(frame: pd.DataFrame, schema: Schema) -> str:
    """A SHA-256 over the cells of the schema's columns, in row order, as 64 hex digits.

    Tells whether a resumed run sees the same data. It is the same in every process, on every
    pandas version, and wherever the folder of images is: a path counts as its file's name and
    size in bytes, not as its folders or the file's content. Bytes and arrays count by content.

    Raises:
        FileNotFoundError: A file is no longer there.
    """
    digest = hashlib.sha256()
    for column, role in column_roles(schema).items():
        if column not in frame.columns:
            continue
        header = f"{column}\n{role}".encode()
        digest.update(struct.pack("<QQ", len(header), len(frame)) + header)
        codes, distinct = _distinct(frame[column])
        parts = [
            _sized(_path_as_file(v, role), role, schema.separator(column))
            for v in [*distinct, None]
        ]
        digest.update(b"".join([parts[code] for code in codes]))
    return digest.hexdigest()


def _path_as_file(value: Any, role: str) -> Any:
    """A path as its file's name and size; other cells as they are."""
    if isinstance(value, tuple):
        return tuple(_path_as_file(medium, role) for medium in value)
    if role in _FILES and isinstance(value, str) and not is_empty(value):
        if os.path.isdir(value):  # noqa: PTH112 (or a name too long)
            size = sum(1 for _ in Path(value).iterdir())  # of a folder of frames its entries
        else:
            size = plain_file_size(value)
        return f"{file_name(value)}\n{size}"
    return value


def _sized(value: Any, role: str, separator: str) -> bytes:
    part = cell_bytes(value, role, separator)
    return struct.pack("<Q", len(part)) + part


def _distinct(cells: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Which of the distinct cells each row has, -1 for none of them, and these cells."""
    if equal_means_same(cells):
        codes, distinct = pd.factorize(cells)
        return codes, list(distinct)
    return np.arange(len(cells)), cells.tolist()


def row_codes(frame: pd.DataFrame, schema: Schema, *, target: bool = True) -> np.ndarray:
    """A number for each row, the same for rows that hold the same, int64 `(rows,)`.

    Media are compared by path, or by content where they are bytes or arrays.

    Args:
        frame: A table as `read_table` returns it.
        schema: Which column is what; id and group do not count.
        target: Whether the target counts, or the inputs alone.

    Example:

    >>> from mmkeras.schema import Text
    >>> frame = pd.DataFrame({"note": ["a", "b", "a"]})
    >>> row_codes(frame, Schema([Text("note")])).tolist()
    [0, 1, 0]
    """
    roles = column_roles(schema)
    rows = np.zeros(len(frame), np.int64)
    for column in (*schema.columns, *(schema.target_columns if target else ())):
        if column in frame.columns:
            codes = _meanings(frame[column], roles[column], schema.separator(column))
            rows = pd.factorize(rows * (codes.max(initial=0) + 2) + codes + 1)[0]
    return rows


def _meanings(cells: pd.Series, role: str, separator: str) -> np.ndarray:
    """A number for each cell, the same for cells that mean the same."""
    if role == "number":
        return pd.factorize(read_numbers(cells).values + 0.0)[0]  # -0.0 equals 0.0
    if equal_means_same(cells) and role not in _FILES:
        return pd.factorize(cells)[0]
    meanings = [cell_bytes(value, role, separator) for value in cells]
    return pd.factorize(np.array([*meanings, b""], dtype=object))[0][:-1]


def cell_bytes(value: Any, role: str, separator: str) -> bytes:
    """One cell as bytes that are equal when the cells mean the same."""
    if is_empty(value):
        return b""
    if role in _FILES and isinstance(value, tuple):
        return b"l" + b"".join(_sized(medium, role, separator) for medium in value)
    if role in _FILES and isinstance(value, np.ndarray):
        return b"a" + content_digest(value)
    if isinstance(value, bytes):
        return b"b" + content_digest(value)
    if role == "number":
        number = to_number(value)
        if number is not None:
            # Adding zero turns -0.0 into 0.0, which equals it.
            return b"" if math.isnan(number) else b"n" + struct.pack("<d", number + 0.0)
    if role == "label":
        value = label_name(value)
    elif role == "labels":
        value = "\n".join(label_set(value, separator))
    return b"s" + str(value).encode("utf-8", "surrogatepass")
