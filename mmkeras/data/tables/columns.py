"""The columns that a schema names: what each holds, and reading its cells accordingly."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.media.cells import MEDIA, Problem, read_media
from mmkeras.data.tables.cells import (
    CONTAINERS,
    is_empty,
    label_names,
    label_set,
    label_sets,
    object_series,
    step_labels,
    to_number,
)
from mmkeras.schema import Schema, Tabular
from mmkeras.tasks import task_class


def column_roles(schema: Schema) -> dict[str, str]:
    """How the cells of each of the schema's columns are read; inputs first, in schema order."""
    roles: dict[str, str] = {}
    for modality in schema.modalities:
        if isinstance(modality, Tabular):
            roles |= {c: "number" for c in modality.numeric if c not in roles}
            roles |= {c: "label" for c in modality.categorical if c not in roles}
        else:
            roles.setdefault(modality.column, modality.kind)
    for column in schema.target_columns:
        roles[column] = task_class(schema.target).cells
    for column in (schema.id, schema.group):
        if column is not None:
            roles.setdefault(column, "label")
    return roles


def did_you_mean(column: str, columns: Iterable[Any]) -> str:
    """A hint to append: the column that is called much alike, or nothing."""
    known = {str(name).strip().lower(): str(name) for name in columns}
    close = difflib.get_close_matches(column.strip().lower(), known, n=1)
    return f" (did you mean {known[close[0]]!r}?)" if close else ""


def read_column(
    cells: pd.Series, role: str, folder: Path, separator: str
) -> tuple[pd.Series, list[Problem]]:
    """Reads the cells of one column, and finds what is wrong with them.

    Args:
        cells: The cells as they came from the file or DataFrame.
        role: What they hold, as `column_roles` says it.
        folder: The folder that image paths are relative to.
        separator: What stands between the labels of a multi-label cell.

    Returns:
        The cells as `read_table` promises them, and the problems. With problems, the cells are
        only good for finding more of them.
    """
    if isinstance(cells.dtype, pd.StringDtype):
        cells = cells.astype(object)  # pandas walks Python objects four times as fast
    if role in MEDIA:
        return read_media(cells, role, folder)
    if role == "text":
        return _read_texts(cells)
    if role == "number":
        return _read_numbers(cells)
    wrong = (bytes, bytearray, dict) + (() if role in ("labels", "steps") else CONTAINERS)
    problems: list[Problem] = []
    for row, value in enumerate(cells, start=1):
        if isinstance(value, wrong):
            problems.append((row, f"{_show(value)} is not a label; give a string or an integer"))
        elif role == "steps" and not is_empty(value):
            names = step_labels(value, separator)
            broken = [name for name in names if not name or separator in name]
            if broken:
                problems.append((row, f"step {names.index(broken[0]) + 1} has no label of its own "
                                 f"(labels are joined by {separator!r})"))  # fmt: skip
        elif role == "labels" and isinstance(value, CONTAINERS):
            broken = [label for label in label_set(value, separator) if separator in label]
            if broken:
                problems.append((row, f"the label {broken[0]!r} has the separator {separator!r}"))
        elif role == "labels" and isinstance(value, str) and not is_empty(value):
            names = [label.strip() for label in value.split(separator)]
            if "" in names or len(set(names)) < len(names):
                what = "an empty label" if "" in names else "a label twice"
                problems.append((row, f"{value!r} has {what} (labels are joined by {separator!r})"))
    if problems:
        return cells, problems
    if role == "steps":
        joined = (None if is_empty(v) else separator.join(step_labels(v, separator)) for v in cells)
        return object_series(joined, cells), []
    if role == "labels":
        return object_series((separator.join(s) for s in label_sets(cells, separator)), cells), []
    return label_names(cells), []


def _read_texts(cells: pd.Series) -> tuple[pd.Series, list[Problem]]:
    hint = "make it a string, or put the column into a Tabular modality"
    if pd.api.types.is_numeric_dtype(cells) and not cells.isna().all():
        return cells, [(None, f"holds numbers ({cells.dtype}), not texts; {hint}")]
    problems: list[Problem] = []
    for row, value in enumerate(cells, start=1):
        if isinstance(value, numbers.Number | np.bool_) and not is_empty(value):
            problems.append((row, f"{value} is a number, not a text; {hint}"))
        elif not isinstance(value, str) and not is_empty(value):
            problems.append((row, f"{_show(value)} is not a text; give a string"))
    values = (None if is_empty(value) else value for value in cells)
    return object_series(values, cells), problems


def _read_numbers(cells: pd.Series) -> tuple[pd.Series, list[Problem]]:
    values = [to_number(value) for value in cells]
    problems: list[Problem] = [
        (row, f"{_show(cell)} is not a number")
        if value is None
        else (row, f"{_show(cell)} is infinite; leave the cell empty or give a finite number")
        for row, (cell, value) in enumerate(zip(cells, values, strict=True), start=1)
        if value is None or math.isinf(value)
    ]
    if problems:
        kept = (c if v is None else v for c, v in zip(cells, values, strict=True))
        return object_series(kept, cells), problems
    return pd.Series(values, index=cells.index, name=cells.name, dtype="float64"), []


def _show(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    text = text if len(text) <= 60 else text[:57] + "..."
    plain = isinstance(value, str | numbers.Real | np.bool_)
    return text if plain else f"{text} ({type(value).__name__})"
