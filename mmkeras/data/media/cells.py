"""Cells that hold media or feature sequences: paths, bytes or arrays, checked before decoding."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import Problem, is_empty, object_series

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import FileKind

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".gif", ".bmp"),
    *(".webp", ".tif", ".tiff", ".avif"),
)


def read_media(cells: pd.Series, kind: FileKind, folder: Path) -> tuple[pd.Series, list[Problem]]:
    """Reads a column of media: paths become absolute, arrays are checked, nothing is decoded.

    Args:
        cells: The cells as they came.
        kind: What they may be.
        folder: What paths are relative to.

    Returns:
        The cells, and what is wrong with them.
    """
    values: list[Any] = []
    problems: list[Problem] = []
    found: dict[str, bool] = {}
    for row, value in enumerate(cells, start=1):
        value = kind.as_array(value)
        if is_empty(value):
            value = None
        elif isinstance(value, str | os.PathLike):
            cell, value = str(value), str(folder / value)
            if value not in found:
                found[value] = _is_there(value, kind.takes_folders)
            unreadable = kind.path_problem(cell)
            if unreadable:
                problems.append((row, f"{unreadable}: {cell}"))
            elif not found[value]:
                what = "a web address; download the file" if "://" in cell else "file not found"
                problems.append((row, f"{what}: {cell if '://' in cell else value}"))
        elif isinstance(value, np.ndarray):
            problem = kind.array_problem(value)
            if problem:
                problems.append((row, problem))
        elif isinstance(value, bytes | bytearray) and kind.takes_bytes:
            value = bytes(value)
        else:
            shown = repr(value)
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            kind_of = f" ({type(value).__name__})" if not isinstance(value, str | int) else ""
            problems.append((row, f"{shown}{kind_of} is not {kind.a_noun}; give {kind.forms}"))
        values.append(value)
    if len(found) > 1 and not any(found.values()):
        hint = f"none of {len(found)} files is there; paths are relative to {folder}"
        problems.append((None, f"{hint} (`base_dir` names another folder)"))
    return object_series(values, cells), problems


def _is_there(path: str, folders: bool) -> bool:
    try:
        return Path(path).is_file() or (folders and Path(path).is_dir())
    except (OSError, ValueError):  # a text that is too long for a file name, a null character
        return False
