"""How good what a generative model makes is: do classes agree, and are distributions near?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.linalg import eigvalsh


def frechet_distance(true: np.ndarray, made: np.ndarray) -> float:
    """How far two sets of feature vectors lie apart, as normal distributions.

        d^2 = |m - n|^2 + tr(S + T - 2 (S^1/2 T S^1/2)^1/2)

    with means `m`, `n` and covariances `S`, `T`. The features decide what it sees: in those of a
    classifier it is not comparable with distances in other classifiers' features, nor with the
    "FID" of Inception's. It is biased upwards by few rows: compare it at equal numbers of them.

    Args:
        true, made: `(rows, features)`, two rows or more each.

    References:
        - [Heusel et al., 2017](https://arxiv.org/abs/1706.08500), equation 6

    Example:

    >>> line = np.array([[-1.0], [1.0]])
    >>> frechet_distance(line, line + 3.0)  # the means are 3 apart, the spreads equal
    9.0
    """
    true, made = np.asarray(true, np.float64), np.asarray(made, np.float64)
    if true.ndim != 2 or made.ndim != 2 or min(len(true), len(made)) < 2:
        raise ValueError(
            "Two sets of two or more feature vectors are compared. Received: shapes "
            f"{true.shape} and {made.shape}."
        )
    means = true.mean(axis=0) - made.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (true, made))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    between = np.sqrt(np.maximum(eigvalsh(root @ second @ root), 0.0)).sum()
    distance = means @ means + np.trace(first) + np.trace(second) - 2 * between
    return float(max(distance, 0.0))


def joint_coherence(classes: Mapping[str, np.ndarray]) -> float:
    """How often all modalities of a row that was made are of one class.

    Args:
        classes: By modality, what its judge takes each row for, `(rows,)`.

    References:
        - [Shi et al., 2019](https://arxiv.org/abs/1911.03393), section 5

    Example:

    >>> joint_coherence({"image": np.array([3, 5, 8]), "sound": np.array([3, 5, 1])})
    0.666...
    """
    first, *others = classes.values()
    same = np.all([np.asarray(other) == np.asarray(first) for other in others], axis=0)
    return float(np.broadcast_to(same, len(first)).mean())
