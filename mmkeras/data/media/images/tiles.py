"""Several pictures, or maps over them, as one."""

from __future__ import annotations

import math

import numpy as np


def tiles_a_side(count: int) -> int:
    """How many tiles a side the smallest square has that holds so many."""
    return math.ceil(math.sqrt(count))


def tiled(pictures: np.ndarray, count: int, fill: float = 0) -> np.ndarray:
    """Pictures side by side, row by row, in a square that has room for `count` of them.

    Args:
        pictures: `(pictures, height, width, ...)`, `count` or fewer.
        count: How many there may be.
        fill: What stands where there are none.

    Example:

    >>> tiled(np.array([[[1]], [[2]], [[3]]]), 4).tolist()
    [[1, 2], [3, 0]]
    """
    side = tiles_a_side(count)
    height, width, *rest = pictures.shape[1:]
    tiles = np.full((side * side, height, width, *rest), fill, pictures.dtype)
    tiles[: len(pictures)] = pictures
    grid = tiles.reshape(side, side, height, width, *rest).swapaxes(1, 2)
    return grid.reshape(side * height, side * width, *rest)
