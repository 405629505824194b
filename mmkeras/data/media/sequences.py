"""Read a column of feature sequences: `.npy` and `.npz` files, and arrays."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import is_empty
from mmkeras.progress import ProgressBar

# What numpy raises for damaged files, besides ValueError and OSError: a header that claims more
# numbers than memory holds, or that is no Python literal; a broken or encrypted archive.
_DAMAGED = (EOFError, MemoryError, SyntaxError, RuntimeError, tokenize.TokenError)
_MOST_BYTES = 2**31
_DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error)


def sequence_array_problem(array: np.ndarray) -> str | None:
    """Why an array is not a feature sequence, or None."""
    if array.ndim not in (1, 2) or array.dtype.kind not in "buif":
        return (
            f"an array of shape {array.shape} and type {array.dtype} is not a feature sequence; "
            "give numbers of shape (steps, features), or (features,) for one step"
        )
    if not np.isfinite(array).all():
        step = int(np.flatnonzero(~np.isfinite(np.atleast_2d(array)).all(axis=1))[0])
        return f"step {step + 1} has NaN or infinite features; fill them or drop the row"
    return None


class SequenceStore:
    """A column of feature sequences, read once and kept in memory.

    Args:
        column: Cells: paths of `.npy` files, or of `.npz` files with one array, arrays
            `(steps, features)` or `(features,)` (one step), or `None`.
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
            cell = _load(Path(cell))
        except FileNotFoundError:
            return None, "file not found"
        except (ValueError, OSError, *_DAMAGED, *_DAMAGED_ARCHIVE) as error:
            return None, str(error)
    problem = sequence_array_problem(np.asarray(cell))
    if problem:
        return None, problem
    with np.errstate(over="ignore"):
        value = np.atleast_2d(np.asarray(cell, np.float32))
    if not np.isfinite(value).all():
        return None, "numbers beyond the range of float32"
    return (value, None) if value.size else (None, "it has no steps")


def _load(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        start = file.read(8)
    if not start.startswith((b"\x93NUMPY", b"PK")):
        what = f"it starts with {start!r}" if start else "it has zero bytes"
        raise ValueError(f"no .npy or .npz file: {what}")
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
        if claimed > _MOST_BYTES:
            raise ValueError(f"it unpacks to {claimed} bytes; at most {_MOST_BYTES} are read")
    # A pickle inside such a file could run code.
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if len(loaded.files) != 1:
            raise ValueError(f"it holds {len(loaded.files)} arrays ({loaded.files}), not one")
        return loaded[loaded.files[0]]
