"""Draw parts of rows with several labels each, so that every label keeps its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratified_parts(
    labels: Sequence[tuple[str, ...]], shares: Sequence[float], seed: int
) -> np.ndarray:
    """Puts rows into parts by iterative stratification, the rarest label first.

    Sechidis, Tsoumakas, Vlahavas: On the stratification of multi-label data, ECML PKDD 2011,
    https://doi.org/10.1007/978-3-642-23808-6_10, algorithm 1. The parts have exactly the sizes
    that the shares say.

    Args:
        labels: The labels of each row, maybe none.
        shares: Of each part; they add up to 1.
        seed: The same seed gives the same parts.

    Returns:
        The part of each row, int64 `(rows,)`.

    Example:

    >>> parts = stratified_parts([("a",), ("a", "b"), ("b",), ()] * 2, (0.5, 0.5), seed=0)
    >>> np.bincount(parts).tolist()
    [4, 4]
    """
    rng = np.random.default_rng(seed)
    rows = len(labels)
    edges = np.round(np.cumsum([0.0, *shares]) * rows).astype(int)
    room = np.diff(edges).astype(float)  # rows that each part still takes
    names = sorted({name for row in labels for name in row})
    place = {name: number for number, name in enumerate(names)}
    has = np.zeros((rows, len(names)), bool)
    for row, own in enumerate(labels):
        has[row, [place[name] for name in own]] = True
    wanted = np.outer(room / max(rows, 1), has.sum(axis=0))  # (parts, labels)
    parts = np.full(rows, -1)
    left = has.sum(axis=0)
    while left.any():
        rarest = np.where(left > 0, left, rows + 1).argmin()
        for row in rng.permutation(np.flatnonzero(has[:, rarest] & (parts < 0))):
            open_ = room > 0
            # Ties: the part with the most room, then a drawn one.
            order = np.lexsort((rng.random(len(room)), room, wanted[:, rarest], open_))
            part = order[-1]
            parts[row] = part
            room[part] -= 1
            wanted[part, has[row]] -= 1
            left[has[row]] -= 1
    rest = rng.permutation(np.flatnonzero(parts < 0))
    parts[rest] = np.repeat(np.arange(len(room)), room.astype(int))
    return parts
