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

from mmkeras.data.media.cells import (
    IMAGE_SUFFIXES,
    SEQUENCE_SUFFIXES,
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    unreadable_image,
)
from mmkeras.data.tables.cells import CONTAINERS, NUMBERS, content_digest, is_empty, to_number
from mmkeras.data.tables.columns import did_you_mean
from mmkeras.schema import (
    Audio,
    Image,
    Label,
    Labels,
    Modality,
    Number,
    Schema,
    Sequence,
    Tabular,
    Target,
    Text,
    Video,
    is_taken,
)

TARGET_NAMES = ("label", "target", "class", "category", "y")

_SUFFIXES = {
    "image": IMAGE_SUFFIXES,
    "audio": SOUND_SUFFIXES,
    "video": VIDEO_SUFFIXES,
    "sequence": SEQUENCE_SUFFIXES,
}
# Of a file's first 12 bytes; a dot is any byte.
_SIGNATURES = {
    "image": re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8|BM", re.DOTALL),
    "audio": re.compile(rb"RIFF....WAVE|fLaC|OggS|ID3|\xff[\xfb\xf3\xf2]", re.DOTALL),
    "video": re.compile(rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL),
    "sequence": re.compile(rb"\x93NUMPY"),
}
_CLASSES = {"image": Image, "text": Text, "audio": Audio, "video": Video, "sequence": Sequence}
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
            no column can be an input; a column of image files that TensorFlow does not read.

    Example:

    >>> frame = pd.DataFrame({"my photo": ["a.png", "b.png"], "label": ["cat", "dog"]})
    >>> infer_schema(frame).modalities
    (Image(name='my_photo', column='my photo'),)
    """
    columns = list(frame.columns)
    if not all(isinstance(column, str) for column in columns):
        raise ValueError(f"Column names must be strings. Received: {columns}. Rename the columns.")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise ValueError(f"Column names must differ. These stand twice: {repeated}.")
    if not isinstance(target, Target):
        target = target or _find_target(columns)
    predicted = target.columns if isinstance(target, Target) else (target,)
    named = [("target", column) for column in predicted]
    for argument, column in (*named, ("id", id), ("group", group)):
        if column is not None and column not in columns:
            hint = did_you_mean(column, columns)
            raise ValueError(f"No column {column!r} for `{argument}`{hint}. Columns: {columns}.")
    guesses = {
        column: _guess_kind(frame[column], base_dir)
        for column in columns
        if column not in (*predicted, id, group)
    }
    if id is None:
        ids = [c for c, kind in guesses.items() if kind == "id"]
        counters = [c for c, kind in guesses.items() if kind == "counter"]
        id = next(iter(ids + counters), None)

    names: set[str] = set()
    modalities: list[Modality] = []
    for column, kind in guesses.items():
        if kind in _CLASSES:
            name = _modality_name(column, kind, names)
            modalities.append(_CLASSES[kind](name, column))
    numeric = [column for column, kind in guesses.items() if kind == "numeric"]
    categorical = [column for column, kind in guesses.items() if kind == "categorical"]
    if numeric or categorical:
        name = _modality_name("table", "table", names)
        modalities.append(Tabular(name, numeric=numeric, categorical=categorical))
    if not modalities:
        raise ValueError(
            f"No column of the table can be an input of a model. Target: {predicted}; the others, "
            f"and what they look like: {guesses}. Write the schema by hand."
        )
    if not isinstance(target, Target):
        target = _guess_target(frame[target])
    return Schema(tuple(modalities), target, id=id, group=group)


def _find_target(columns: list[str]) -> str:
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
    media = Counter(_medium(value, base_dir) for value in some)
    likeliest = max(_SUFFIXES, key=lambda kind: media[kind])
    if media[likeliest] > len(some) / 2:
        kind = likeliest
        contents = (bytes, np.ndarray)
        distinct = len({content_digest(v) if isinstance(v, contents) else str(v) for v in cells})
    elif reason := _are_unreadable_images(some):
        raise ValueError(
            f"Column {series.name!r} holds image files. {reason}, or drop the column if it is not "
            "an input."
        )
    elif all(isinstance(value, str) for value in cells):
        kind, distinct = "text", len(set(cells))
    elif all(isinstance(value, NUMBERS) for value in cells):
        kind, distinct = "number", len(set(cells))
    else:
        return "not an image, a text, a number or a category"
    if distinct <= 1:
        return "constant"
    if kind in _SUFFIXES:
        return kind
    few = _are_few(distinct, len(cells))
    if re.search(r"(^|_)id$", series.name.strip().lower()) and not few:
        return "id" if distinct == len(series) else "an id that repeats"
    values = _as_numbers(cells)
    if values is not None:
        if isinstance(cells[0], bool | np.bool_):
            return "categorical"
        if not _are_whole(series, values):
            return "numeric"
        if sorted(values) in (list(range(len(series))), list(range(1, len(series) + 1))):
            return "counter"
        return "categorical" if few else "numeric"
    several_words = sum(len(value.split()) for value in cells) >= 2 * len(cells)
    mostly_differ = distinct > len(cells) / 2
    return "text" if not few and (mostly_differ or several_words) else "categorical"


def _are_unreadable_images(cells: list[Any]) -> str | None:
    """What to do about a column of image files of which some, or all, cannot be decoded."""
    paths = [str(cell) for cell in cells if isinstance(cell, str | os.PathLike)]
    reasons = [reason for reason in map(unreadable_image, paths) if reason]
    readable = sum(path.strip().lower().endswith(IMAGE_SUFFIXES) for path in paths)
    return reasons[0] if reasons and len(reasons) + readable > len(cells) / 2 else None


def _medium(value: Any, base_dir: str | Path | None) -> str | None:
    """The kind of medium that a cell looks like."""
    if isinstance(value, bytes | bytearray):
        return _by_signature(bytes(value[:12]))
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "buif":
            return None
        if value.ndim == 1:
            return "audio" if value.dtype == np.int16 else "sequence"
        return {2: "image", 3: "image", 4: "video"}.get(value.ndim)
    if not isinstance(value, str | os.PathLike):
        return None
    name = str(value).strip().lower()
    for kind, suffixes in _SUFFIXES.items():
        if name.endswith(suffixes):
            return kind
    if base_dir is None:
        return None
    try:
        with Path(base_dir, value).open("rb") as file:
            return _by_signature(file.read(12))
    except (OSError, ValueError):  # a text is no file name, or too long for one
        return None


def _by_signature(start: bytes) -> str | None:
    return next((kind for kind, pattern in _SIGNATURES.items() if pattern.match(start)), None)


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
