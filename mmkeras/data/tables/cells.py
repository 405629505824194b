"""What the cells of a table mean: whether they are empty, and the labels and numbers they hold.

Everything that reads a table asks here, so that one value means the same everywhere.
"""

from __future__ import annotations

import hashlib
import math
import numbers
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.written.lists import is_written_list, written_list
from mmkeras.data.tables.written.numbers import read_written
from mmkeras.schema import Schema

# What pandas.read_csv takes for "no value". Numeric columns and targets read these so.
NA_WORDS = (
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
    + ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
)  # fmt: skip
_NO_NUMBER = frozenset(word.lower() for word in NA_WORDS)

# Built once: these are tested for every cell.
NUMBERS = (int, float, numbers.Real, np.bool_, Decimal)
CONTAINERS = (list, tuple, set, frozenset, np.ndarray)
_FLOATS = (float, np.floating)
EXACT = 2**53  # from here on, floats do not tell neighbouring integers apart
# What pandas calls columns of one type.
_ALIKE = ("string", "integer", "floating", "boolean", "datetime64", "empty")

Problem = tuple[int | None, str]  # the row, counted from 1 (None: the whole column), and what


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, a blank string, no bytes, an array of size 0."""
    if isinstance(value, str):
        return not value.strip()
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, _FLOATS):
        return math.isnan(value)
    if isinstance(value, (bytes, bytearray)):
        return not value
    return isinstance(value, np.ndarray) and value.size == 0


def empty_cells(series: pd.Series) -> np.ndarray:
    """Where `is_empty` holds, as a boolean array `(rows,)`."""
    if pd.api.types.is_numeric_dtype(series):
        return series.isna().to_numpy(bool)
    cells = series.to_numpy(object)
    empty = pd.isna(cells)
    # A column at a time: a call for each cell would take ten times as long.
    if _only_texts(series):
        blank = [not value or value.isspace() for value in cells[~empty]]
        empty[~empty] = blank
        return empty
    return np.fromiter((is_empty(value) for value in cells), bool, len(cells))


def equal_means_same(series: pd.Series) -> bool:
    """Whether cells that are equal mean the same: 1, 1.0 and True are equal, but not the same."""
    return pd.api.types.infer_dtype(series, skipna=True) in _ALIKE


def _only_texts(series: pd.Series) -> bool:
    """Whether all cells are texts or nothing."""
    return pd.api.types.infer_dtype(series, skipna=True) in ("string", "empty")


def missing_cells(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Where modalities are absent: booleans `(rows, modalities)`, named as in the schema.

    A tabular modality is absent from a row only when all of its columns are empty there.
    """
    absent = {
        modality.name: np.all([empty_cells(frame[c]) for c in modality.columns], axis=0)
        for modality in schema.modalities
    }
    return pd.DataFrame(absent, index=frame.index, dtype=bool)


def label_name(value: Any) -> str | None:
    """The class name of one cell, as in `label_names`."""
    if is_empty(value):
        return None
    if isinstance(value, _FLOATS) and float(value).is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()  # as a file says it
    return str(value).strip()


def label_names(series: pd.Series) -> pd.Series:
    """The class names of label cells: one value, one name, wherever the table came from.

    The integer 3 (Python's or NumPy's), the float 3.0 (what an integer column becomes when it has
    a hole) and the text "3" of a CSV file are all the class `"3"`; `True` is `"True"`. Texts lose
    the blanks around them and are otherwise kept as they are ("007", "NA", "3.0").

    Args:
        series: Labels, categories, ids or groups.

    Returns:
        A Series of `str` with the same index; an empty cell is `None`.

    Example:

    >>> list(label_names(pd.Series([3.0, None])))
    ['3', None]
    """
    if equal_means_same(series):
        series = series if isinstance(series.dtype, np.dtype) else series.astype(object)
        codes, distinct = pd.factorize(series)
        names = np.array([*map(label_name, distinct), None], dtype=object)
        return object_series(names[codes], series)
    return object_series((label_name(value) for value in series), series)


def label_sets(series: pd.Series, separator: str = "|") -> list[tuple[str, ...]]:
    """The labels of multi-label cells: `"red|round"` is `("red", "round")`.

    A cell may also be a list, tuple, set or array of labels, or what pandas writes of one to a
    text file: `"['red', 'round']"`. An empty cell is `()`: none of the
    labels applies to the row.
    """
    return [label_set(value, separator) for value in series]


def label_set(value: Any, separator: str) -> tuple[str, ...]:
    """The labels of one cell, as in `label_sets`."""
    if is_empty(value):
        return ()
    names = (label_name(cell) for cell in label_items(value, separator))
    return tuple(dict.fromkeys(name for name in names if name))


def step_labels(value: Any, separator: str) -> tuple[str, ...]:
    """The labels of one cell with a label per step; `""` where a step has none.

    >>> step_labels("up|up|down", "|")
    ('up', 'up', 'down')
    """
    if is_empty(value):
        return ()
    return tuple(label_name(cell) or "" for cell in label_items(value, separator))


