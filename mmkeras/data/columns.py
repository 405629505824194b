"""The columns that a schema names: what each holds, and reading its cells accordingly."""

from __future__ import annotations

import difflib
import math
import numbers
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.cells import (
    CONTAINERS,
    is_empty,
    label_names,
    label_set,
    label_sets,
    object_series,
    to_number,
)
from mmkeras.schema import Schema, Tabular

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")
# Files that are images to the eye, and that TensorFlow cannot decode.
UNREADABLE_SUFFIXES = (".webp", ".tif", ".tiff", ".avif", ".heic", ".svg")

Problem = tuple[int | None, str]  # the row, counted from 1 (None: the whole column), and what


def column_roles(schema: Schema) -> dict[str, str]:
    """How the cells of each of the schema's columns are read; inputs first, in schema order."""
    roles: dict[str, str] = {}
    for modality in schema.modalities:
        if isinstance(modality, Tabular):
            roles |= {c: "number" for c in modality.numeric if c not in roles}
            roles |= {c: "label" for c in modality.categorical if c not in roles}
        else:
            roles.setdefault(modality.column, modality.kind)
    task = schema.target.task
    target = {"classification": "label", "multilabel": "labels", "regression": "number"}[task]
    roles[schema.target.column] = target
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
    if role == "image":
        return _read_images(cells, folder)
    if role == "text":
        return _read_texts(cells)
    if role == "number":
        return _read_numbers(cells)
    wrong = (bytes, bytearray, dict) + (() if role == "labels" else CONTAINERS)
    problems: list[Problem] = []
    for row, value in enumerate(cells, start=1):
        if isinstance(value, wrong):
            problems.append((row, f"{_show(value)} is not a label; give a string or an integer"))
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
    if role == "labels":
        return object_series((separator.join(s) for s in label_sets(cells, separator)), cells), []
    return label_names(cells), []


def _read_images(cells: pd.Series, folder: Path) -> tuple[pd.Series, list[Problem]]:
    values: list[Any] = []
    problems: list[Problem] = []
    found: dict[str, bool] = {}
    for row, value in enumerate(cells, start=1):
        if is_empty(value):
            value = None
        elif isinstance(value, str | os.PathLike):
            cell, value = str(value), str(folder / value)
            if value not in found:
                found[value] = _is_file(value)
            unreadable = unreadable_image(cell)
            if unreadable:
                problems.append((row, f"{unreadable}: {cell}"))
            elif not found[value]:
                what = "a web address; download the file" if "://" in cell else "file not found"
                problems.append((row, f"{what}: {cell if '://' in cell else value}"))
        elif isinstance(value, np.ndarray):
            problem = array_problem(value)
            if problem:
                problems.append((row, problem))
        elif isinstance(value, bytearray):
            value = bytes(value)
        elif not isinstance(value, bytes):
            problems.append(
                (row, f"{_show(value)} is not an image; give a path, the bytes of an image file, "
                 "or an array of (height, width, channels)")
            )  # fmt: skip
        values.append(value)
    if len(found) > 1 and not any(found.values()):
        hint = f"none of {len(found)} files is there; paths are relative to {folder}"
        problems.append((None, f"{hint} (`base_dir` names another folder)"))
    return object_series(values, cells), problems


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a text that is too long for a file name, a null character
        return False


def unreadable_image(path: str | os.PathLike) -> str | None:
    """What to do about an image file of a kind that cannot be decoded; None for other files."""
    suffix = Path(str(path).strip()).suffix.lower()
    if suffix not in UNREADABLE_SUFFIXES:
        return None
    return f"TensorFlow does not read {suffix}; convert to PNG or JPEG"


def array_problem(array: np.ndarray) -> str | None:
    """Why an array is no image, or None: its shape, its type and its values are looked at."""
    if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
        return (
            f"an array of shape {array.shape} and type {array.dtype} is not an image; give numbers "
            "of shape (height, width) or (height, width, channels)"
        )
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] > 4:
        return (
            f"an array of shape {array.shape} has its channels first; give (height, width, "
            "channels), e.g. array.transpose(1, 2, 0)"
        )
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        return (
            f"an array of shape {array.shape} has {array.shape[2]} channels; give 1 (grey), 3 "
            "(colour) or 4 (colour and transparency)"
        )
    if array.dtype.kind == "b" or not array.size:
        return None
    least, most = array.min(), array.max()
    if not (np.isfinite(least) and np.isfinite(most)):
        return "an array with NaN or infinite pixels is not an image; fill or drop them"
    if array.dtype.kind == "f" and (least < 0 or most > 1):
        return (
            f"an array of floats from {least:g} to {most:g} is not an image; floats are in "
            "[0, 1]: divide by 255, or convert to uint8"
        )
    if least < 0 or most > 255:
        return (
            f"an array of integers from {least} to {most} is not an image; integers are in [0, 255]"
        )
    return None


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
