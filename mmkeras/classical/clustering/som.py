"""A self-organising map: clusters on a grid, neighbours in the data being neighbours there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.decomposition.scaled import ScaledViews
from mmkeras.classical.views import Views, ViewsMixin


class SelfOrganizingMap(
    ViewsMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """A grid of cells, each with a prototype; near cells have similar prototypes.

    The views are scaled to the same total variance (`ScaledViews`), and multiplied by the roots of
    their weights. In each epoch, each row goes to the cell with the nearest prototype m, and then
    each prototype becomes a mean of the rows, weighted by how near their cells c are on the grid:

        m_j = sum_i h(j, c_i) x_i / sum_i h(j, c_i)    with h(j, c) = exp(-|r_j - r_c|^2 / (2 s^2))

    The radius s shrinks from epoch to epoch, geometrically. Prototypes start on the plane of the
    first two principal components, so that nothing is random: the same rows in the same order give
    the same map. The neighbourhood never vanishes, so that cells without rows have prototypes, too.

    Args:
        shape: Rows and columns of the grid. By default about `5 sqrt(rows)` cells, and the sides as
            long as the first two principal components are, at most 4 : 1.
        topology: hexagonal (6 neighbours per cell) or rectangular (4).
        epochs: How often the rows are gone through.
        radius: s in the first epoch and in the last, in cells; by default from a quarter of the
            longer side to 0.5.
        weights: What each view counts, a list or a dict by view's name; by default alike.
        standardise: As of `ScaledViews`.
        views: Which columns are which view; see `mmkeras.classical.views`.

    Attributes:
        shape_: Rows and columns of the grid.
        positions_: `(cells, 2)`, where the cells' centres are, across and down, neighbours at
            distance 1; cells are counted row by row.
        prototypes_: `(cells, columns)`, on the scale of the scaled views.
        labels_: `(rows,)`, the cells of the training rows.
        quantization_error_: The training rows' mean distance to their prototype.
        topographic_error_: The share of the training rows whose two nearest prototypes are no
            neighbours on the grid: where it is high, the map is folded.

    Example:

    >>> X = np.repeat(np.arange(12.0), 5)[:, None] + [0.0, 0.0]
    >>> som = SelfOrganizingMap((1, 6)).fit(X)
    >>> som.predict(X[::10]).tolist()
    [0, 1, 2, 3, 4, 5]
    >>> som.transform(X[:1])
    array([[0., 0.]])
    >>> som.hits(X).tolist()
    [10, 10, 10, 10, 10, 10]

    References:
        - [Kohonen, 2013](https://doi.org/10.1016/j.neunet.2012.09.018) (eq. 7 and 8, the batch
          map; section 4.5, the first prototypes)
        - [Vesanto & Alhoniemi, 2000](https://doi.org/10.1109/72.846731) (how many cells)
        - [Kiviluoto, 1996](https://doi.org/10.1109/ICNN.1996.548907) (the topographic error)
        - A. Ultsch and H. P. Siemon, "Kohonen's Self Organizing Feature Maps for Exploratory Data
          Analysis", INNC 1990 (U-matrix)
    """

    def __init__(
        self,
        shape: tuple[int, int] | None = None,
        topology: Literal["hexagonal", "rectangular"] = "hexagonal",
        epochs: int = 30,
        radius: tuple[float, float] | None = None,
        weights: Sequence[float] | Mapping[str, float] | None = None,
        standardise: bool | Sequence[str] = True,
        views: Views = None,
    ):
        self.shape = shape
        self.topology = topology
        self.epochs = epochs
        self.radius = radius
        self.weights = weights
        self.standardise = standardise
        self.views = views

    def fit(self, X: Any, y: Any = None) -> SelfOrganizingMap:
        """Learns the prototypes from `X` of `(rows, features)`."""
        self._fit_views(X, ensure_min_samples=2)
        self._check()
        self.scaler_ = ScaledViews(self.views, standardise=self.standardise)
        widths = [len(columns) for columns in self.views_.values()]
        self._scale = np.repeat(np.sqrt(self._view_weights()), widths)
        X = self.scaler_.fit_transform(X) * self._scale
        self._make_grid(X)
        start, end = self.radius or (max(max(self.shape_) / 4, 0.5), 0.5)
        squares = euclidean_distances(self.positions_, squared=True)
        for radius in np.geomspace(start, end, self.epochs):
            near = np.exp(-squares / (2 * radius**2))
            cells = pairwise_distances_argmin(X, self.prototypes_)
            members = csr_array((np.ones(len(X)), (cells, np.arange(len(X)))), (len(near), len(X)))
            sums, counts = members @ X, near @ members.sum(axis=1)
            reached = counts > 1e-200  # farther cells would be divided by 0, and stay
            self.prototypes_[reached] = (near @ sums)[reached] / counts[reached, None]
        distances = euclidean_distances(X, self.prototypes_)
        self.labels_ = distances.argmin(axis=1)
        self.quantization_error_ = float(distances.min(axis=1).mean())
        second = np.argsort(distances, axis=1, kind="stable")[:, : min(2, len(squares))][:, -1]
        self.topographic_error_ = float(np.mean(squares[self.labels_, second] > 1 + 1e-6))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The number of each row's cell, `(rows,)`."""
        return pairwise_distances_argmin(self.scaled(X), self.prototypes_)

    def transform(self, X: Any) -> np.ndarray:
        """Where on the grid each row's cell is, `(rows, 2)`."""
        return self.positions_[self.predict(X)]

    def scaled(self, X: Any) -> np.ndarray:
        """Rows on the scale of the prototypes, `(rows, columns)`."""
        check_is_fitted(self)
        return self.scaler_.transform(X) * self._scale

    def hits(self, X: Any) -> np.ndarray:
        """How many of the rows are in each cell, `(cells,)`."""
        return np.bincount(self.predict(X), minlength=len(self.prototypes_))

    def u_matrix(self) -> np.ndarray:
        """Each prototype's mean distance to those of the neighbouring cells, `(cells,)`.

        High values are the walls between clusters.
        """
        check_is_fitted(self)
        near = euclidean_distances(self.positions_, squared=True) < 1 + 1e-6
        np.fill_diagonal(near, False)
        distances = np.where(near, euclidean_distances(self.prototypes_), 0.0)
        return distances.sum(axis=1) / np.maximum(near.sum(axis=1), 1)

    def examples(self, X: Any) -> np.ndarray:
        """The position in `X` of the row nearest to each cell's prototype; -1 for empty cells."""
        distances = euclidean_distances(self.prototypes_, self.scaled(X))
        return np.where(self.hits(X) > 0, distances.argmin(axis=1), -1)

    def _check(self) -> None:
        if self.topology not in ("hexagonal", "rectangular"):
            raise ValueError(
                f"`topology` is 'hexagonal' or 'rectangular'. Received: {self.topology!r}."
            )
        if self.epochs < 1:
            raise ValueError(f"`epochs` is at least 1. Received: {self.epochs}.")
        if self.radius is not None and not 0 < self.radius[1] <= self.radius[0]:
            raise ValueError(
                "`radius` is the first and the last, which is smaller and above 0. Received: "
                f"{self.radius}."
            )
        if self.shape is not None and (len(self.shape) != 2 or min(self.shape) < 1):
            raise ValueError(f"`shape` is two numbers of cells. Received: {self.shape}.")

    def _view_weights(self) -> list[float]:
        weights = self.weights
        if weights is None:
            return [1.0] * len(self.views_)
        if isinstance(weights, Mapping):
            if set(weights) != set(self.views_):
                raise ValueError(
                    f"`weights` names each view, {list(self.views_)}. Received: {list(weights)}."
                )
            weights = [weights[view] for view in self.views_]
        if len(weights) != len(self.views_) or min(weights) < 0 or not max(weights) > 0:
            raise ValueError(
                f"`weights` has one number for each of {len(self.views_)} views, none negative and "
                f"not all 0. Received: {list(weights)}."
            )
        return [float(weight) for weight in weights]

    def _make_grid(self, X: np.ndarray) -> None:
        """Places the cells, and their prototypes on the plane of the principal components."""
        pca = PCA(min(2, *X.shape), svd_solver="full").fit(X)
        lengths = np.sqrt(np.append(pca.explained_variance_, 0.0)[:2])
        axes = np.vstack([pca.components_, np.zeros_like(pca.components_)])[:2]
        if self.shape is None:
            ratio = np.clip(lengths[0] / max(lengths[1], 1e-12), 1.0, 4.0)
            down = max(1, round(np.sqrt(5 * np.sqrt(len(X)) / ratio)))
            self.shape_ = (down, max(1, round(5 * np.sqrt(len(X)) / down)))
        else:
            self.shape_ = (int(self.shape[0]), int(self.shape[1]))
        down, across = np.indices(self.shape_).reshape(2, -1).astype(float)
        if self.topology == "hexagonal":
            across, down = across + 0.5 * (down % 2), down * np.sqrt(3) / 2
        self.positions_ = np.stack([across, down], axis=1)
        # The longer component along the longer side, from -2 to 2 standard deviations.
        order = [0, 1] if self.shape_[1] >= self.shape_[0] else [1, 0]
        spans = np.ptp(self.positions_, axis=0)
        places = 4 * (self.positions_ - self.positions_.min(axis=0)) / np.where(spans > 0, spans, 1)
        places = np.where(spans > 0, places - 2, 0.0)
        self.prototypes_ = pca.mean_ + (places * lengths[order]) @ axes[order]

    @property
    def _n_features_out(self) -> int:
        return 2
