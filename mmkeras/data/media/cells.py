"""Cells that hold media or feature sequences: paths, bytes or arrays, checked before decoding."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.media.foreign import own_form
from mmkeras.data.media.plain_file import is_plain_file
from mmkeras.data.media.tar_members import member_problem
from mmkeras.data.tables.cells import Problem, is_empty, object_series
from mmkeras.data.tables.written.lists import is_written_list, written_list

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import FileKind

_JOINED_BY = ";|,"
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".gif", ".bmp"),
    *(".webp", ".tif", ".tiff", ".avif"),
)


def read_media(
    cells: pd.Series, kind: FileKind, folder: Path, *, several: bool = False
) -> tuple[pd.Series, list[Problem]]:
    """Reads a column of media: paths become absolute, arrays are checked, nothing is decoded.

    Args:
        cells: The cells as they came.
        kind: What they may be.
        folder: What paths are relative to.
        several: Whether each may hold several; it then becomes a tuple, or `None` without any.

    Returns:
        The cells, and what is wrong with them.
    """
    values: list[Any] = []
    problems: list[Problem] = []
    reader = _Reader(kind, folder)
    for row, cell in enumerate(cells, start=1):
        value, problem = reader.read_several(cell) if several else reader.read(cell)
        values.append(value)
        if problem:
            problems.append((row, problem))
    if len(reader.found) > 1 and not any(reader.found.values()):
        hint = f"none of {len(reader.found)} files is there; paths are relative to {folder}"
        problems.append((None, f"{hint} (`base_dir` names another folder)"))
    return object_series(values, cells), problems


class _Reader:
    """Reads the cells of one column; a path that comes again is not looked up again."""

    def __init__(self, kind: FileKind, folder: Path):
        self._kind, self._folder = kind, folder
        self.found: dict[str, bool] = {}
        self._located: dict[str, str] = {}

    def read(self, value: Any) -> tuple[Any, str | None]:
        """What a cell becomes, and what is wrong with it."""
        kind = self._kind
        try:
            value = kind.as_array(own_form(value))
        except ValueError as error:
            return value, str(error)
        if is_empty(value):
            return None, None
        if isinstance(value, str | os.PathLike):
            return self._read_path(str(value))
        if _is_list(value) and _are_files(value, kind):
            return value, f"{len(value)} files in one cell; {kind.one_each}: {list(value)}"
        if isinstance(value, np.ndarray):
            return value, kind.array_problem(value)
        if isinstance(value, bytes | bytearray) and kind.takes_bytes:
            return bytes(value), None
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        kind_of = f" ({type(value).__name__})" if not isinstance(value, str | int) else ""
        return value, f"{shown}{kind_of} is not {kind.a_noun}; give {kind.forms}"

    def read_several(self, cell: Any) -> tuple[tuple[Any, ...] | None, str | None]:
        """As `read`, of a cell that may hold several; the problem is that of the first with one."""
        parts = split_cell(
            cell,
            self._kind.suffixes,
            lambda path: is_there(str(self._folder / path), self._kind.takes_folders),
        )
        read = [self.read(part) for part in parts]
        media = tuple(value for value, _ in read if value is not None)
        problems = [
            f"number {number} of {len(parts)}: {problem}" if len(parts) > 1 else problem
            for number, (_, problem) in enumerate(read, start=1)
            if problem
        ]
        return media or None, next(iter(problems), None)

    def _read_path(self, cell: str) -> tuple[str, str | None]:
        kind = self._kind
        if cell not in self._located:
            self._located[cell] = _located(cell, self._folder, kind.takes_folders)
        value = self._located[cell]
        if value not in self.found:
            self.found[value] = is_there(value, kind.takes_folders)
        if unreadable := kind.path_problem(cell):
            return value, f"{unreadable}: {cell}"
        return value, None if self.found[value] else _why_not_there(cell, value, kind)


def split_cell(
    cell: Any, suffixes: tuple[str, ...], exists: Callable[[str], bool] = lambda path: False
) -> list[Any]:
    """The media of a cell that may hold several, as they came.

    Args:
        cell: A list or array of them, or such a list written as text (`"['a.png', 'b.png']"`), or
            a text that joins paths which all end as such files do. Anything else is one medium.
        suffixes: How the names of their files end.
        exists: Whether a name is that of a file; then that file is meant.

    Example:

    >>> [split_cell(cell, (".png",)) for cell in ("a.png;b.png", "a, b.png", "['a.png', 'b c']")]
    [['a.png', 'b.png'], ['a, b.png'], ['a.png', 'b c']]
    """
    if _is_list(cell) or (isinstance(cell, np.ndarray) and cell.ndim == 4):
        return list(cell)
    if not isinstance(cell, str):
        return [cell]
    parts = written_list(cell) if is_written_list(cell) else None
    for separator in _JOINED_BY:
        joined = [part.strip() for part in cell.split(separator) if part.strip()]
        if parts is None and separator in cell and joined and _end_with(joined, suffixes):
            parts = joined
    return [cell] if parts is None or exists(cell) else list(parts)


def _is_list(cell: Any) -> bool:
    """Whether a cell is a list, or an array of anything but numbers, as Parquet gives lists."""
    return isinstance(cell, list | tuple) or (
        isinstance(cell, np.ndarray) and cell.dtype.kind in "OUS"
    )


def media_of(cell: Any) -> tuple[Any, ...]:
    """The media of a cell as `read_table` returns it: a tuple of them, one, or none."""
    if isinstance(cell, tuple):
        return cell
    return () if is_empty(cell) else (cell,)


def one_by_one(column: pd.Series, most: int) -> pd.Series:
    """The first `most` media of each cell, a medium per row; the index says whose they are."""
    cells = [media_of(cell)[:most] for cell in column]
    media = np.empty(sum(map(len, cells)), dtype=object)
    for place, medium in enumerate(medium for cell in cells for medium in cell):
        media[place] = medium
    index = column.index.repeat([len(cell) for cell in cells])
    return pd.Series(media, index=index, name=column.name, dtype=object)


def _located(cell: str, folder: Path, folders: bool) -> str:
    """The path that a cell means: as it stands, or else as other systems write it.

    That is without blanks around it, with the home folder for `~`, with slashes for backslashes,
    and with accents as one character or two.
    """
    plain = str(folder / cell)
    if is_there(plain, folders):
        return plain
    bare = cell.strip()
    if bare.startswith("~/"):
        bare = str(Path(bare).expanduser())
    spellings = [bare, bare.replace("\\", "/")]
    for form in ("NFC", "NFD"):
        spellings += [unicodedata.normalize(form, spelling) for spelling in spellings[:2]]
    paths = (str(folder / spelling) for spelling in spellings)
    return next((path for path in paths if is_there(path, folders)), plain)


def _why_not_there(cell: str, path: str, kind: FileKind) -> str:
    if "://" in cell:
        return f"a web address; download the file: {cell}"
    if problem := member_problem(path):
        return f"{problem}: {path}"
    parts = split_cell(cell, kind.suffixes)
    if len(parts) > 1 and _are_files(parts, kind):
        return f"{len(parts)} files in one cell; {kind.one_each}: {cell}"
    return f"file not found: {path}"


def _are_files(names: Sequence[Any], kind: FileKind) -> bool:
    """Whether all are called like files of a kind."""
    return len(names) > 0 and _end_with([str(name).strip() for name in names], kind.suffixes)


def _end_with(names: Sequence[str], suffixes: tuple[str, ...]) -> bool:
    return all(name.lower().endswith(suffixes) for name in names)


def is_there(path: str, folders: bool) -> bool:
    """Whether there is a file, or if `folders` a folder, of this name."""
    # Unlike a Path, this takes half the time, and says no to a text that cannot be a name at all.
    return is_plain_file(path) or (folders and os.path.isdir(path))  # noqa: PTH112
