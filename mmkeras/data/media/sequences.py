"""Read a column of feature sequences: `.npy` and `.npz` files, and arrays."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections import Counter
from typing import IO, Any, BinaryIO, Literal

import numpy as np
import pandas as pd

from mmkeras.data.media.plain_file import open_plain_file, plain_file_size
from mmkeras.data.tables.cells import is_empty
from mmkeras.progress import ProgressBar

# What numpy raises for damaged files, besides ValueError and OSError: a header that is no Python
# literal; a broken or encrypted archive.
_DAMAGED = (EOFError, MemoryError, SyntaxError, RuntimeError, tokenize.TokenError)
_DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error)
# Numbers of one sequence: 1 GiB once read.
MAX_NUMBERS = 2**28
_MOST_BYTES = 2**40  # of a file; no more of it is read than its numbers take


def sequence_array_problem(array: np.ndarray) -> str | None:
    """Why an array is not a feature sequence, or None."""
    if not array.ndim or array.dtype.kind not in "buif":
        return (
            f"an array of shape {array.shape} and type {array.dtype} is not a feature sequence; "
            "give numbers of shape (steps, features), or (features,) for one step"
        )
    if not np.isfinite(array).all():
        finite = np.isfinite(as_steps(array)).all(axis=1)
        step = int(np.flatnonzero(~finite)[0])
        return f"step {step + 1} has NaN or infinite features; fill them or drop the row"
    return None


def as_steps(array: np.ndarray) -> np.ndarray:
    """An array `(steps, ...)` as `(steps, features)`; one of `(features,)` is one step.

    Example:
        >>> as_steps(np.zeros((30, 20, 3))).shape  # 20 points of a body, in 30 pictures
        (30, 60)
    """
    if array.ndim < 2:
        return np.atleast_2d(array)
    return array.reshape(len(array), int(np.prod(array.shape[1:])))


class SequenceStore:
    """A column of feature sequences, read once and kept in memory.

    Args:
        column: Cells: paths of `.npy` files, or of `.npz` files with one array, arrays
            `(steps, features)` or `(features,)` (one step), or `None`. Of more dimensions, all
            after the first are features.
        features: How many features a step has; by default as many as in most cells.

    Attributes:
        values: float32 arrays `(steps, features)`; no steps where the cell is empty or unreadable.
        features: Features of a step; 0 if no cell could be read.
        readable: Booleans `(rows,)`; empty cells count as readable.
    """

    def __init__(self, column: pd.Series, features: int | None = None):
        self.readable = np.ones(len(column), bool)
        self._reasons: dict[int, str] = {}
        values: list[np.ndarray | None] = []
        with ProgressBar("reading sequences", len(column)) as progress:
            for position, cell in enumerate(column):
                value, problem = _read_cell(cell)
                values.append(value)
                if problem:
                    self._refuse(position, cell, problem)
                progress.add()
        widths = Counter(value.shape[1] for value in values if value is not None)
        if features is None:
            features = widths.most_common(1)[0][0] if widths else 0
        for position, value in enumerate(values):
            if value is not None and value.shape[1] != features:
                problem = f"a step has {value.shape[1]} features; other rows {features}"
                self._refuse(position, column.iloc[position], problem)
                values[position] = None
        self.features = features
        none = np.zeros((0, self.features), np.float32)
        self.values = [none if value is None else value for value in values]

    def _refuse(self, position: int, cell: Any, problem: str) -> None:
        where = f" ({cell})" if isinstance(cell, str) else ""
        self.readable[position] = False
        self._reasons[position] = f"not a feature sequence{where}: {problem}"

    def reason(self, position: int) -> str:
        """Why the cell at `position` cannot be read, in words."""
        return self._reasons[position]


def _read_cell(cell: Any) -> tuple[np.ndarray | None, str | None]:
    if is_empty(cell):
        return None, None
    if isinstance(cell, str):
        try:
            cell = _load(cell)
        except FileNotFoundError:
            return None, "file not found"
        except (ValueError, OSError, *_DAMAGED, *_DAMAGED_ARCHIVE) as error:
            return None, str(error)
    problem = sequence_array_problem(np.asarray(cell))
    if problem:
        return None, problem
    with np.errstate(over="ignore"):
        # A mapped file is copied, and let go.
        read = np.array if isinstance(cell, np.memmap) else np.asarray
        value = as_steps(read(cell, np.float32))
    if not np.isfinite(value).all():
        return None, "numbers beyond the range of float32"
    return (value, None) if value.size else (None, "it has no steps")


def _load(path: str) -> np.ndarray:
    with open_plain_file(path, _MOST_BYTES) as file:
        start = file.read(8)
        if start.startswith(b"\x93NUMPY"):
            file.seek(0)
            return _map(file, plain_file_size(path))
        if not start.startswith(b"PK"):
            what = f"it starts with {start!r}" if start else "it has zero bytes"
            raise ValueError(f"no .npy or .npz file: {what}")
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) != 1:
                names = [member.filename.removesuffix(".npy") for member in members]
                raise ValueError(f"it holds {len(members)} arrays ({names}), not one")
            with archive.open(members[0]) as member:
                read_npy_header(member, members[0].file_size)
            with archive.open(members[0]) as member:
                # A pickle inside such a file could run code.
                return np.lib.format.read_array(member, allow_pickle=False)


def _map(file: BinaryIO, size: int) -> np.ndarray:
    """The numbers of an open `.npy` file, mapped: only those are read that are looked at.

    Those of a member of a tar file are in memory already.
    """
    shape, fortran_order, dtype = read_npy_header(file, size)
    if not np.prod(shape):
        return np.empty(shape, dtype)
    order: Literal["F", "C"] = "F" if fortran_order else "C"
    if isinstance(file, io.BytesIO):
        return np.ndarray(shape, dtype, file.getvalue(), file.tell(), order=order).copy()
    return np.memmap(file, dtype, "r", file.tell(), shape, order)


def read_npy_header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of an array of `.npy` format; `size` bytes are there.

    Raises:
        ValueError: It is not of numbers, was cut off, or has more than `MAX_NUMBERS`.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of .npy, which plain numbers do not need")
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which could run code; save plain numbers")
    count = math.prod(shape)
    if count > MAX_NUMBERS:
        raise ValueError(f"it claims {count} numbers; at most {MAX_NUMBERS} are read")
    claimed, there = count * dtype.itemsize, size - file.tell()
    if claimed > there:
        raise ValueError(f"it was cut off: it claims {claimed} bytes of numbers and has {there}")
    return shape, fortran_order, dtype
