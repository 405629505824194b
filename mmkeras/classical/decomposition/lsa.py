"""Latent semantic analysis of several views of words."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from mmkeras.classical.views import Views, ViewsMixin


class MultiviewLSA(ViewsMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Topics that the words of all views share: TF-IDF per view, one truncated SVD of all.

    Each view's counts c are weighted by `c (1 + ln((1 + rows) / (1 + rows with the word)))`, and
    each row of a view made of length 1, so that a view of long texts counts as much as one of
    short texts, and a row without a text in a view does not speak there. The first singular
    vectors of all views side by side are the topics. Rows come out with length 1: two are compared
    by their direction, however many words they have.

    Args:
        n_components: How many topics.
        views: Which columns are which view; see `mmkeras.classical.views`.
        random_state: Of the truncated SVD, which starts from random numbers.

    Attributes:
        components_: `(n_components, columns)`, each word's weight in each topic.
        contributions_: `(n_components, views)`, which share of a topic comes from which view.
        weightings_: The views' TF-IDF, scikit-learn's.

    Example:

    >>> words = np.array([[3, 0, 2, 0], [2, 0, 0, 0], [0, 4, 0, 1], [0, 1, 0, 2]])
    >>> topics = MultiviewLSA(2, views=[2, 2], random_state=0).fit_transform(words)
    >>> (topics @ topics.T > 0.9).astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 0, 0],
           [0, 0, 1, 1],
           [0, 0, 1, 1]])

    References:
        - [Deerwester et al., 1990](https://doi.org/10.1002/(SICI)1097-4571(199009)41:6%3C391::AID-ASI1%3E3.0.CO;2-9)
    """

    accepts_sparse = True

    def __init__(
        self,
        n_components: int = 10,
        views: Views = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_components = n_components
        self.views = views
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MultiviewLSA:
        """Learns the topics from `X` of `(rows, words)`."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Learns them, and returns the rows' topics, `(rows, n_components)`."""
        views = self._fit_views(X, ensure_min_samples=2, ensure_min_features=2)
        self.weightings_ = [TfidfTransformer().fit(view) for view in views]
        self.svd_ = TruncatedSVD(self.n_components, random_state=self.random_state)
        found = self.svd_.fit_transform(self._weighted(views))
        self.components_ = self.svd_.components_
        starts = np.cumsum([0, *(view.shape[1] for view in views[:-1])])
        self.contributions_ = np.add.reduceat(self.components_**2, starts, axis=1)
        return normalize(found)

    def transform(self, X: Any) -> np.ndarray:
        """The topics of rows, `(rows, n_components)`, of length 1."""
        views = self._views_of(X)
        return normalize(self.svd_.transform(self._weighted(views)))

    def _weighted(self, views: list[Any]) -> scipy.sparse.csr_array:
        return scipy.sparse.hstack(
            [w.transform(view) for w, view in zip(self.weightings_, views, strict=True)], "csr"
        )

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)
