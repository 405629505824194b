"""Which column is predicted, and as what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import CONTAINERS, is_empty, read_numbers
from mmkeras.data.tables.columns import did_you_mean
from mmkeras.data.tables.guess.columns import (
    are_few,
    is_placeholder,
    plain,
    said_of_words,
    sample_of,
    written_numbers,
)
from mmkeras.data.tables.guess.names import TARGET_NAMES, is_flag, label_family, same_family
from mmkeras.data.tables.written.lists import is_written_list, written_list
from mmkeras.schema import Label, Labels, Number, Target

GuessedTarget = tuple[Target, str, str]  # with why, and a warning


def find_target(frame: pd.DataFrame, target: str | Sequence[str] | Target | None) -> GuessedTarget:
    """The target that is asked for, or else the one that the columns' names tell.

    Args:
        frame: The table.
        target: A column, several of them (a list, or one text with commas), or a whole target.

    Raises:
        ValueError: No column, or more than one, can be the target; a named column is not there; a
            column cannot be predicted.
    """
    columns = list(frame.columns)
    if isinstance(target, Target):
        check_there(columns, target.columns, "target")
        return target, "as you said", ""
    if target is None:
        target = _named_target(frame)
    if isinstance(target, str) and target not in columns:
        parts = tuple(part.strip() for part in target.split(","))
        target = parts if len(parts) > 1 and set(parts) <= set(columns) else target
    if isinstance(target, str):
        check_there(columns, (target,), "target")
        return _one_column(plain(frame[target]))
    check_there(columns, tuple(target), "target")
    return _several_columns(frame, tuple(target))


def check_there(columns: Sequence[str], named: Sequence[str], argument: str) -> None:
    for column in named:
        if column not in columns:
            hint = did_you_mean(column, columns)
            raise ValueError(f"No column {column!r} for `{argument}`{hint}. Columns: {columns}.")


def other_labels(frame: pd.DataFrame, target: Target) -> tuple[list[str], list[str]]:
    """Columns that are called like the target and say 0 or 1, and flags that stand beside it.

    The first are labels, too, and no inputs; the others may be.
    """
    columns = list(frame.columns)
    if len(target.columns) > 1 and isinstance(target, Labels):
        flagged = target.columns
    elif is_flag(frame[target.columns[0]]):
        flagged = target.columns[:1]
    else:
        return [], []
    rest = [c for c in columns if c not in target.columns]
    family = {c for f in flagged for c in same_family(f, rest) if is_flag(frame[c])}
    named = {c.strip().lower() for c in TARGET_NAMES}
    family |= {c for c in label_family(rest) if is_flag(frame[c]) and flagged[0].lower() in named}
    beside = []
    for step in (-1, 1):
        place = columns.index(flagged[0 if step < 0 else -1]) + step
        while 0 <= place < len(columns) and is_flag(frame[columns[place]]):
            beside.append(columns[place])
            place += step
    return sorted(family, key=columns.index), [c for c in beside if c not in family]


def _named_target(frame: pd.DataFrame) -> str | tuple[str, ...]:
    columns = list(frame.columns)
    found = [column for column in columns if column.strip().lower() in TARGET_NAMES]
    if len(found) == 1:
        return found[0]
    family = label_family(columns) if not found else []
    if len(family) > 1 and all(is_flag(plain(frame[column])) for column in family):
        return tuple(family)
    what = f"Several columns could be the target: {found}" if found else "No column is the target"
    raise ValueError(f"{what}. Name the one to predict: infer_schema(frame, target=...). "
                     f"Columns: {columns}.")  # fmt: skip


def _several_columns(frame: pd.DataFrame, columns: tuple[str, ...]) -> GuessedTarget:
    if len(columns) == 1:
        return _one_column(plain(frame[columns[0]]))
    flags = [is_flag(plain(frame[column])) for column in columns]
    if all(flags):
        warning = ""
        if (
            frame[list(columns)].astype(str).isin(["1", "1.0", "True", "true"]).sum(axis=1) == 1
        ).all():
            warning = "exactly one label applies in each row: one column of classes says the same"
        return Labels(columns), f"one of {len(columns)} labels that say 0 or 1", warning
    numbers = [not read_numbers(frame[column]).wrong for column in columns]
    if all(numbers):
        return Number(columns), f"one of {len(columns)} numbers", ""
    odd = [c for c, flag, number in zip(columns, flags, numbers, strict=True) if not number]
    raise ValueError(
        f"Several target columns are numbers, or labels that say 0 or 1 in every row. {odd} are "
        "neither. Name one column."
    )


def _one_column(series: pd.Series) -> GuessedTarget:
    name = series.name
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        raise ValueError(f"The target {name!r} holds dates, which are not predicted.")
    if pd.api.types.is_bool_dtype(series.dtype):
        return Label(name), "2 classes: true or false", ""
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _of_numbers(name, series.dropna().to_numpy(np.float64))
    cells = [cell for cell in series.dropna().to_numpy(object) if not is_empty(cell)]
    if any(isinstance(cell, CONTAINERS) for cell in cells):
        return Labels(name), "lists of labels", ""
    if not all(isinstance(cell, str) for cell in cells):
        read = read_numbers(series)
        booleans = bool(cells) and isinstance(cells[0], bool | np.bool_)
        if not read.wrong and not booleans:
            return _of_numbers(name, read.values[~np.isnan(read.values)])
        return _of_classes(name, [str(cell) for cell in cells])
    distinct = list(dict.fromkeys(cells))
    some = sample_of(distinct)
    if some and all(is_written_list(t) and written_list(t) is not None for t in some):
        return Labels(name), "lists of labels that a file holds as text", ""
    read = written_numbers(distinct) if distinct else None
    few = are_few(len(distinct), len(cells))
    unknown = [text for text in distinct if is_placeholder(text)]
    if few and unknown:
        target, why, warning = _of_classes(name, cells)
        said = f"{unknown[0]!r} is a class like any other; empty such cells if it means unknown"
        return target, why, warning or said
    if read is not None and not (few and read.wrong):
        values = [read.values[cell] for cell in cells if cell in read.values]
        values = np.array([value for value in values if not np.isnan(value)])
        marked = any(not text.strip().lstrip("+-").replace(".", "").isdigit()
                     for text in distinct if not is_placeholder(text))  # fmt: skip
        return _of_numbers(name, values, said_of_words(series, read), marked)
    return _of_classes(name, cells)


def _of_numbers(
    name: str, values: np.ndarray, warning: str = "", marked: bool = False
) -> GuessedTarget:
    distinct = len(np.unique(values))
    whole = bool((values == np.floor(values)).all())
    if whole and not marked and are_few(distinct, len(values)):
        why = f"{distinct} classes, few whole numbers; Number({name!r}) if they are amounts"
        return Label(name), why, warning
    low, high = (values.min(), values.max()) if len(values) else (np.nan, np.nan)
    return Number(name), f"a number, from {low:g} to {high:g}", warning


def _of_classes(name: str, cells: list[str]) -> GuessedTarget:
    distinct = set(cells)
    joined = [cell for cell in distinct if "|" in cell]
    parts = {part.strip() for cell in distinct for part in cell.split("|")}
    if joined and len(parts) < len(distinct):
        return Labels(name), f"{len(parts)} labels, joined by '|'", ""
    warning = ""
    if 2 * len(distinct) > len(cells) > 2 and len(distinct) > 2:
        warning = f"{len(distinct):,} classes in {len(cells):,} rows: most have a row or two"
    elif joined or any(";" in cell for cell in distinct):
        warning = "cells that look like several labels; then write Labels(..., separator=';')"
    return Label(name), f"{len(distinct):,} classes", warning
