"""Cells that hold media or feature sequences: paths, bytes or arrays, checked before decoding."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.media.foreign import own_form
from mmkeras.data.tables.cells import Problem, is_empty, object_series

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import FileKind

_ONE_EACH = "give each a column of its own"
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
    located: dict[str, str] = {}
    for row, value in enumerate(cells, start=1):
        try:
            value = kind.as_array(own_form(value))
        except ValueError as error:
            problems.append((row, str(error)))
            values.append(value)
            continue
        if is_empty(value):
            value = None
        elif isinstance(value, str | os.PathLike):
            cell = str(value)
            if cell not in located:
                located[cell] = _located(cell, folder, kind.takes_folders)
            value = located[cell]
            if value not in found:
                found[value] = _is_there(value, kind.takes_folders)
            unreadable = kind.path_problem(cell)
            if unreadable:
                problems.append((row, f"{unreadable}: {cell}"))
            elif not found[value]:
                problems.append((row, _why_not_there(cell, value, kind)))
        elif isinstance(value, np.ndarray):
            problem = kind.array_problem(value)
            if problem:
                problems.append((row, problem))
        elif isinstance(value, bytes | bytearray) and kind.takes_bytes:
            value = bytes(value)
        else:
            if isinstance(value, list | tuple) and _are_files(value, kind):
                problems.append((row, f"{len(value)} files in one cell; {_ONE_EACH}: {value}"))
                values.append(value)
                continue
            shown = repr(value)
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            kind_of = f" ({type(value).__name__})" if not isinstance(value, str | int) else ""
            problems.append((row, f"{shown}{kind_of} is not {kind.a_noun}; give {kind.forms}"))
        values.append(value)
    if len(found) > 1 and not any(found.values()):
        hint = f"none of {len(found)} files is there; paths are relative to {folder}"
        problems.append((None, f"{hint} (`base_dir` names another folder)"))
    return object_series(values, cells), problems


def _located(cell: str, folder: Path, folders: bool) -> str:
    """The path that a cell means: as it stands, or else as other systems write it.

    That is without blanks around it, with the home folder for `~`, with slashes for backslashes,
    and with accents as one character or two.
    """
    plain = str(folder / cell)
    if _is_there(plain, folders):
        return plain
    bare = cell.strip()
    if bare.startswith("~/"):
        bare = str(Path(bare).expanduser())
    spellings = [bare, bare.replace("\\", "/")]
    for form in ("NFC", "NFD"):
        spellings += [unicodedata.normalize(form, spelling) for spelling in spellings[:2]]
    paths = (str(folder / spelling) for spelling in spellings)
    return next((path for path in paths if _is_there(path, folders)), plain)


def _why_not_there(cell: str, path: str, kind: FileKind) -> str:
    if "://" in cell:
        return f"a web address; download the file: {cell}"
    parts = re.split(r"[;|,]", cell)
    if len(parts) > 1 and _are_files(parts, kind):
        return f"{len(parts)} files in one cell; {_ONE_EACH}: {cell}"
    return f"file not found: {path}"


def _are_files(names: Sequence[Any], kind: FileKind) -> bool:
    """Whether all are called like files of a kind."""
    texts = [str(name).strip().lower() for name in names]
    return bool(texts) and all(text.endswith(kind.suffixes) for text in texts)


def _is_there(path: str, folders: bool) -> bool:
    try:
        return Path(path).is_file() or (folders and Path(path).is_dir())
    except (OSError, ValueError):  # a text that is too long for a file name, a null character
        return False
