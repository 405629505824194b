"""What was decoded, for all who ask for the same: each cell is decoded once in an experiment."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mmkeras.data.media.plain_file import file_on_disk

CACHE_BUDGET = 2 << 30  # bytes

_lock = threading.Lock()
# All that is in memory, by kind, settings and decoder; of each only as long as somebody has it.
_alive: dict[str, weakref.WeakSet[Decoded]] = {}
# What nobody has yet: of fitted states, until a pipeline has the same cells, by the state's id.
_fitted: dict[int, Decoded] = {}
# What `decoded_once` keeps, oldest first, and its limit; `None` outside of it.
_kept: list[Decoded] | None = None
_limit = 0


class Decoded:
    """Distinct cells, decoded by one kind with one set of settings.

    Args:
        group: Says which kind, settings and decoder.
        keys: Of the cells, from `cell_key`.
        values: What they are decoded to, `(cells, ...)`; `None` where that is not kept.

    Attributes:
        lengths: How long each cell is, float64 `(cells,)`, in its kind's unit; NaN where it could
            not be decoded, or was not yet.
        known: Which cells have been decoded, or tried, booleans `(cells,)`.
    """

    def __init__(self, group: str, keys: Sequence[bytes], values: np.ndarray | None):
        self.group = group
        self.places = {key: place for place, key in enumerate(keys)}
        self.values = values
        self.lengths = np.full(len(keys), np.nan)
        self.known = np.zeros(len(keys), bool)

    @property
    def in_memory(self) -> bool:
        return self.values is not None and not isinstance(self.values, np.memmap)

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.values.nbytes if self.in_memory and self.values is not None else 0

    def take_from(self, other: Decoded) -> None:
        """Copies the cells that another has decoded."""
        if other.values is None and self.values is not None:
            return
        pairs = [
            (place, other.places[key])
            for key, place in self.places.items()
            if key in other.places and not self.known[place]
        ]
        mine, theirs = np.array(pairs, np.int64).reshape(-1, 2).T
        for start in range(0, len(mine), 1024):  # without a second copy of all
            some = slice(start, start + 1024)
            if self.values is not None and other.values is not None:
                self.values[mine[some]] = other.values[theirs[some]]
        self.lengths[mine] = other.lengths[theirs]
        self.known[mine] = True


def cell_key(cell: bytes | str | None) -> bytes:
    """What tells a cell from others: of a path also the size and the time of its files.

    Of a member of a tar file it is the tar file's.
    """
    if cell is None:
        return b""
    if isinstance(cell, bytes):
        return hashlib.blake2b(cell, digest_size=16).digest()
    key = hashlib.blake2b(b"path|" + cell.encode(), digest_size=16)
    try:
        status = os.stat(file_on_disk(cell))  # noqa: PTH116 (a Path takes as long again)
        if stat.S_ISDIR(status.st_mode):
            # A folder does not say when a file in it has changed.
            for file in sorted(os.scandir(cell), key=lambda file: file.name):
                status = file.stat()
                key.update(f"|{file.name}|{status.st_size}|{status.st_mtime_ns}".encode())
        else:
            key.update(f"|{status.st_size}|{status.st_mtime_ns}".encode())
    except (OSError, ValueError):
        key.update(b"|?")  # decoding it says why
    return key.digest()


def find(group: str, keys: Sequence[bytes]) -> tuple[Decoded | None, list[Decoded]]:
    """What there is already: in memory the same cells, in the same order; all of the same group."""
    with _lock:
        alike = list(_alive.get(group, ()))
    keys = list(keys)
    same = (each for each in alike if each.in_memory and list(each.places) == keys)
    return next(same, None), alike


def make_room(nbytes: int) -> None:
    """Lets go of what was kept for later models, oldest first, so that this much fits, too."""
    with _lock:
        while _kept and sum(each.nbytes for each in _kept) + nbytes > _limit:
            _kept.pop(0)


def share(decoded: Decoded) -> None:
    """Lets others take from it as long as it is alive, and inside `decoded_once` longer."""
    with _lock:
        _alive.setdefault(decoded.group, weakref.WeakSet()).add(decoded)
        if _kept is not None and decoded.nbytes <= _limit and decoded not in _kept:
            _kept.append(decoded)
        for owner, held in list(_fitted.items()):
            if held.group == decoded.group and held.places.keys() <= decoded.places.keys():
                _fitted.pop(owner, None)


def keep_with(owner: Any, decoded: Decoded) -> None:
    """Keeps what was decoded to fit a state until a pipeline has taken it, or the state is gone."""
    if decoded.nbytes <= CACHE_BUDGET:
        with _lock:
            _fitted[id(owner)] = decoded
        weakref.finalize(owner, _fitted.pop, id(owner), None)


@contextmanager
def decoded_once(budget: int = CACHE_BUDGET) -> Iterator[None]:
    """Inside, decoded media stay in memory for the models that follow, up to a budget.

    An experiment that trains several models on the same rows decodes each file once. Outside, what
    was decoded lives as long as the pipelines that use it.

    Args:
        budget: The most bytes that are kept.

    Example:

    ```python
    with decoded_once():
        for name, part in parts.items():
            train_run(splits, part, folder / name, settings)
    ```
    """
    global _kept, _limit
    with _lock:
        outer, _kept, _limit = (_kept, _limit), [] if _kept is None else _kept, budget
    try:
        yield
    finally:
        with _lock:
            _kept, _limit = outer
