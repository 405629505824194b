"""How well clusters agree with classes that they never saw, and how far apart they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    silhouette_score,
)
from sklearn.metrics.cluster import contingency_matrix

# Above this many rows the silhouette is that of a random part of them: it compares all pairs.
SILHOUETTE_ROWS = 5_000


def clustering_accuracy(labels: Sequence, clusters: Sequence) -> float:
    """ACC: the share of rows that are right if each cluster is given one class, at best.

    Clusters have no names, so that each is matched with a class of its own, such that most rows
    are right (the Hungarian method):

        ACC = max_m 1/n sum_i [y_i = m(c_i)]

    Where there are more clusters than classes, rows of those left over are wrong.

    References:
        - [Kuhn, 1955](https://doi.org/10.1002/nav.3800020109) (the matching)
        - [Yang et al., 2010](https://doi.org/10.1109/TIP.2010.2049235) (eq. 20)

    Example:

    >>> clustering_accuracy(["cat", "cat", "dog", "dog"], [1, 1, 0, 1])
    0.75
    """
    table = _table(labels, clusters)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def purity(labels: Sequence, clusters: Sequence) -> float:
    """The share of rows whose class is the most frequent one of their cluster.

    It is 1 where each row is a cluster of its own: compare it at equal numbers of clusters only.

    Example:

    >>> purity(["cat", "cat", "dog", "dog"], [0, 0, 1, 2])
    1.0
    """
    table = _table(labels, clusters)
    return float(table.max(axis=0).sum() / table.sum())


def clustering_metrics(labels: Sequence, clusters: Sequence) -> dict[str, float]:
    """What classes say about clusters.

    Returns:
        `acc` and `purity` (see the functions), `nmi`, the mutual information divided by the mean
        of both entropies, and `ari`, the Rand index adjusted such that chance gives 0.

    Raises:
        ValueError: The two differ in length, or are empty.

    Example:

    >>> clustering_metrics(["cat", "cat", "dog", "dog"], [1, 1, 0, 0])
    {'acc': 1.0, 'nmi': 1.0, 'ari': 1.0, 'purity': 1.0}
    """
    return {
        "acc": clustering_accuracy(labels, clusters),
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
        "purity": purity(labels, clusters),
    }


def chance_clusters(
    labels: Sequence, clusters: Sequence, *, draws: int = 20, seed: int = 0
) -> dict[str, dict[str, float]]:
    """The floors below `clustering_metrics`: what clusters give that know nothing.

    Args:
        labels: A class for each row.
        clusters: A cluster for each row.
        draws: How many random assignments are averaged.
        seed: Decides them.

    Returns:
        The figures of `"random clusters of the same sizes"`, and of `"one cluster"`: its accuracy
        is the share of the most frequent class.

    Example:

    >>> floors = chance_clusters(["cat"] * 3 + ["dog"], [0, 0, 1, 1])
    >>> floors["one cluster"]
    {'acc': 0.75, 'nmi': 0.0, 'ari': 0.0, 'purity': 0.75}
    """
    random = np.random.default_rng(seed)
    drawn = [clustering_metrics(labels, random.permutation(clusters)) for _ in range(draws)]
    return {
        "random clusters of the same sizes": {
            name: float(np.mean([figures[name] for figures in drawn])) for name in drawn[0]
        },
        "one cluster": clustering_metrics(labels, np.zeros(len(labels), int)),
    }


def silhouette(X: Any, clusters: Sequence, *, seed: int = 0) -> float:
    """How much nearer rows are to their own cluster than to the next one, from -1 to 1; no labels.

    Of a row, a being its mean distance to the other rows of its cluster and b the smallest mean
    distance to the rows of another, it is `(b - a) / max(a, b)`; the figure is its mean.

    Args:
        X: `(rows, features)`, an array or a sparse matrix.
        clusters: A cluster for each row.
        seed: Chooses 5,000 rows where there are more.

    Returns:
        The mean; NaN where there is one cluster, or each row is one.

    References:
        - [Rousseeuw, 1987](https://doi.org/10.1016/0377-0427(87)90125-7)

    Example:

    >>> round(silhouette(np.array([[0.0], [1.0], [10.0], [11.0]]), [0, 0, 1, 1]), 2)
    0.9
    """
    clusters = np.asarray(clusters)
    if len(clusters) > SILHOUETTE_ROWS:
        kept = np.random.default_rng(seed).choice(len(clusters), SILHOUETTE_ROWS, replace=False)
        X, clusters = X[kept], clusters[kept]
    if not 1 < len(np.unique(clusters)) < len(clusters):
        return float("nan")
    return float(silhouette_score(X, clusters))


def _table(labels: Sequence, clusters: Sequence) -> np.ndarray:
    """How many rows of each class are in each cluster, `(classes, clusters)`."""
    if not len(labels) or len(labels) != len(clusters):
        raise ValueError(
            "There is a class and a cluster for each row. Received: "
            f"{len(labels)} classes and {len(clusters)} clusters."
        )
    return contingency_matrix(labels, clusters)