def label_items(value: Any, separator: str) -> Iterable[Any]:
    """What stands for labels in one cell that is not empty, as it came."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, list | tuple | np.ndarray):
        return value
    if isinstance(value, str) and is_written_list(value):
        listed = written_list(value)
        if listed is not None:
            return sorted(listed) if value.strip().startswith("{") else listed
    # A lone number, such as 1.0 of a column with holes, is one label.
    return value.split(separator) if isinstance(value, str) else [value]


def to_number(value: Any) -> float | None:
    """The cell as a float; NaN where it is a word for "no number", None where it is neither."""
    if isinstance(value, str):
        if value.strip().lower() in _NO_NUMBER:
            return math.nan
        return read_written([value]).values.get(value)
    if is_empty(value):
        return math.nan
    if not isinstance(value, NUMBERS):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def to_numbers(series: pd.Series) -> np.ndarray:
    """The cells as numbers, float64 `(rows,)`.

    Raises:
        ValueError: A cell is not a number.
    """
    read = read_numbers(series)
    for position, why in read.wrong.items():
        raise ValueError(f"Column {series.name!r}: {series.iloc[position]!r} {why}.")
    return read.values


@dataclass(frozen=True)
class ReadNumbers:
    """A column of numbers.

    Args:
        values: float64 `(rows,)`; NaN where a cell is empty or no number.
        wrong: Why cells are no numbers, by position.
        placeholders: How often words for "unknown" such as `?` stand in for a number.
        mark: The decimal mark that texts were read by, or "" where they show none.
    """

    values: np.ndarray
    wrong: dict[int, str]
    placeholders: dict[str, int]
    mark: str = ""


def read_numbers(series: pd.Series, mark: str = "") -> ReadNumbers:
    """The cells as numbers: plain ones, and texts as `tables.written.numbers` reads them.

    Args:
        series: The cells.
        mark: The decimal mark of texts, where it is known.
    """
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_complex_dtype(series):
        return ReadNumbers(series.to_numpy(np.float64, na_value=np.nan), {}, {})
    cells = series.to_numpy(object)
    plain = None if mark == "," else _plain_numbers(cells)
    if plain is not None:
        points = any("." in cell for cell in cells if type(cell) is str)
        return ReadNumbers(plain, {}, {}, "." if points else mark)
    distinct = dict.fromkeys(cell for cell in cells if isinstance(cell, str))
    known = (text for text in distinct if text.strip().lower() not in _NO_NUMBER)
    texts = read_written(known, mark)
    values = np.full(len(cells), np.nan)
    wrong: dict[int, str] = {}
    for position, cell in enumerate(cells):
        value = texts.values.get(cell, math.nan) if isinstance(cell, str) else to_number(cell)
        if value is None or (isinstance(cell, str) and cell in texts.wrong):
            wrong[position] = texts.wrong[cell] if isinstance(cell, str) else "is not a number"
        else:
            values[position] = value
    counts = Counter(c for c in cells if isinstance(c, str) and c in texts.placeholders)
    return ReadNumbers(values, wrong, dict(counts), texts.mark)


def _plain_numbers(cells: np.ndarray) -> np.ndarray | None:
    """Cells that are plain numbers or holes, as most columns hold nothing else; else None."""
    plain = [math.nan if value is None or value == "" else value for value in cells]
    if not all(issubclass(kind, (str, *NUMBERS)) for kind in set(map(type, plain))):
        return None
    if any("_" in value for value in plain if type(value) is str):
        return None
    try:
        return np.array(list(map(float, plain)), np.float64)
    except (ValueError, OverflowError):
        return None


def row_name(frame: pd.DataFrame, position: int, id: str | None = None) -> str:
    """How messages name a row of a part of a table: by its index, and its id where there is one.

    The position itself says nothing once rows have been shuffled, split or dropped.

    Args:
        frame: The rows.
        position: Which of them, counted from 0.
        id: The schema's id column, if it has one.
    """
    label = frame.index[position]
    name = f"index {label.item() if isinstance(label, np.generic) else label!r}"
    if id is None or id not in frame.columns:
        return name
    return f"{name}, id {label_name(frame[id].iloc[position])!r}"


def object_series(values: Iterable[Any], like: pd.Series) -> pd.Series:
    """A Series of plain Python objects: arrays stay whole, None stays None on every pandas."""
    cells = np.empty(len(like), dtype=object)
    for position, value in enumerate(values):
        cells[position] = value
    return pd.Series(cells, index=like.index, name=like.name, dtype=object)


def shown_cell(value: Any) -> str:
    """A cell as messages show it: short, and with its type where that is not plain to see."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    text = text if len(text) <= 60 else text[:57] + "..."
    plain = isinstance(value, str | numbers.Real | np.bool_)
    return text if plain else f"{text} ({type(value).__name__})"


def content_digest(value: bytes | np.ndarray) -> bytes:
    """The SHA-256 of bytes, or of an array's type, shape and numbers."""
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        value = f"{array.dtype.str}{value.shape}".encode() + array.tobytes()
    return hashlib.sha256(value).digest()


def weight_problem(weight: float) -> str:
    """What is wrong with a row's weight; nothing of a number from 0."""
    if math.isnan(weight):
        return "the weight is empty"
    return "" if 0 <= weight < math.inf else f"the weight is {weight:g}; give a number from 0"


def row_weights(frame: pd.DataFrame, schema: Schema) -> np.ndarray:
    """What each row counts in the loss, float32 `(rows,)`, from the column `schema.weight`.

    Raises:
        ValueError: A cell is empty, no number, or negative.
    """
    weights = to_numbers(frame[schema.weight])
    for row, weight in enumerate(weights):
        if why := weight_problem(weight):
            raise ValueError(f"{row_name(frame, row, schema.id)}: {why}")
    return weights.astype(np.float32)
