"""The models that classical experiments try: one matrix in, classes or numbers out.

Every one has a few settings to choose from, the first of them the usual one. Views that they get
are scaled to a total variance of about 1, so that the settings suit any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, SVR

from mmkeras.classical import (
    MultipleKernelClassifier,
    MultipleKernelRegressor,
    MultiviewNaiveBayes,
)

_WIDE = 200  # features; wider matrices are reduced for methods that look at each by itself


@dataclass(frozen=True)
class Method:
    """A kind of model.

    Args:
        words: What it is called in tables.
        classifier: From a setting and a seed to an estimator of classes.
        regressor: The same of numbers; `None` where there is none.
        settings: What to choose from, inside the training rows.
        most_rows: With more training rows it takes too long.
        several: Whether it tells views apart: its estimator has an argument `views`, and it is for
            several of them.
    """

    words: str
    classifier: Callable[[Any, int], BaseEstimator]
    regressor: Callable[[Any, int], BaseEstimator] | None
    settings: tuple[Any, ...]
    most_rows: int = 1_000_000
    several: bool = False

    def estimator(self, classes: bool) -> Callable[[Any, int], BaseEstimator] | None:
        return self.classifier if classes else self.regressor


class RadialMachine(BaseEstimator):
    """A support vector machine with the radial kernel exp(-|x - z|² / v), v the total variance.

    The kernel is computed by matrix products, which is many times as fast as scikit-learn's own
    on matrices of many columns.

    Args:
        machine: An `SVC` or `SVR`.
    """

    def __init__(self, machine: SVC | SVR):
        self.machine = machine

    def fit(self, X: Any, y: np.ndarray) -> RadialMachine:
        self.gamma_ = 1 / max(total_variance(X), 1e-12)
        self.rows_ = X
        self.machine_ = type(self.machine)(**{**self.machine.get_params(), "kernel": "precomputed"})
        self.machine_.fit(rbf_kernel(X, gamma=self.gamma_), y)
        if hasattr(self.machine_, "classes_"):
            self.classes_ = self.machine_.classes_
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self.machine_.predict(rbf_kernel(X, self.rows_, gamma=self.gamma_))

    def decision_function(self, X: Any) -> np.ndarray:
        return self.machine_.decision_function(rbf_kernel(X, self.rows_, gamma=self.gamma_))

    def __sklearn_tags__(self):
        # What it is, its machine is: a classifier or a regressor.
        return self.machine.__sklearn_tags__()


class Narrow(TransformerMixin, BaseEstimator):
    """A dense matrix of at most 200 columns; wider ones by their first singular directions."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Narrow:
        self.directions_ = None
        if X.shape[1] > _WIDE:
            most = min(_WIDE // 2, X.shape[0] - 1, X.shape[1] - 1)
            self.directions_ = TruncatedSVD(most, random_state=self.seed).fit(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        if self.directions_ is not None:
            return self.directions_.transform(X)
        return X.toarray() if sparse.issparse(X) else X


class NaiveBayes(BaseEstimator):
    """Multinomial where all features are counts or shares of words (sparse), otherwise Gaussian.

    Args:
        smoothing: Of both, as a share: of a variance, or ten times it as a count.
    """

    def __init__(self, smoothing: float = 0.1):
        self.smoothing = smoothing

    def fit(self, X: Any, y: np.ndarray) -> NaiveBayes:
        words = sparse.issparse(X) and (X.nnz == 0 or X.data.min() >= 0)
        model = MultinomialNB(alpha=10 * self.smoothing) if words else self._gaussian()
        self.model_ = model.fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def _gaussian(self) -> BaseEstimator:
        return make_pipeline(Narrow(), GaussianNB(var_smoothing=self.smoothing))

    def predict(self, X: Any) -> np.ndarray:
        return self.model_.predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.model_.predict_proba(X)

    def __sklearn_tags__(self):
        return GaussianNB().__sklearn_tags__()


def total_variance(X: Any) -> float:
    """The sum of the columns' variances.

    >>> total_variance(np.array([[0.0, 0.0], [2.0, 4.0]]))
    5.0
    """
    if not sparse.issparse(X):
        return float(np.asarray(X).var(axis=0).sum())
    mean = np.asarray(X.mean(axis=0)).ravel()
    return float(X.multiply(X).sum() / X.shape[0] - mean @ mean)


def _boosted(model: Any, seed: int) -> BaseEstimator:
    # Early stopping would hold rows back that belong to a group of others.
    options = {"max_iter": 100, "max_leaf_nodes": 15, "max_features": 0.3, "early_stopping": False}
    return make_pipeline(Narrow(seed), model(random_state=seed, **options))


METHODS: dict[str, Method] = {
    "linear": Method(
        "logistic regression or ridge",
        lambda C, seed: LogisticRegression(C=C, max_iter=200, tol=1e-3),
        lambda C, seed: Ridge(alpha=1 / C),
        (10.0, 1.0, 100.0),
    ),
    "svm": Method(
        "support vector machine",
        lambda C, seed: RadialMachine(SVC(C=C)),
        lambda C, seed: RadialMachine(SVR(C=C, epsilon=0.1)),
        (3.0, 30.0),
        most_rows=5_000,
    ),
    "naive_bayes": Method(
        "naive Bayes", lambda smoothing, seed: NaiveBayes(smoothing), None, (0.1, 0.01, 1.0)
    ),
    "forest": Method(
        "random forest",
        lambda least, seed: RandomForestClassifier(
            200, min_samples_leaf=least, n_jobs=-1, random_state=seed
        ),
        lambda least, seed: RandomForestRegressor(
            200, min_samples_leaf=least, max_features=0.33, n_jobs=-1, random_state=seed
        ),
        (1,),
        most_rows=50_000,
    ),
    "boosting": Method(
        "gradient boosting",
        lambda rate, seed: _boosted(HistGradientBoostingClassifier, seed).set_params(
            histgradientboostingclassifier__learning_rate=rate
        ),
        lambda rate, seed: _boosted(HistGradientBoostingRegressor, seed).set_params(
            histgradientboostingregressor__learning_rate=rate
        ),
        (0.1,),
        most_rows=50_000,
    ),
    "kernels": Method(
        "multiple kernels",
        lambda C, seed: MultipleKernelClassifier(weights="alignment", C=C, random_state=seed),
        lambda C, seed: MultipleKernelRegressor(weights="alignment", C=C, random_state=seed),
        (3.0, 30.0),
        most_rows=5_000,
        several=True,
    ),
    "views_bayes": Method(
        "naive Bayes by view",
        lambda smoothing, seed: MultiviewNaiveBayes(alpha=smoothing, var_smoothing=0.1 * smoothing),
        None,
        (0.1, 1.0),
        several=True,
    ),
}
