"""A column of media, decoded once and kept in memory or in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.media.decoded import Decoded, cell_key, find, make_room, share
from mmkeras.data.media.decoding import media_cells
from mmkeras.progress import ProgressBar

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import MediaKind

_CHUNK = 16  # cells that a thread decodes before it reports
# What decoders raise on cells that they cannot read; anything else is a mistake in the code.
_UNREADABLE = (ValueError, OSError, MemoryError)


class MediaStore:
    """A column of images, sounds or videos, checked once.

    What is kept is what the kind decodes to: pixels or samples, before any augmentation. A cell
    that is in many rows, as a picture with many questions, is decoded and kept once, at its
    place among the distinct cells. From outside, cells are asked for by position. What another
    store in memory has decoded in the same way is taken from there.

    Args:
        kind: Of the cells: it decodes them.
        column: The cells, as `read_table` returns them.
        settings: How they are decoded.
        cache: `"memory"`, `"file"` (memory-mapped, in `cache_dir`) or `None`: not kept, and decoded
            again whenever they are asked for.
        cache_dir: The folder for files.

    Attributes:
        decoded: The distinct cells, as stores share them.
        readable: Booleans `(rows,)`: which cells could be decoded; empty ones count as such.
        lengths: How long each cell is before anything is cut, float64 `(rows,)`, in its kind's
            unit; 0 where the kind has none, NaN where the cell could not be decoded.
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
        cells = media_cells(column, kind, settings)
        first, self._places = _distinct(cells)
        distinct = [cells[place] for place in first]
        keys = [cell_key(cell) for cell in distinct]
        group = json.dumps([kind.name, kind.decoding(settings), kind.decoder()])
        if cache == "file":
            self.decoded = self._from_file(Path(cache_dir), group, distinct, keys)
        else:
            self.decoded = self._from_memory(cache == "memory", group, distinct, keys)
        self._kept = self.decoded.values
        self.lengths = self.decoded.lengths[self._places]
        self.readable = ~np.isnan(self.lengths)
        # Of the encoded cells only those that will be asked about: all would double the cost.
        unreadable = np.isnan(self.decoded.lengths)
        self._cells = {
            place: cell for place, cell in enumerate(distinct) if cache is None or unreadable[place]
        }

    @property
    def values(self) -> np.ndarray:
        """What was decoded and kept, `(rows, ...)`."""
        kept = self._kept
        return kept if len(kept) == len(self._places) else kept[self._places]

    def load(self, positions: np.ndarray) -> np.ndarray:
        """The decoded cells at these positions, `(positions, ...)`; a copy.

        Safe to call from several threads.
        """
        places = self._places[positions]
        if self._kept is not None:
            return self._kept[places]
        values = np.empty((len(places), *self.shape), self.dtype)
        known: dict[int, int] = {}
        for row, place in enumerate(places.tolist()):
            if known.setdefault(place, row) == row:
                self._decode(self._cells[place], values[row])
            else:
                values[row] = values[known[place]]
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

    def _decode(self, cell: bytes | str | None, out: np.ndarray) -> float:
        """Decodes a cell; returns its length."""
        if cell is None:
            # A hole: whatever is there, the model does not see it.
            out[...] = self._kind.blank(self._settings)
            return 0.0
        out[...], length = self._kind.decode_measured(cell, self._settings)
        return length

    def _decode_all(self, cells: Sequence[bytes | str | None], decoded: Decoded) -> None:
        """Decodes every cell that is not known yet."""
        todo = np.flatnonzero(~decoded.known)

        def decode_chunk(start: int) -> int:
            spare = np.empty(self.shape, self.dtype)
            chunk = todo[start : start + _CHUNK]
            for place in chunk:
                out = spare if decoded.values is None else decoded.values[place]
                try:
                    decoded.lengths[place] = self._decode(cells[place], out)
                except _UNREADABLE:
                    continue  # `reason` says why
            return len(chunk)

        # Decoders let go of Python's lock. The threads end here: a process that is forked later
        # would inherit a pool without its threads.
        pool = ThreadPoolExecutor(os.cpu_count())
        with ProgressBar(f"decoding {self._kind.plural}", len(todo)) as progress:
            try:
                for count in pool.map(decode_chunk, range(0, len(todo), _CHUNK)):
                    progress.add(count)
            finally:
                pool.shutdown(cancel_futures=True)
        decoded.known[:] = True

    def _from_memory(
        self, keep: bool, group: str, cells: Sequence[bytes | str | None], keys: Sequence[bytes]
    ) -> Decoded:
        same, alike = find(group, keys)
        if keep and same is not None:
            share(same)
            return same
        values = None
        if keep:
            shape = (len(cells), *self.shape)
            make_room(int(np.prod(shape)) * self.dtype.itemsize)
            values = np.empty(shape, self.dtype)
        decoded = Decoded(group, keys, values)
        for other in alike:
            decoded.take_from(other)
        self._decode_all(cells, decoded)
        if values is not None:
            values.flags.writeable = False  # several stores may have it
        share(decoded)
        return decoded

    def _from_file(
        self,
        folder: Path,
        group: str,
        cells: Sequence[bytes | str | None],
        keys: Sequence[bytes],
    ) -> Decoded:
        folder.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(group.encode() + b"".join(each.ljust(16, b"\0") for each in keys))
        name = folder / f"{self._kind.plural}-{key.hexdigest()[:24]}"
        values_path, lengths_path = Path(f"{name}.npy"), Path(f"{name}-lengths.npy")
        if not (values_path.exists() and lengths_path.exists()):
            # Other processes, on other machines, may be at the same file.
            own = f"{name}.{socket.gethostname()}-{os.getpid()}"
            temporary = Path(f"{own}.tmp.npy")
            values = np.lib.format.open_memmap(
                temporary, "w+", self.dtype, (len(cells), *self.shape)
            )
            decoded = Decoded(group, keys, values)
            for other in find(group, keys)[1]:
                decoded.take_from(other)
            self._decode_all(cells, decoded)
            values.flush()
            temporary_lengths = Path(f"{own}.lengths.tmp.npy")
            np.save(temporary_lengths, decoded.lengths)
            temporary_lengths.replace(lengths_path)
            temporary.replace(values_path)
        mapped = Decoded(group, keys, np.load(values_path, mmap_mode="r"))
        mapped.lengths = np.load(lengths_path)
        mapped.known[:] = True
        share(mapped)
        return mapped


def _distinct(cells: Sequence[bytes | str | None]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct cells, and which of them each row has.

    Returns:
        The position at which each distinct cell stands first, `(distinct cells,)`, and for each
        position its cell's place among these, `(rows,)`.
    """
    known: dict[bytes | str | None, int] = {}
    places = np.array([known.setdefault(cell, len(known)) for cell in cells], np.int64)
    return np.unique(places, return_index=True)[1], places
