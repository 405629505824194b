"""k-means on several views, whose weights are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.decomposition.scaled import ScaledViews
from mmkeras.classical.views import Views, ViewsMixin


class MultiviewKMeans(ViewsMixin, ClusterMixin, BaseEstimator):
    """One assignment of rows to clusters for all views; views that it fits better count for more.

    Each view is scaled to the same total variance (`ScaledViews`). Of D_v, the squared distances of
    view v's rows from the means of their clusters, summed, it minimises

        sum_v w_v^p D_v    with sum_v w_v = 1

    by turns: k-means for the weights as they are, then `w_v ~ D_v^(1 / (1 - p))`. A large p keeps
    the weights alike; close to 1, the view with the tightest clusters decides alone. Tight is not
    the same as right: a view of few columns is easily tight. So equal weights, which is k-means on
    `ScaledViews`, are the thing to compare with.

    Args:
        n_clusters: How many clusters.
        p: The exponent, above 1.
        n_init: How often k-means starts anew; the best counts.
        max_iter: The most turns.
        standardise: As of `ScaledViews`.
        views: Which columns are which view; see `mmkeras.classical.views`.
        random_state: Of k-means' starts.

    Attributes:
        labels_: `(rows,)`, the clusters of the training rows.
        weights_: `(views,)`, the w_v.
        inertia_: The minimum found.
        n_iter_: How many turns it took.

    Example:

    >>> random = np.random.default_rng(0)
    >>> clear = np.repeat([[0.0], [9.0]], 20, axis=0) + random.normal(size=(40, 1))
    >>> X = np.hstack([clear, random.normal(size=(40, 1))])
    >>> clusters = MultiviewKMeans(2, views=[1, 1], random_state=0).fit(X)
    >>> len(set(clusters.labels_[:20])), len(set(clusters.labels_[20:]))
    (1, 1)
    >>> clusters.weights_.round(2)
    array([0.97, 0.03])

    References:
        - [Tzortzis & Likas, 2012](https://doi.org/10.1109/ICDM.2012.43) (eq. 5 and 9, with
          linear kernels)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        p: float = 2.0,
        n_init: int = 10,
        max_iter: int = 50,
        standardise: bool | Sequence[str] = True,
        views: Views = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_clusters = n_clusters
        self.p = p
        self.n_init = n_init
        self.max_iter = max_iter
        self.standardise = standardise
        self.views = views
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MultiviewKMeans:
        """Learns clusters and weights from `X` of `(rows, features)`."""
        self._fit_views(X)
        if not self.p > 1:
            raise ValueError(f"`p` is above 1. Received: {self.p}.")
        self.scaler_ = ScaledViews(self.views, standardise=self.standardise)
        X = self.scaler_.fit_transform(X)
        self.weights_ = np.full(len(self.views_), 1 / len(self.views_))
        scale = self._scale()
        found = KMeans(self.n_clusters, n_init=self.n_init, random_state=self.random_state).fit(
            X * scale
        )
        for turn in range(1, self.max_iter + 1):
            self.n_iter_ = turn
            centres = found.cluster_centers_ / scale
            columns = ((X - centres[found.labels_]) ** 2).sum(axis=0)
            starts = np.cumsum([0, *self._widths])[:-1]
            scatter = np.maximum(np.add.reduceat(columns, starts), 1e-12)
            before = self.weights_
            self.weights_ = scatter ** (1 / (1 - self.p))
            self.weights_ /= self.weights_.sum()
            if np.abs(self.weights_ - before).max() < 1e-4:
                break
            scale = self._scale()
            found = KMeans(self.n_clusters, init=centres * scale, n_init=1).fit(X * scale)
        self.kmeans_, self.labels_, self.inertia_ = found, found.labels_, found.inertia_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The cluster of each row, `(rows,)`: the one with the nearest mean."""
        check_is_fitted(self)
        return self.kmeans_.predict(self.scaler_.transform(X) * self._scale())

    @property
    def _widths(self) -> list[int]:
        return [len(columns) for columns in self.views_.values()]

    def _scale(self) -> np.ndarray:
        """What each column is multiplied by, so that distances weigh views by w^p."""
        return np.repeat(self.weights_ ** (self.p / 2), self._widths)
