"""CSV files that people open in a spreadsheet and that we read again ourselves.

A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula, which can run
programs and send data away; class names, texts and file names come from tables that anyone may have
written. Such texts are written with an apostrophe before them, as spreadsheets themselves mark a
text, and are read without it. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.files import write_text

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
# A number, an interval, a difference with its interval: nothing in it can be called.
_NUMBER = re.compile(r"[+-][\d.](?:to|[eE](?=[+-]?\d)|[\d\s.,+\-−–±%()*])*")


def write_csv(path: str | Path, frame: pd.DataFrame, *, index: bool = False) -> None:
    """Writes a table whose texts no spreadsheet takes for formulas. `read_csv` reads it back.

    Args:
        path: The file.
        frame: The table, with one line of column names.
        index: Whether the index is written, as the first column.
    """
    escaped = _each_text(frame, _escape)
    text = escaped.to_csv(index=index, lineterminator="\n")
    if "\r" in text:  # Python's writer leaves it without quotes, and a reader begins a row there
        text = escaped.to_csv(index=index, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    write_text(path, text)


def read_csv(path: str | Path, **options: Any) -> pd.DataFrame:
    """Reads what `write_csv` wrote.

    Args:
        path: The file.
        **options: Of `pandas.read_csv`.
    """
    return _each_text(pd.read_csv(path, **options), _unescape)


def unescaped_predictions(frame: pd.DataFrame) -> pd.DataFrame:
    """A table read from a CSV file, where it is one of predictions as `write_csv` wrote it.

    Other tables are returned as they are: in a file that someone else wrote, an apostrophe is one.
    """
    names = list(frame.columns)
    if names[:1] != ["index"] or "predicted" not in names:
        return frame
    return _each_text(frame, _unescape)


def _each_text(frame: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """The table with its texts changed, also those that name columns and rows."""
    # By place: two columns may have one name.
    changed = {place: _changed(column, change) for place, (_, column) in enumerate(frame.items())}
    result = pd.DataFrame(changed, index=frame.index)
    result.columns = [change(name) for name in frame.columns]
    if frame.index.nlevels == 1:
        result.index = _changed(frame.index, change)
    result.index.names = [change(name) for name in frame.index.names]
    result.columns.name = frame.columns.name
    result.attrs = frame.attrs
    return result


def _changed(cells: Any, change: Callable[[Any], Any]) -> Any:
    """A column or an index; the very same, with its type, where no text is to be changed."""
    dtype = cells.dtype
    if not (dtype.kind == "O" or isinstance(dtype, (pd.StringDtype, pd.CategoricalDtype))):
        return cells
    new = [change(cell) for cell in cells]
    if all(after is before for after, before in zip(new, cells, strict=True)):
        return cells
    if isinstance(cells, pd.Index):
        return pd.Index(new, name=cells.name)
    return pd.Series(new, index=cells.index, dtype=object)


def _escape(value: Any) -> Any:
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def _unescape(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("'") and _FORMULA.match(value):
        return value[1:]
    return value
