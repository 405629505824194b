"""Infer a schema from the values of a table."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.tables.cells import CONTAINERS, NUMBERS, content_digest, is_empty, to_number
from mmkeras.data.tables.columns import did_you_mean
from mmkeras.schema import (
    MODALITIES,
    Label,
    Labels,
    Modality,
    Number,
    Schema,
    Tabular,
    Target,
    is_taken,
)

TARGET_NAMES = ("label", "target", "class", "category", "y")

_FILES = {name: kind for name, kind in KINDS.items() if kind.has_files}
_FEW = 20
_LOOKED_AT = 1000  # cells of a column, to see whether they are images


def infer_schema(
    frame: pd.DataFrame,
    target: str | Target | None = None,
    *,
    id: str | None = None,
    group: str | None = None,
    base_dir: str | Path | None = None,
) -> Schema:
    """Guesses a schema from the values of a table.

    The result is to be read, not trusted: `print(schema.to_json())`, correct it, save it. A column
    that it does not name was left out. The rules, for each column, the first that holds:

    1. Constant or empty columns are left out.
    2. Images, sounds, videos and feature sequences: most cells are strings that end as such
       files do (.png, .wav, .mp4, .npy, ...), or bytes that start like them, or arrays: of rank
       2 or 3 for images, of rank 4 for videos, of rank 1 for sounds (int16) and sequences
       (floats). A video's sound track is a second modality that is to be added by hand.
    3. Id: all values differ and the column is called `id` or `..._id`, or they are the integers
       0 to n-1 or 1 to n. The first of them becomes the schema's id (a named one before a
       numbered one), the others are left out, and so is a column called `..._id` with many
       values.
    4. Numbers (strings that are numbers count, unless they start like "007"): categorical when
       they are booleans, or integers with few values; numeric otherwise. Few means: at most 20,
       each in two rows or more on average.
    5. Strings: categorical when there are few, text when more than half of them differ or when
       they have several words, categorical otherwise.
    6. Anything else (dates, lists) is left out.

    Numeric and categorical columns together form one modality, `Tabular("table", ...)`.

    Args:
        frame: The table, e.g. from `pandas.read_csv`.
        target: The column to predict, or a target such as `Labels("tags")`. Defaults to the column
            called label, target, class, category or y, in any case. Of a column, lists are taken
            for `Labels`; strings, booleans and integers with few values for a `Label`; other
            numbers for a `Number`.
        id: The column that names the rows.
        group: The column whose equal values belong together.
        base_dir: The folder that image paths are relative to. When given, files are looked at, so
            that images are recognised by their content where their names have no extension.

    Returns:
        A `Schema`.

    Raises:
        ValueError: No column, or more than one, can be the target; a named column is not there;
            no column can be an input; a column of image files that are not read, such as .heic.

    Example:

    >>> frame = pd.DataFrame({"my photo": ["a.png", "b.png"], "label": ["cat", "dog"]})
    >>> infer_schema(frame).modalities
    (Image(name='my_photo', column='my photo'),)
    """
    columns = list(frame.columns)
    _check_names(columns)
    if not isinstance(target, Target):
        target = target or find_target(columns)
    predicted = target.columns if isinstance(target, Target) else (target,)
    _check_there(columns, predicted, id, group)
    guesses = {
        column: _guess_kind(frame[column], base_dir)
        for column in columns
        if column not in (*predicted, id, group)
    }
    if id is None:
        id = next(iter(_guessed(guesses, "id") + _guessed(guesses, "counter")), None)
    modalities = _modalities(guesses)
    if not modalities:
        raise ValueError(
            f"No column of the table can be an input of a model. Target: {predicted}; the others, "
            f"and what they look like: {guesses}. Write the schema by hand."
        )
    if not isinstance(target, Target):
        target = _guess_target(frame[target])
    return Schema(tuple(modalities), target, id=id, group=group)


def _check_there(
    columns: list[str], predicted: tuple[str, ...], id: str | None, group: str | None
) -> None:
    for argument, column in (*(("target", c) for c in predicted), ("id", id), ("group", group)):
        if column is not None and column not in columns:
            hint = did_you_mean(column, columns)
            raise ValueError(f"No column {column!r} for `{argument}`{hint}. Columns: {columns}.")


def _check_names(columns: list[Any]) -> None:
    """Column names are strings that differ."""
    if not all(isinstance(column, str) for column in columns):
        raise ValueError(f"Column names must be strings. Received: {columns}. Rename the columns.")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise ValueError(f"Column names must differ. These occur twice: {repeated}.")


def _guessed(guesses: dict[str, str], guess: str) -> list[str]:
    return [column for column, kind in guesses.items() if kind == guess]


def _modalities(guesses: dict[str, str]) -> list[Modality]:
    """A modality for each column that looks like one, and one for all numbers and categories."""
    names: set[str] = set()
    modalities: list[Modality] = []
    for column, kind in guesses.items():
        if kind in MODALITIES:
            name = _modality_name(column, kind, names)
            modalities.append(MODALITIES[kind](name, column))
    numeric, categorical = _guessed(guesses, "numeric"), _guessed(guesses, "categorical")
    if numeric or categorical:
        name = _modality_name("table", "table", names)
        modalities.append(Tabular(name, numeric=numeric, categorical=categorical))
    return modalities


def find_target(columns: list[str]) -> str:
    found = [column for column in columns if column.strip().lower() in TARGET_NAMES]
    if len(found) == 1:
        return found[0]
    what = f"Several columns could be the target: {found}" if found else "No column is the target"
    raise ValueError(f"{what}. Name the one to predict: infer_schema(frame, target=...). "
                     f"Columns: {columns}.")  # fmt: skip


def _modality_name(column: str, fallback: str, taken: set[str]) -> str:
    base = re.sub(r"[^A-Za-z0-9_.-]+", "_", column).strip("_.-") or fallback
    name, number = base, 2
    while name in taken or is_taken(name, [*taken, name]):
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    return name


def _guess_kind(series: pd.Series, base_dir: str | Path | None) -> str:
    """A modality's kind, `numeric`, `categorical`, `id`, `counter`, or why it is none of them."""
    cells = [value for value in series if not is_empty(value)]
    some = cells[:: max(1, len(cells) // _LOOKED_AT)]
    files = Counter(_medium(value, base_dir) for value in some)
    likeliest = max(_FILES, key=lambda kind: files[kind])
    if files[likeliest] > len(some) / 2:
        contents = (bytes, np.ndarray)
        distinct = {content_digest(v) if isinstance(v, contents) else str(v) for v in cells}
        return "constant" if len(distinct) <= 1 else likeliest
    if reason := _path_problem(some):
        raise ValueError(
            f"Column {series.name!r} holds image files. {reason}, or drop the column if it is not "
            "an input."
        )
    all_texts = all(isinstance(value, str) for value in cells)
    if not all_texts and not all(isinstance(value, NUMBERS) for value in cells):
        return "not an image, a text, a number or a category"
    distinct = len(set(cells))
    if distinct <= 1:
        return "constant"
    few = _are_few(distinct, len(cells))
    if re.search(r"(^|_)id$", series.name.strip().lower()) and not few:
        return "id" if distinct == len(series) else "an id that repeats"
    values = _as_numbers(cells)
    if values is not None:
        return _guess_number(series, cells, values, few)
    several_words = sum(len(value.split()) for value in cells) >= 2 * len(cells)
    mostly_differ = distinct > len(cells) / 2
    return "text" if not few and (mostly_differ or several_words) else "categorical"


def _guess_number(series: pd.Series, cells: list[Any], values: list[float], few: bool) -> str:
    if isinstance(cells[0], bool | np.bool_):
        return "categorical"
    if not _are_whole(series, values):
        return "numeric"
    if sorted(values) in (list(range(len(series))), list(range(1, len(series) + 1))):
        return "counter"
    return "categorical" if few else "numeric"


def _path_problem(cells: list[Any]) -> str | None:
    """What to do about a column of image files of which some, or all, cannot be decoded."""
    image = KINDS["image"]
    paths = [str(cell) for cell in cells if isinstance(cell, str | os.PathLike)]
    reasons = [reason for reason in map(image.path_problem, paths) if reason]
    readable = sum(path.strip().lower().endswith(image.suffixes) for path in paths)
    return reasons[0] if reasons and len(reasons) + readable > len(cells) / 2 else None


def _medium(value: Any, base_dir: str | Path | None) -> str | None:
    """The kind of files or arrays that a cell looks like."""
    if isinstance(value, bytes | bytearray):
        return _by_signature(bytes(value[:12]))
    if isinstance(value, np.ndarray):
        like = (name for name, kind in _FILES.items() if kind.is_array(value))
        return next(like, None) if value.dtype.kind in "buif" else None
    if not isinstance(value, str | os.PathLike):
        return None
    path = str(value).strip().lower()
    for name, kind in _FILES.items():
        if path.endswith(kind.suffixes):
            return name
    if base_dir is None:
        return None
    try:
        with Path(base_dir, value).open("rb") as file:
            return _by_signature(file.read(12))
    except (OSError, ValueError):  # a text is not a file name, or too long for one
        return None


def _by_signature(start: bytes) -> str | None:
    signatures = {name: kind.signature for name, kind in _FILES.items() if kind.signature}
    return next((name for name, known in signatures.items() if known.match(start)), None)


def _are_few(distinct: int, rows: int) -> bool:
    return distinct <= _FEW and (2 * distinct <= rows or distinct <= 2 < rows)


def _as_numbers(cells: list[Any]) -> list[float] | None:
    """The cells as numbers when all of them are, else None. "007" is a name, not a number."""
    if any(isinstance(value, str) and re.match(r"\s*[+-]?0\d", value) for value in cells):
        return None
    values = [to_number(value) for value in cells]
    if None in values:
        return None
    return [value for value in values if not math.isnan(value)] or None


def _are_whole(series: pd.Series, values: list[float]) -> bool:
    """Whether numbers are integers; a float column counts only when holes have made it one."""
    is_float = pd.api.types.is_float_dtype(series) and not series.isna().any()
    return not is_float and all(value.is_integer() for value in values)


def _guess_target(series: pd.Series) -> Target:
    cells = [value for value in series if not is_empty(value)]
    if any(isinstance(value, CONTAINERS) for value in cells):
        return Labels(series.name)
    values = _as_numbers(cells)
    if values is None or isinstance(cells[0], bool | np.bool_):
        return Label(series.name)
    few = _are_few(len(set(values)), len(values))
    return Label(series.name) if few and _are_whole(series, values) else Number(series.name)
