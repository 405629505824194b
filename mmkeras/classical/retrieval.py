"""Cross-modal retrieval with linear models: correlation, semantics, and both.

Each maps two or more views into one space, where the dot product of two vectors is their similarity
(`mmkeras.evaluation.retrieval` judges it).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.views import Views, ViewsMixin


class _Matching(ViewsMixin, TransformerMixin, BaseEstimator):
    """What the methods share: each view's vectors have one width and stand side by side."""

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names such as `image__3`, from which `views="names"` reads the views."""
        check_is_fitted(self)
        return np.array(
            [f"{view}__{place}" for view in self.views_ for place in range(self._width())], object
        )


class CorrelationMatching(_Matching):
    """Canonical correlation analysis: the directions in which two views agree most.

    The directions `w_k`, `v_k` maximise the correlation of `X w_k` with `Y v_k`, each uncorrelated
    with the ones before. They are the singular vectors of the whitened covariance

        (S_xx + r I)^(-1/2) S_xy (S_yy + r I)^(-1/2),

    S being covariances of the standardised features and r the ridge, without which 128 noisy
    features fit the training rows too well. Needs no labels. A single view is compared with itself:
    its directions are then the principal components, whitened.

    Args:
        n_components: How many directions; at most as many as the smaller view has features.
        ridge: r, in units of a feature's variance.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        correlations_: `(n_components,)`, of the training rows; with a ridge, somewhat below.
        views_: The views' names and columns.

    Example:

    >>> random = np.random.default_rng(0)
    >>> common = random.normal(size=(50, 1))
    >>> X = common + random.normal(size=(50, 7))
    >>> matching = CorrelationMatching(2, views={"image": slice(3), "text": slice(3, 7)}).fit(X)
    >>> image, text = np.hsplit(matching.transform(X), 2)
    >>> image.shape, text.shape
    ((50, 2), (50, 2))
    >>> matching.get_feature_names_out().tolist()
    ['image__0', 'image__1', 'text__0', 'text__1']

    References:
        - [Hotelling, 1936](https://doi.org/10.1093/biomet/28.3-4.321) (CCA)
        - [Vinod, 1976](https://doi.org/10.1016/0304-4076(76)90010-5) (the ridge)
        - [Rasiwasia et al., 2010](https://doi.org/10.1145/1873951.1873987) (for retrieval)
    """

    def __init__(self, n_components: int = 7, ridge: float = 1.0, views: Views = None):
        self.n_components = n_components
        self.ridge = ridge
        self.views = views

    def fit(self, X: Any, y: Any = None) -> CorrelationMatching:
        """Learns the directions from `X`, `(rows, features)`; `y` is not used.

        Raises:
            ValueError: There are more than two views, or too few features for `n_components`.
        """
        views = self._fit_views(X, dtype=np.float64, ensure_min_samples=2)
        if len(views) > 2:
            raise ValueError(f"Correlations are those of two views. Received: {len(views)} views.")
        most = min(view.shape[1] for view in views)
        if not 1 <= self.n_components <= most:
            raise ValueError(
                f"`n_components` is between 1 and the smaller view's {most} features. Received: "
                f"{self.n_components}."
            )
        if not self.ridge >= 0:
            raise ValueError(f"`ridge` must not be negative. Received: {self.ridge}.")
        self.scalers_ = [StandardScaler().fit(view) for view in views]
        scaled = [scaler.transform(view) for scaler, view in zip(self.scalers_, views, strict=True)]
        x, y = scaled[0], scaled[-1]
        whiten = [_inverse_root(v.T @ v / len(v) + self.ridge * np.eye(v.shape[1])) for v in (x, y)]
        left, correlations, right = np.linalg.svd(whiten[0] @ (x.T @ y / len(x)) @ whiten[1])
        kept = slice(self.n_components)
        self.correlations_ = correlations[kept]
        self.directions_ = [whiten[0] @ left[:, kept], whiten[1] @ right[kept].T][: len(views)]
        return self

    def project(self, X: Any) -> np.ndarray:
        """The canonical variates, `(rows, views * n_components)`, the views side by side."""
        return np.hstack(self._project(X))

    def transform(self, X: Any) -> np.ndarray:
        """The same, each view's part of a row of length 1."""
        return np.hstack([_unit(view) for view in self._project(X)])

    def _project(self, X: Any) -> list[np.ndarray]:
        return [
            scaler.transform(view) @ directions
            for scaler, view, directions in zip(
                self.scalers_, self._views_of(X, dtype=np.float64), self.directions_, strict=True
            )
        ]

    def _width(self) -> int:
        return len(self.correlations_)


class SemanticMatching(_Matching):
    """Each view's probabilities of the classes, compared as they are.

    One logistic regression per view says how probable each class is. Two vectors of probabilities
    are compared by their correlation, i.e. the cosine after the mean, 1 / classes, is taken off.

    Args:
        C: The logistic regressions' inverse regularisation.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        classes_: The class names, in the order of the probabilities.
        views_: The views' names and columns.

    Example:

    >>> X = np.array([[0.0, 5.0], [1.0, 3.0], [0.2, 4.9], [0.9, 3.1]])
    >>> matching = SemanticMatching(C=10.0, views=[1, 1]).fit(X, ["cat", "dog", "cat", "dog"])
    >>> left, right = np.hsplit(matching.transform(X), 2)
    >>> np.argmax(left @ right.T > 0, axis=1)
    array([0, 1, 0, 1])

    References:
        - [Rasiwasia et al., 2010](https://doi.org/10.1145/1873951.1873987)
    """

    def __init__(self, C: float = 0.01, views: Views = None):
        self.C = C
        self.views = views

    def fit(self, X: Any, y: Any) -> SemanticMatching:
        """Learns the classes `y`, one per row of `X`, `(rows, features)`."""
        views, y = self._fit_views(X, y, dtype=np.float64)
        check_classification_targets(y)
        self.models_: list[Pipeline] = [
            make_pipeline(StandardScaler(), LogisticRegression(C=self.C, max_iter=1000)).fit(
                view, y
            )
            for view in views
        ]
        self.classes_ = self.models_[0].classes_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Centred probabilities, `(rows, views * classes)`; each view's part of length 1."""
        check_is_fitted(self)
        return np.hstack(
            [
                _unit(model.predict_proba(view) - 1 / len(self.classes_))
                for model, view in zip(
                    self.models_, self._views_of(X, dtype=np.float64), strict=True
                )
            ]
        )

    def _width(self) -> int:
        return len(self.classes_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class SemanticCorrelationMatching(_Matching):
    """`SemanticMatching` on the canonical variates of `CorrelationMatching`.

    Args:
        n_components: How many directions.
        ridge: Of the correlation analysis.
        C: The logistic regressions' inverse regularisation.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        classes_: The class names, in the order of the probabilities.
        correlation_, semantic_: The two fitted estimators.
        views_: The views' names and columns.

    References:
        - [Rasiwasia et al., 2010](https://doi.org/10.1145/1873951.1873987)
    """

    def __init__(
        self, n_components: int = 7, ridge: float = 1.0, C: float = 1.0, views: Views = None
    ):
        self.n_components = n_components
        self.ridge = ridge
        self.C = C
        self.views = views

    def fit(self, X: Any, y: Any) -> SemanticCorrelationMatching:
        """Learns directions, then classes; see the two."""
        self._fit_views(X, y, dtype=np.float64)
        self.correlation_ = CorrelationMatching(self.n_components, self.ridge, self.views).fit(X)
        widths = [self.n_components] * len(self.views_)
        self.semantic_ = SemanticMatching(self.C, widths).fit(self.correlation_.project(X), y)
        self.classes_ = self.semantic_.classes_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Centred probabilities, `(rows, views * classes)`; each view's part of length 1."""
        check_is_fitted(self)
        self._views_of(X)
        return self.semantic_.transform(self.correlation_.project(X))

    def _width(self) -> int:
        return len(self.classes_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric matrix, its inverse square root; directions without variance become 0."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-10 * values[-1]
    return vectors[:, kept] / np.sqrt(values[kept]) @ vectors[:, kept].T


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
