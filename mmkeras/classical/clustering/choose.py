"""How many clusters there are, without labels: by their distances, and by coming again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import ClusterMixin, clone
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.validation import _num_samples

from mmkeras.evaluation.clustering import silhouette
from mmkeras.progress import ProgressBar

# How far below the highest stability a number of clusters still counts as stable.
_STABLE = 0.1


class ClusterChoice(NamedTuple):
    """What `choose_clusters` found.

    Args:
        n_clusters: Of the numbers whose stability is within 0.1 of the highest, the one with the
            highest silhouette.
        by_silhouette: The number with the highest silhouette of all; of equal ones the smallest.
        by_stability: The number with the highest stability; of equal ones the largest, since few
            clusters are stable more easily.
        table: One row per number of clusters: `silhouette`, `stability`, and `± (stability)`.
    """

    n_clusters: int
    by_silhouette: int
    by_stability: int
    table: pd.DataFrame


def choose_clusters(
    X: Any,
    estimator: ClusterMixin,
    numbers: Iterable[int],
    *,
    space: Any = None,
    draws: int = 5,
    share: float = 0.8,
    seed: int = 0,
) -> ClusterChoice:
    """Tries numbers of clusters, and judges each without labels.

    - Silhouette: how much nearer rows are to their own cluster than to the next.
    - Stability: random parts of the rows are clustered one by one; of each two, the rows in both
      are compared by the adjusted Rand index. The figure is the mean over the pairs. A number of
      clusters that is not in the data splits or joins groups differently each time.

    The silhouette alone likes few clusters, also where a cut through the middle of one would do as
    well elsewhere; stability then is low. Both together, see `ClusterChoice`, still do not know
    what the clusters are for: coarse groups may be stable, and groups within them, too.

    Args:
        X: `(rows, features)`.
        estimator: With an argument `n_clusters`.
        numbers: The numbers of clusters to try, each 2 or more.
        space: What distances of the silhouette are measured in, `(rows, any)`, for example
            `ScaledViews` or `MultiviewLSA` of X; by default X.
        draws: How many parts, 2 or more.
        share: Of the rows in a part.
        seed: Draws the parts.

    Example:

    >>> from sklearn.cluster import KMeans
    >>> X = np.random.default_rng(0).normal(size=(90, 2)) + np.repeat([[0], [9], [30]], 30, axis=0)
    >>> choice = choose_clusters(X, KMeans(random_state=0), range(2, 6))
    >>> choice.n_clusters, choice.by_silhouette, choice.by_stability
    (3, 3, 3)
    >>> list(choice.table.columns)
    ['silhouette', 'stability', '± (stability)']

    References:
        - [Rousseeuw, 1987](https://doi.org/10.1016/0377-0427(87)90125-7) (silhouette)
        - [Ben-Hur et al., 2002](https://doi.org/10.1142/9789812799623_0002) (stability)
    """
    numbers = sorted(set(numbers))
    rows = _num_samples(X)
    size = round(share * rows)
    if not numbers or numbers[0] < 2 or numbers[-1] >= size:
        raise ValueError(
            f"The numbers of clusters to try are between 2 and {size - 1}, less than the rows of a "
            f"part. Received: {numbers}."
        )
    if draws < 2:
        raise ValueError(f"`draws` is 2 or more, to compare. Received: {draws}.")
    space = X if space is None else space
    random = np.random.default_rng(seed)
    parts = [np.sort(random.choice(rows, size, replace=False)) for _ in range(draws)]
    found = {}
    with ProgressBar("numbers of clusters", len(numbers)) as progress:
        for number in numbers:
            model = clone(estimator).set_params(n_clusters=number)
            agreements = _agreements(X, model, parts)
            found[number] = {
                "silhouette": silhouette(space, model.fit_predict(X), seed=seed),
                "stability": np.mean(agreements),
                "± (stability)": np.std(agreements),
            }
            progress.add()
    table = pd.DataFrame(found).T.rename_axis("clusters")
    apart, stability = table["silhouette"].fillna(-1.0), table["stability"]
    stable = apart[stability >= stability.max() - _STABLE]
    return ClusterChoice(
        int(stable.idxmax()), int(apart.idxmax()), int(stability[::-1].idxmax()), table
    )


def _agreements(X: Any, model: ClusterMixin, parts: list[np.ndarray]) -> list[float]:
    """The adjusted Rand index of each two parts, on the rows of both."""
    clusters = [clone(model).fit_predict(_rows(X, part)) for part in parts]
    agreements = []
    for (a, left), (b, right) in itertools.combinations(zip(parts, clusters, strict=True), 2):
        _, in_a, in_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
        agreements.append(float(adjusted_rand_score(left[in_a], right[in_b])))
    return agreements


def _rows(X: Any, part: np.ndarray) -> Any:
    return X.iloc[part] if isinstance(X, pd.DataFrame) else X[part]
