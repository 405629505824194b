"""Multiple factor analysis: principal components to which every view may contribute alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.decomposition.scaled import ScaledViews
from mmkeras.classical.views import Views, ViewsMixin


class MultiviewPCA(ViewsMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Principal components of views, each divided by its first singular value.

    In a plain PCA of all columns the first components belong to the view with the most columns that
    say the same. Here no view can give the first component more than any other could: of X_v, the
    standardised columns of view v, and s_v, its first singular value, the components are those of

        [X_1 / s_1, ..., X_V / s_V].

    Args:
        n_components: How many; `None` for as many as there are rows or columns.
        standardise: As of `ScaledViews`.
        views: Which columns are which view; see `mmkeras.classical.views`.
        random_state: Of scikit-learn's PCA, which draws numbers for large matrices.

    Attributes:
        components_: `(n_components, columns)`.
        explained_variance_: `(n_components,)`; the first is between 1 and the number of views, and
            equals it where all views agree on the direction (but for the factor rows / (rows - 1)).
        explained_variance_ratio_: `(n_components,)`.
        contributions_: `(n_components, views)`, which share of a component comes from which view;
            rows sum to 1.

    Example:

    >>> random = np.random.default_rng(0)
    >>> common = random.normal(size=(100, 1))
    >>> X = np.hstack([common + 0.1 * random.normal(size=(100, 8)), common])
    >>> MultiviewPCA(1, views=[8, 1]).fit(X).contributions_.round(2)
    array([[0.5, 0.5]])

    References:
        - [Escofier & Pagès, 1994](https://doi.org/10.1016/0167-9473(94)90135-X) (section 3)
    """

    def __init__(
        self,
        n_components: int | None = None,
        standardise: bool | Sequence[str] = True,
        views: Views = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_components = n_components
        self.standardise = standardise
        self.views = views
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MultiviewPCA:
        """Learns the components from `X` of `(rows, features)`."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Learns them, and returns the rows' coordinates, `(rows, n_components)`."""
        self._fit_views(X, ensure_min_samples=2)
        self.scaler_ = ScaledViews(self.views, "spread", self.standardise)
        scaled = self.scaler_.fit_transform(X)
        self.pca_ = PCA(self.n_components, random_state=self.random_state)
        found = self.pca_.fit_transform(scaled)
        self.components_ = self.pca_.components_
        self.explained_variance_ = self.pca_.explained_variance_
        self.explained_variance_ratio_ = self.pca_.explained_variance_ratio_
        starts = np.cumsum([0, *(len(columns) for columns in self.views_.values())])[:-1]
        self.contributions_ = np.add.reduceat(self.components_**2, starts, axis=1)
        return found

    def transform(self, X: Any) -> np.ndarray:
        """The coordinates of rows, `(rows, n_components)`."""
        check_is_fitted(self)
        return self.pca_.transform(self.scaler_.transform(X))

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)
