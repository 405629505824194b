"""Cross-modal retrieval with linear models: correlation, semantics, and both.

Each maps two or more modalities' feature vectors into one space, where the dot product of two
vectors is their similarity (`mmkeras.evaluation.retrieval` judges it).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted


class CorrelationMatching(BaseEstimator):
    """Canonical correlation analysis: the directions in which two modalities agree most.

    The directions `w_k`, `v_k` maximise the correlation of `X w_k` with `Y v_k`, each uncorrelated
    with the ones before. They are the singular vectors of the whitened covariance

        (S_xx + r I)^(-1/2) S_xy (S_yy + r I)^(-1/2),

    S being covariances of the standardised features and r the ridge, without which 128 noisy
    features fit the training rows too well. Needs no labels.

    Args:
        n_components: How many directions; at most as many as the smaller modality has features.
        ridge: r, in units of a feature's variance.

    Attributes:
        correlations_: `(n_components,)`, of the training rows; with a ridge, somewhat below.

    Example:

    >>> random = np.random.default_rng(0)
    >>> common = random.normal(size=(50, 1))
    >>> views = [common + random.normal(size=(50, 3)), common + random.normal(size=(50, 4))]
    >>> left, right = CorrelationMatching(2).fit(views).transform(views)
    >>> left.shape, right.shape
    ((50, 2), (50, 2))

    References:
        - [Hotelling, 1936](https://doi.org/10.1093/biomet/28.3-4.321) (CCA)
        - [Vinod, 1976](https://doi.org/10.1016/0304-4076(76)90010-5) (the ridge)
        - [Rasiwasia et al., 2010](https://doi.org/10.1145/1873951.1873987) (for retrieval)
    """

    def __init__(self, n_components: int = 7, ridge: float = 1.0):
        self.n_components = n_components
        self.ridge = ridge

    def fit(self, views: Sequence[np.ndarray], labels: np.ndarray | None = None):
        """Learns the directions from two arrays `(rows, features)`; `labels` are not used."""
        views = _checked(views)
        if len(views) != 2:
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
        x, y = (scaler.transform(view) for scaler, view in zip(self.scalers_, views, strict=True))
        whiten = [_inverse_root(v.T @ v / len(v) + self.ridge * np.eye(v.shape[1])) for v in (x, y)]
        left, correlations, right = np.linalg.svd(whiten[0] @ (x.T @ y / len(x)) @ whiten[1])
        kept = slice(self.n_components)
        self.correlations_ = correlations[kept]
        self.directions_ = [whiten[0] @ left[:, kept], whiten[1] @ right[kept].T]
        return self

    def project(self, views: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The canonical variates, `(rows, n_components)` for each view."""
        check_is_fitted(self)
        return [
            scaler.transform(view) @ directions
            for scaler, view, directions in zip(
                self.scalers_, _checked(views), self.directions_, strict=True
            )
        ]

    def transform(self, views: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same, each row of length 1."""
        return [_unit(view) for view in self.project(views)]


class SemanticMatching(BaseEstimator):
    """Each modality's probabilities of the classes, compared as they are.

    A logistic regression a modality says how probable each class is. Two vectors of probabilities
    are compared by their correlation, i.e. the cosine after the mean, 1 / classes, is taken off.

    Args:
        C: The logistic regressions' inverse regularisation.

    Attributes:
        classes_: The class names, in the order of the probabilities.

    Example:

    >>> views = [np.array([[0.0], [1.0], [0.2], [0.9]]), np.array([[5.0], [3.0], [4.9], [3.1]])]
    >>> matching = SemanticMatching(C=10.0).fit(views, ["cat", "dog", "cat", "dog"])
    >>> left, right = matching.transform(views)
    >>> np.argmax(left @ right.T > 0, axis=1)
    array([0, 1, 0, 1])

    References:
        - [Rasiwasia et al., 2010](https://doi.org/10.1145/1873951.1873987)
    """

    def __init__(self, C: float = 0.01):
        self.C = C

    def fit(self, views: Sequence[np.ndarray], labels: Sequence):
        """Learns the classes from two or more arrays `(rows, features)` and one label per row."""
        views = _checked(views)
        if len(labels) != len(views[0]):
            raise ValueError(
                f"`labels` has a class for each row. Received: {len(labels)} for {len(views[0])} "
                "rows."
            )
        self.models_: list[Pipeline] = [
            make_pipeline(StandardScaler(), LogisticRegression(C=self.C, max_iter=1000)).fit(
                view, labels
            )
            for view in views
        ]
        self.classes_ = self.models_[0].classes_
        return self

    def transform(self, views: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Centred probabilities of length 1, `(rows, classes)` for each view."""
        check_is_fitted(self)
        return [
            _unit(model.predict_proba(view) - 1 / len(self.classes_))
            for model, view in zip(self.models_, _checked(views), strict=True)
        ]


class SemanticCorrelationMatching(BaseEstimator):
    """`SemanticMatching` on the canonical variates of `CorrelationMatching`.

    Args:
        n_components: How many directions.
        ridge: Of the correlation analysis.
        C: The logistic regressions' inverse regularisation.

    References:
        - [Rasiwasia et al., 2010](https://doi.org/10.1145/1873951.1873987)
    """

    def __init__(self, n_components: int = 7, ridge: float = 1.0, C: float = 1.0):
        self.n_components = n_components
        self.ridge = ridge
        self.C = C

    def fit(self, views: Sequence[np.ndarray], labels: Sequence):
        """Learns directions, then classes; see the two."""
        self.correlation_ = CorrelationMatching(self.n_components, self.ridge).fit(views)
        self.semantic_ = SemanticMatching(self.C).fit(self.correlation_.project(views), labels)
        return self

    def transform(self, views: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Centred probabilities of length 1, `(rows, classes)` for each view."""
        check_is_fitted(self)
        return self.semantic_.transform(self.correlation_.project(views))


def _checked(views: Sequence[np.ndarray]) -> list[np.ndarray]:
    views = [np.asarray(view, np.float64) for view in views]
    shapes = [view.shape for view in views]
    if len(views) < 2 or any(len(s) != 2 for s in shapes) or len({s[0] for s in shapes}) > 1:
        raise ValueError(
            "`views` is a list of two or more arrays (rows, features) of the same rows. Received: "
            f"shapes {shapes}."
        )
    return views


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric matrix, its inverse square root; directions without variance become 0."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-10 * values[-1]
    return vectors[:, kept] / np.sqrt(values[kept]) @ vectors[:, kept].T


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
