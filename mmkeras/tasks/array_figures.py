"""Figures of answers that are many numbers: ranks of the true one, structural similarity."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_BLOCK = 256  # rows that are compared at once


def true_ranks(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """At which place each answer finds its own truth, by Euclidean distance, `(rows,)` from 1.

    Other targets that are as near count against the answer, unless they are equal to its own.

    Args:
        targets, outputs: `(rows, numbers)`.

    Example:

    >>> true_ranks(np.array([[0.0], [1.0], [5.0]]), np.array([[0.2], [0.1], [9.0]])).tolist()
    [1, 2, 1]
    """
    targets, outputs = (np.asarray(each, np.float64) for each in (targets, outputs))
    # About their mean, which makes the squares below smaller, and so their differences surer.
    centre = targets.mean(axis=0)
    targets, outputs = targets - centre, outputs - centre
    _, same = np.unique(targets, axis=0, return_inverse=True)
    same, squares = same.reshape(-1), np.square(targets).sum(axis=1)
    ranks = np.empty(len(outputs), int)
    for start in range(0, len(outputs), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(outputs)))
        # Without the answer's own square, which is the same for all targets.
        distances = squares - 2 * outputs[rows] @ targets.T
        own = distances[np.arange(len(rows)), rows][:, None]
        ranks[rows] = 1 + ((distances <= own) & (same != same[rows, None])).sum(axis=1)
    return ranks


def structural_similarity(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """SSIM of pictures in `[0, 1]`, the mean over channels and all places of a window, `(rows,)`.

    With means m, sample variances v and the covariance c in a window:

        SSIM = (2 m1 m2 + 0.0001) (2 c + 0.0009) / ((m1^2 + m2^2 + 0.0001) (v1 + v2 + 0.0009))

    The window has 7 x 7 pixels (less where a side is shorter) of equal weight, as in scikit-image.

    Args:
        targets, outputs: `(rows, height, width, channels)`.

    References:
        - [Wang et al., 2004](https://doi.org/10.1109/TIP.2003.819861)
    """
    height, width = targets.shape[1:3]
    side = min(7, height, width)
    side -= 1 - side % 2  # odd
    scores = np.empty(len(targets))
    for start in range(0, len(targets), _BLOCK):
        part = slice(start, start + _BLOCK)
        first, second = (np.asarray(each[part], np.float64) for each in (targets, outputs))

        def windows(values: np.ndarray) -> np.ndarray:
            """Means of the windows that are wholly inside."""
            edge = side // 2
            means = ndimage.uniform_filter(values, (0, side, side, 0))
            return means[:, edge : height - edge, edge : width - edge]

        count = side**2
        unbiased = count / (count - 1) if count > 1 else 0.0
        m1, m2 = windows(first), windows(second)
        v1 = unbiased * (windows(first**2) - m1**2)
        v2 = unbiased * (windows(second**2) - m2**2)
        covariance = unbiased * (windows(first * second) - m1 * m2)
        light = (2 * m1 * m2 + 1e-4) / (m1**2 + m2**2 + 1e-4)
        structure = (2 * covariance + 9e-4) / (v1 + v2 + 9e-4)
        scores[part] = (light * structure).mean(axis=(1, 2, 3))
    return scores
