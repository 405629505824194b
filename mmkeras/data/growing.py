"""Rows of whole numbers, encoded one after another: in memory or, where they are many, a file."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MOST_IN_MEMORY = 128 << 20  # bytes


@dataclass(frozen=True)
class Room:
    """How much may be kept in memory, and where the rest goes.

    Args:
        folder: For the files of what is larger, which are gone with their last user; `None` keeps
            all in memory.
        limit: In bytes.
    """

    folder: Path | None = None
    limit: int = MOST_IN_MEMORY


@dataclass(eq=False)
class RaggedRows:
    """Rows of different lengths, one after another.

    Args:
        values: Of all rows; an array in memory, or mapped.
        splits: Where each row begins, and the last one's end, int64 `(rows + 1,)`.
        mapped: The mapped file that the values are in.
        descriptor: Of the same file, for reading.
    """

    values: np.ndarray
    splits: np.ndarray
    mapped: mmap.mmap | None = None
    descriptor: int | None = None

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.splits)

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values of some rows, one after another, and their lengths."""
        starts, lengths = self.splits[rows], self.splits[rows + 1] - self.splits[rows]
        before = np.cumsum(lengths) - lengths
        if self.descriptor is None or not hasattr(os, "preadv"):  # not on Windows
            places = np.repeat(starts - before, lengths) + np.arange(lengths.sum())
            return self.values[places], lengths
        # Read, not mapped: around each row that is touched, the system may map megabytes.
        found = np.empty(lengths.sum(), self.values.dtype)
        size, room = found.itemsize, found.view(np.uint8)
        parts = zip(starts * size, before * size, (before + lengths) * size, strict=True)
        for place, begin, end in parts:
            if os.preadv(self.descriptor, [room[begin:end]], place) != end - begin:
                raise OSError("The file of encoded texts has become shorter.")
        return found, lengths

    def let_go(self) -> None:
        """Hands the pages of a mapped file back, which would count as this process's memory.

        They stay in the system's cache as long as there is room.
        """
        if self.mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)


class GrowingRows:
    """Takes rows, and gives them as `RaggedRows`; what it holds meanwhile is within its room.

    Use it as a context, which closes what it opened.

    Args:
        dtype: Of the values.
        room: How much may be in memory.

    Example:

    >>> with GrowingRows(np.int32) as rows:
    ...     rows.add([[1, 2], [], [3]])
    ...     rows.finish().splits.tolist()
    [0, 2, 2, 3]
    """

    def __init__(self, dtype: Any, room: Room | None = None):
        self._dtype, self._room = np.dtype(dtype), room or Room()
        self._parts: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []
        self._bytes = 0
        self._file: Any = None

    def __enter__(self) -> GrowingRows:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rows: Sequence[Sequence[int]]) -> None:
        """Takes more rows."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        values = np.empty(lengths.sum(), self._dtype)
        end = 0
        for row in rows:
            values[end : end + len(row)] = row
            end += len(row)
        self._lengths.append(lengths)
        self._parts.append(values)
        self._bytes += values.nbytes
        if self._file is None and self._room.folder and self._bytes > self._room.limit:
            self._room.folder.mkdir(parents=True, exist_ok=True)
            # Nameless: it is gone with the process, however that ends.
            self._file = tempfile.TemporaryFile(dir=self._room.folder)  # noqa: SIM115
        if self._file is not None:
            for part in self._parts:
                self._file.write(part.tobytes())
            self._parts.clear()

    def finish(self) -> RaggedRows:
        """All rows."""
        lengths = np.concatenate([np.zeros(1, np.int64), *self._lengths])
        if self._file is None:
            values = np.concatenate([np.empty(0, self._dtype), *self._parts])
            return RaggedRows(values, np.cumsum(lengths))
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        values = np.frombuffer(mapped, self._dtype)
        rows = RaggedRows(values, np.cumsum(lengths), mapped, os.dup(self._file.fileno()))
        weakref.finalize(rows, os.close, rows.descriptor)
        return rows
