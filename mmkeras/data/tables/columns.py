"""The columns that a schema names: what each holds, and reading its cells accordingly."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS, READERS
from mmkeras.data.tables.cells import (
    CONTAINERS,
    Problem,
    equal_means_same,
    is_empty,
    label_items,
    label_names,
    label_set,
    label_sets,
    object_series,
    read_numbers,
    shown_cell,
    step_labels,
)
from mmkeras.data.tables.names import canonical_names, stand_for_numbers
from mmkeras.data.tables.written.boxes import BOX_ROLES, read_boxes
from mmkeras.data.tables.written.dates import DATE_ROLES, read_dates
from mmkeras.data.tables.written.lists import is_written_list, written_list
from mmkeras.data.tables.written.numbers import warn_of_placeholders
from mmkeras.schema import Schema
from mmkeras.tasks import task_class

_FLAGS = {"1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "1.0": 1.0}
_FLAGS["0.0"] = 0.0
_TOGETHER = 65_536  # texts that are looked at at once


def column_roles(schema: Schema) -> dict[str, str]:
    """How the cells of each of the schema's columns are read; inputs first, in schema order."""
    roles: dict[str, str] = {}
    for modality in schema.modalities:
        own = KINDS[modality.kind].column_roles(modality)
        roles |= {column: role for column, role in own.items() if column not in roles}
    for column in schema.target_columns:
        target = schema.target_of(column)
        roles[column] = task_class(target).cell_role(target)
    for column in (schema.id, schema.group):
        if column is not None:
            roles.setdefault(column, "label")
    if schema.weight is not None:
        roles[schema.weight] = "number"
    return roles


def names_may_differ(cells: pd.Series, read: pd.Series, role: str, separator: str) -> bool:
    """Whether the names in a column stand for numbers, see `tables.names.stand_for_numbers`.

    Args:
        cells, role, separator: As `read_column` was given them.
        read: As it returned the cells.
    """
    if role == "label":
        return stand_for_numbers(cells, read)
    if role not in ("labels", "steps"):
        return False
    listed = (label_items(value, separator) for value in cells if not is_empty(value))
    items = pd.Series([item for each in listed for item in each], dtype=object)
    return stand_for_numbers(
        items, canonical_names(items) if role == "labels" else label_names(items)
    )


def did_you_mean(column: str, columns: Iterable[Any]) -> str:
    """A hint to append: the column that is called much alike, or nothing."""
    known = {str(name).strip().lower(): str(name) for name in columns}
    close = difflib.get_close_matches(column.strip().lower(), known, n=1)
    return f" (did you mean {known[close[0]]!r}?)" if close else ""


def read_column(
    cells: pd.Series, role: str, folder: Path, separator: str, marks: dict[str, str]
) -> tuple[pd.Series, list[Problem]]:
    """Reads the cells of one column, and finds what is wrong with them.

    Args:
        cells: The cells as they came from the file or DataFrame.
        role: What they hold, as `column_roles` says it.
        folder: The folder that image paths are relative to.
        separator: What separates the labels of a multi-label cell.
        marks: The decimal marks of columns, where they are known; those that numbers show here
            are added.

    Returns:
        The cells as `read_table` promises them, and the problems. With problems, the cells are
        only good for finding more of them.
    """
    if isinstance(cells.dtype, pd.StringDtype):
        cells = cells.astype(object)  # pandas walks Python objects four times as fast
    if found := _broken_texts(cells, with_nul=role == "text" or role not in READERS):
        return cells, found
    if role in READERS:
        return READERS[role](cells, folder)
    if role in DATE_ROLES:
        return read_dates(cells, DATE_ROLES[role])
    if role in BOX_ROLES:
        return read_boxes(cells, role)
    if role == "number":
        return _read_numbers(cells, marks)
    return _read_flags(cells) if role == "flag" else _read_labels(cells, role, separator)


def _read_labels(cells: pd.Series, role: str, separator: str) -> tuple[pd.Series, list[Problem]]:
    # Of equal cells one is looked at, where they can be told apart.
    looked_at = cells.drop_duplicates() if equal_means_same(cells) else cells
    reasons = [_label_problem(value, role, separator) for value in looked_at]
    if any(reasons):
        found = ((row, _label_problem(v, role, separator)) for row, v in enumerate(cells, start=1))
        return cells, [(row, problem) for row, problem in found if problem]
    if role == "steps":
        joined = (None if is_empty(v) else separator.join(step_labels(v, separator)) for v in cells)
        return object_series(joined, cells), []
    if role == "labels":
        sets = label_sets(cells, separator)
        each = pd.Series([name for names in sets for name in names], dtype=object)
        form = dict(zip(each, canonical_names(each), strict=True))
        return object_series((separator.join(form[n] for n in names) for names in sets), cells), []
    return canonical_names(cells), []


