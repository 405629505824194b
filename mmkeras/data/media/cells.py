"""Cells that hold media or feature sequences: paths, bytes or arrays, checked before decoding."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import Problem, is_empty, object_series

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")


class FileCells(Protocol):
    """What cells of one kind may be.

    Attributes:
        a_noun: What a cell is, with its article.
        forms: What a user may give, in words.
        takes_bytes: Whether a cell may hold the bytes of a file.
        takes_folders: Whether a path may be that of a folder.
    """

    a_noun: str
    forms: str
    takes_bytes: bool
    takes_folders: bool

    def as_array(self, value: Any) -> Any:
        """A cell that means an array as one; other cells as they are."""

    def array_problem(self, array: np.ndarray) -> str | None:
        """Why an array is not such a cell, or None: its shape, type and values are looked at."""

    def path_problem(self, path: str) -> str | None:
        """What is wrong with the name of a file, and what to do about it; or None."""


def read_media(cells: pd.Series, kind: FileCells, folder: Path) -> tuple[pd.Series, list[Problem]]:
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
