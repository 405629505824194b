"""Stacking: a model per view, and one that learns from what they predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.utils.metaestimators import available_if

from mmkeras.classical.late import Estimators, OneModelPerView
from mmkeras.classical.views import Views


def _has_probabilities(stacking: Any) -> bool:
    return stacking.final_estimator is None or hasattr(stacking.final_estimator, "predict_proba")


class StackingViewsClassifier(ClassifierMixin, OneModelPerView):
    """A classifier for each view, and one that learns from their out-of-fold predictions.

    What is learnt from are predictions for rows that a view's classifier did not see, one fold at a
    time; in the end the views' classifiers are fitted on all rows. The last classifier can learn
    that a view is right about some classes only, which the weights of late fusion cannot.

    Args:
        estimator: Any classifier, or one for each view by name; by default a logistic regression on
            standardised features. Without `predict_proba` its `decision_function` is used.
        final_estimator: The one that learns from them; by default a logistic regression.
        cv: Folds, as in `cross_val_predict`.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        models_: Each view's fitted model, by name.
        final_estimator_: The fitted last one.
        classes_, views_: Class names; the views' names and columns.

    Example:

    >>> from sklearn.datasets import load_wine
    >>> from sklearn.svm import SVC
    >>> X, y = load_wine(return_X_y=True)
    >>> stack = StackingViewsClassifier(views={"acids": slice(0, 5), "rest": slice(5, 13)})
    >>> stack.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.95
    True

    References:
        - [Wolpert, 1992](https://doi.org/10.1016/S0893-6080(05)80023-1)
    """

    def __init__(
        self,
        estimator: Estimators = None,
        final_estimator: Any = None,
        *,
        cv: Any = 5,
        views: Views = None,
    ):
        self.estimator = estimator
        self.final_estimator = final_estimator
        self.cv = cv
        self.views = views

    def fit(self, X: Any, y: Any) -> StackingViewsClassifier:
        """Learns from `X`, `(rows, features)`, and one class per row."""
        views, y = self._fit_views(X, y)
        self._check_classes(y)
        last = self.final_estimator
        last = LogisticRegression(max_iter=1000) if last is None else clone(last)
        self.final_estimator_ = last.fit(_side_by_side(self._out_of_fold(views, y)), y)
        self._fit_models(views, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The class that the last classifier decides for, `(rows,)`."""
        predictions = _side_by_side(self._predictions(X))
        return self.final_estimator_.predict(predictions)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """The last classifier's probabilities, `(rows, classes)`, if it has any."""
        predictions = _side_by_side(self._predictions(X))
        return self.final_estimator_.predict_proba(predictions)


class StackingViewsRegressor(RegressorMixin, OneModelPerView):
    """A regressor for each view, and one that learns from their out-of-fold predictions.

    Args:
        estimator: Any regressor, or one for each view by name; by default ridge regression on
            standardised features.
        final_estimator: The one that learns from them; by default `RidgeCV`.
        cv: Folds, as in `cross_val_predict`.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        models_: Each view's fitted model, by name.
        final_estimator_: The fitted last one.
        views_: The views' names and columns.

    References:
        - [Wolpert, 1992](https://doi.org/10.1016/S0893-6080(05)80023-1)
        - [Breiman, 1996](https://doi.org/10.1007/BF00117832)
    """

    def __init__(
        self,
        estimator: Estimators = None,
        final_estimator: Any = None,
        *,
        cv: Any = 5,
        views: Views = None,
    ):
        self.estimator = estimator
        self.final_estimator = final_estimator
        self.cv = cv
        self.views = views

    def fit(self, X: Any, y: Any) -> StackingViewsRegressor:
        """Learns from `X`, `(rows, features)`, and one number per row."""
        views, y = self._fit_views(X, y, y_numeric=True)
        last = RidgeCV() if self.final_estimator is None else clone(self.final_estimator)
        self.final_estimator_ = last.fit(_side_by_side(self._out_of_fold(views, y)), y)
        self._fit_models(views, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """A number per row, `(rows,)`."""
        predictions = _side_by_side(self._predictions(X))
        return self.final_estimator_.predict(predictions)


def _side_by_side(predictions: list[np.ndarray]) -> np.ndarray:
    return np.hstack([p.reshape(len(p), -1) for p in predictions])