def _broken_texts(cells: pd.Series, with_nul: bool) -> list[Problem]:
    """Texts that no file can hold: halves of a character ("\\ud83d"), which JSON may say.

    And those with a NUL, at which some readers end a text, so that two names become one.
    """
    if pd.api.types.is_numeric_dtype(cells):
        return []
    # Many at once: there hardly ever is one.
    values = cells.to_numpy(object)
    parts = (values[start : start + _TOGETHER] for start in range(0, len(values), _TOGETHER))
    if all(_text_problem("".join(map(_text_of, part)), with_nul) is None for part in parts):
        return []
    found = ((row, _text_problem(_text_of(v), with_nul)) for row, v in enumerate(cells, start=1))
    return [(row, f"{shown_cell(cells.iloc[row - 1])} {why}") for row, why in found if why]


def _text_of(value: Any) -> str:
    """The text of a cell, or all texts of a list of them."""
    if isinstance(value, list | tuple | set | frozenset):
        return "".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else ""


def _text_problem(text: str, with_nul: bool) -> str | None:
    if with_nul and "\0" in text:
        return "has a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start : error.end]
        return f"has half a character, {half!r}, which is no text; write it again from its source"
    return None


def _label_problem(value: Any, role: str, separator: str) -> str | None:
    """Why a cell does not hold a label, labels or a label per step, as its role says; or None."""
    several = role in ("labels", "steps")
    if several and isinstance(value, str) and is_written_list(value):
        value = written_list(value)
        if value is None:
            return "is in brackets, but not a list of labels such as ['a', 'b']"
    if isinstance(value, (bytes, bytearray, dict, *(() if several else CONTAINERS))):
        return f"{shown_cell(value)} is not a label; give a string or an integer"
    if not several or is_empty(value):
        return None
    if role == "steps":
        names = step_labels(value, separator)
        broken = [name for name in names if not name or separator in name]
        step = names.index(broken[0]) + 1 if broken else 0
        labels = f"(labels are joined by {separator!r})"
        return f"step {step} has no label of its own {labels}" if broken else None
    if isinstance(value, CONTAINERS):
        broken = [label for label in label_set(value, separator) if separator in label]
        return f"the label {broken[0]!r} has the separator {separator!r}" if broken else None
    names = [label.strip() for label in value.split(separator)] if isinstance(value, str) else []
    if "" in names or len(set(names)) < len(names):
        what = "an empty label" if "" in names else "a label twice"
        return f"{value!r} has {what} (labels are joined by {separator!r})"
    return None


def _read_flags(cells: pd.Series) -> tuple[pd.Series, list[Problem]]:
    """A column that says of each row whether a label applies, as 1.0 and 0.0."""
    names = label_names(cells)
    values = names.map(lambda name: None if name is None else _FLAGS.get(name.lower(), name))
    wrong = np.flatnonzero([isinstance(value, str) for value in values])
    if len(wrong):
        why = "does not say whether the label applies; write 1 or 0"
        return cells, [(int(p) + 1, f"{shown_cell(cells.iloc[p])} {why}") for p in wrong]
    return values.astype("float64"), []


def _read_numbers(cells: pd.Series, marks: dict[str, str]) -> tuple[pd.Series, list[Problem]]:
    read = read_numbers(cells, marks.get(str(cells.name), ""))
    if read.mark:
        marks.setdefault(str(cells.name), read.mark)
    values, wrong = read.values, list(read.wrong)
    problems: list[Problem] = []
    for position, why in read.wrong.items():
        problems.append((position + 1, f"{shown_cell(cells.iloc[position])} {why}"))
    for position in np.flatnonzero(np.isinf(values)):
        shown = shown_cell(cells.iloc[position])
        problem = f"{shown} is infinite; leave the cell empty or give a finite number"
        problems.append((int(position) + 1, problem))
    if problems:
        kept = object_series(values.tolist(), cells)
        kept.iloc[wrong] = cells.iloc[wrong]
        return kept, problems
    warn_of_placeholders(cells.name, read.placeholders, len(cells))
    return pd.Series(values, index=cells.index, name=cells.name, dtype="float64"), []
