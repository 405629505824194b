"""A column of media, decoded once and kept in memory or in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.media.decoding import media_cells
from mmkeras.progress import ProgressBar

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import MediaKind

_CHUNK = 16  # cells that a thread decodes before it reports
# What decoders raise on cells that they cannot read; anything else is a mistake in the code.
_UNREADABLE = (ValueError, OSError, MemoryError)
_HOLE = -1
_MOST_SHARED = 2 << 30  # bytes
_shared: dict[str, tuple[np.ndarray, np.ndarray]] | None = None


@contextmanager
def decoding_once() -> Iterator[None]:
    """Within this block, stores in memory decode equal columns once, and share the result.

    For several models of the same rows: what was decoded is kept to the end of the outermost block,
    up to 2 GiB.
    """
    global _shared
    if _shared is not None:
        yield
        return
    _shared = {}
    try:
        yield
    finally:
        _shared = None


class MediaStore:
    """A column of images, sounds or videos, checked once.

    What is kept is what the kind decodes to: pixels or samples, before any augmentation. A cell
    that is in many rows, as a picture with many questions, is decoded and kept once, at its
    place among the distinct cells. From outside, cells are asked for by position.

    Args:
        kind: Of the cells: it decodes them.
        column: The cells, as `read_table` returns them.
        settings: How they are decoded.
        cache: `"memory"`, `"file"` (memory-mapped, in `cache_dir`) or `None`: not kept, and decoded
            again whenever they are asked for.
        cache_dir: The folder for files.

    Attributes:
        readable: Booleans `(rows,)`: which cells could be decoded; empty ones count as such.
        shape: Of a decoded cell.
        dtype: Of a decoded cell.
    """

    def __init__(
        self,
        kind: MediaKind,
        column: pd.Series,
        settings: Any,
        cache: str | None,
        cache_dir: str | Path | None = None,
    ):
        self._kind = kind
        self._settings = settings
        self.shape, self.dtype = kind.shape(settings), np.dtype(kind.dtype)
        distinct, self._places = _distinct(media_cells(column, kind, settings))
        self._kept: np.ndarray | None = None
        if cache == "file":
            self._kept, readable = self._from_file(Path(cache_dir), distinct)
        elif cache == "memory":
            self._kept, readable = self._in_memory(distinct)
        else:
            readable = self._decode_all(distinct, None)
        self.readable = np.append(readable, True)[self._places]
        # Of the encoded cells only those that will be asked about: all would double the cost.
        self._cells = {
            place: cell
            for place, cell in enumerate(distinct)
            if cache is None or not readable[place]
        }

    @property
    def values(self) -> np.ndarray:
        """What was decoded and kept, `(rows, ...)`."""
        if np.array_equal(self._places, np.arange(len(self._kept))):
            return self._kept
        return self.load(np.arange(len(self._places)))

    def load(self, positions: np.ndarray) -> np.ndarray:
        """The decoded cells at these positions, `(positions, ...)`; a copy.

        Safe to call from several threads.
        """
        places = self._places[positions]
        is_there = places != _HOLE
        if self._kept is not None and is_there.all():
            return self._kept[places]
        values = np.empty((len(places), *self.shape), self.dtype)
        # Whatever is in a hole, the model does not see it.
        values[~is_there] = self._kind.blank(self._settings)
        if self._kept is not None:
            values[is_there] = self._kept[places[is_there]]
            return values
        for place in np.unique(places[is_there]).tolist():
            values[places == place] = self._kind.decode(self._cells[place], self._settings)
        return values

    def reason(self, position: int) -> str:
        """Why the unreadable cell at `position` cannot be decoded, in words."""
        cell = self._cells[self._places[position]]
        where = cell if isinstance(cell, str) else "the encoded bytes"
        try:
            self._kind.decode(cell, self._settings)
        except FileNotFoundError:
            return f"file not found: {where}"
        except _UNREADABLE as error:
            return f"{self._kind.complaint}: {where} ({error})"
        return f"could not be read a first time: {where}"

    def _decode_all(self, cells: Sequence[bytes | str], values: np.ndarray | None) -> np.ndarray:
        """Decodes every cell into `values`, if given; returns which could be decoded."""
        readable = np.zeros(len(cells), bool)

        def decode_chunk(start: int) -> int:
            chunk = range(start, min(start + _CHUNK, len(cells)))
            for place in chunk:
                try:
                    value = self._kind.decode(cells[place], self._settings)
                    if values is not None:
                        values[place] = value
                    readable[place] = True
                except _UNREADABLE:
                    continue  # `reason` says why
            return len(chunk)

        # Decoders let go of Python's lock. The threads end here: a process that is forked later
        # would inherit a pool without its threads.
        pool = ThreadPoolExecutor(os.cpu_count())
        with ProgressBar(f"decoding {self._kind.plural}", len(cells)) as progress:
            try:
                for count in pool.map(decode_chunk, range(0, len(cells), _CHUNK)):
                    progress.add(count)
            finally:
                pool.shutdown(cancel_futures=True)
        return readable

    def _in_memory(self, cells: Sequence[bytes | str]) -> tuple[np.ndarray, np.ndarray]:
        key = "" if _shared is None else self._fingerprint(cells)
        if _shared is not None and key in _shared:
            return _shared[key]
        values = np.empty((len(cells), *self.shape), self.dtype)
        readable = self._decode_all(cells, values)
        if _shared is not None:
            held = sum(values.nbytes for values, _ in _shared.values())
            if held + values.nbytes <= _MOST_SHARED:
                _shared[key] = values, readable
        return values, readable

    def _fingerprint(self, cells: Sequence[bytes | str]) -> str:
        """A name for what decoding these cells gives; another one when a file has changed."""
        decoded_by = [self._kind.decoding(self._settings), self._kind.decoder()]
        key = hashlib.sha256(json.dumps(decoded_by).encode())
        for cell in cells:
            path = Path(cell) if isinstance(cell, str) else None
            key.update(cell.encode() if isinstance(cell, str) else cell)
            if path is not None and path.exists():
                # A folder does not say when a file in it has changed.
                for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                    status = file.stat()
                    key.update(f"|{file.name}|{status.st_size}|{status.st_mtime_ns}".encode())
            key.update(b"\0")
        return f"{self._kind.plural}-{key.hexdigest()[:24]}"

    def _from_file(
        self, folder: Path, cells: Sequence[bytes | str]
    ) -> tuple[np.ndarray, np.ndarray]:
        folder.mkdir(parents=True, exist_ok=True)
        name = folder / self._fingerprint(cells)
        values_path, readable_path = Path(f"{name}.npy"), Path(f"{name}-readable.npy")
        if not (values_path.exists() and readable_path.exists()):
            temporary = Path(f"{name}.{os.getpid()}.tmp.npy")
            values = np.lib.format.open_memmap(
                temporary, "w+", self.dtype, (len(cells), *self.shape)
            )
            readable = self._decode_all(cells, values)
            values.flush()
            del values
            temporary_readable = Path(f"{name}.{os.getpid()}.readable.tmp.npy")
            np.save(temporary_readable, readable)
            temporary_readable.replace(readable_path)
            temporary.replace(values_path)
        return np.load(values_path, mmap_mode="r"), np.load(readable_path)


def _distinct(
    cells: Sequence[bytes | str | None],
) -> tuple[list[bytes | str], np.ndarray]:
    """The distinct cells, and for each position its cell's place among these, or `_HOLE`."""
    known: dict[bytes | str, int] = {}
    places = [_HOLE if cell is None else known.setdefault(cell, len(known)) for cell in cells]
    return list(known), np.array(places, np.int64)
