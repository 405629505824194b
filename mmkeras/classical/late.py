"""Late fusion: one model per view, of any kind, whose answers are combined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone, is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.views import Views, ViewsMixin
from mmkeras.training.ensemble import LateEnsemble

# One scikit-learn estimator for all views, or one for each view by name.
Estimators = Any | Mapping[str, Any]
ClassRule = Literal["mean", "product", "weights", "vote"]
NumberRule = Literal["mean", "weights"]

_SMALLEST = 1e-12


class OneModelPerView(ViewsMixin, BaseEstimator):
    """What late fusion and stacking share: a model for each view, and its predictions.

    Attributes:
        models_: Each view's fitted model, by name.
    """

    accepts_sparse = True

    def _fit_models(self, views: list[Any], y: np.ndarray) -> None:
        self.models_ = {
            view: model.fit(x, y)
            for (view, model), x in zip(self._unfitted(views).items(), views, strict=True)
        }

    def _unfitted(self, views: list[Any]) -> dict[str, Any]:
        """Each view's model, not fitted."""
        given = self.estimator
        if given is None:
            # The mean of a sparse view stays: without it the view would be sparse no more.
            scaler = StandardScaler(with_mean=not scipy.sparse.issparse(views[0]))
            model = LogisticRegression(max_iter=1000) if is_classifier(self) else Ridge()
            given = make_pipeline(scaler, model)
        if not isinstance(given, Mapping):
            return {view: clone(given) for view in self.views_}
        if set(given) != set(self.views_):
            raise ValueError(
                f"`estimator` by view has one for each view, {list(self.views_)}. Received: "
                f"{sorted(given)}."
            )
        return {view: clone(given[view]) for view in self.views_}

    def _out_of_fold(self, views: list[Any], y: np.ndarray) -> list[np.ndarray]:
        """Each view's predictions for the training rows, by models that did not see them."""
        return [
            cross_val_predict(model, x, y, cv=self.cv, method=_method(self, model))
            for model, x in zip(self._unfitted(views).values(), views, strict=True)
        ]

    def _predictions(self, X: Any) -> list[np.ndarray]:
        check_is_fitted(self)
        return [
            getattr(model, _method(self, model))(x)
            for model, x in zip(self.models_.values(), self._views_of(X), strict=True)
        ]

    def _check_classes(self, y: np.ndarray) -> np.ndarray:
        """Sets `classes_`, and returns each row's class as a number."""
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("There must be at least two classes. Received: one class.")
        return numbers


class LateFusionClassifier(ClassifierMixin, OneModelPerView):
    """A classifier for each view; their probabilities are combined.

    With `p_v` the probabilities of view v of V, and `prior` the classes' shares of training rows:

        mean:      p = 1/V sum_v p_v
        product:   p ~ prior^(1 - V) prod_v p_v
        weights:   p = sum_v w_v p_v,    w_v >= 0, sum_v w_v = 1
        vote:      the class of most views; of equally many, that with the larger mean

    The product is right if views are independent given the class, and if the classifiers were
    fitted to classes as frequent as they are: each `p_v` has the prior in it, which counts once.
    `weights` has the least log loss on out-of-fold predictions of the training rows. Forests and
    gradient boosting on several views are `LateFusionClassifier(RandomForestClassifier())`; side by
    side they are scikit-learn's own on the whole `X`.

    Args:
        estimator: Any classifier with `predict_proba`, or one for each view by name; by default a
            logistic regression on standardised features.
        rule: How probabilities are combined.
        cv: Folds for `weights`, as in `cross_val_predict`.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        models_: Each view's fitted model, by name.
        weights_: With `rule="weights"`: each view's weight, by name.
        classes_, views_: Class names; the views' names and columns.

    Example:

    >>> from sklearn.naive_bayes import GaussianNB
    >>> X = np.array([[0.0, 5.0], [1.0, 3.0], [0.2, 4.9], [0.9, 3.1]])
    >>> late = LateFusionClassifier(GaussianNB(), rule="product", views={"sound": 0, "word": 1})
    >>> late.fit(X, ["cat", "dog", "cat", "dog"]).predict([[0.1, 4.8]])
    array(['cat'], dtype='<U3')

    References:
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (equation 7, the product;
          equation 20, the vote)
    """

    def __init__(
        self,
        estimator: Estimators = None,
        *,
        rule: ClassRule = "mean",
        cv: Any = 5,
        views: Views = None,
    ):
        self.estimator = estimator
        self.rule = rule
        self.cv = cv
        self.views = views

    def fit(self, X: Any, y: Any) -> LateFusionClassifier:
        """Learns from `X`, `(rows, features)`, and one class per row.

        Raises:
            ValueError: There is one class, a classifier without probabilities, or no such rule.
        """
        if self.rule not in get_args(ClassRule):
            raise ValueError(f"`rule` is one of {get_args(ClassRule)}. Received: {self.rule!r}.")
        views, y = self._fit_views(X, y)
        numbers = self._check_classes(y)
        for view, model in self._unfitted(views).items():
            if not hasattr(model, "predict_proba"):
                raise ValueError(
                    f"Late fusion combines probabilities, and {model!r}, for the view {view!r}, "
                    "has none. `CalibratedClassifierCV` around it gives it some; "
                    "`StackingViewsClassifier` needs none."
                )
        self.prior_ = np.bincount(numbers) / len(numbers)
        self._rule = LateEnsemble("mean" if self.rule == "product" else self.rule)
        if self.rule == "weights":
            self._rule.fit(self._out_of_fold(views, y), numbers)
            self.weights_ = dict(zip(self.views_, self._rule.weights_.tolist(), strict=True))
        self._fit_models(views, y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The combined probabilities, `(rows, classes)`."""
        predictions = self._predictions(X)
        if self.rule != "product":
            return self._rule.predict_proba(predictions)
        logs = sum(np.log(np.maximum(p, _SMALLEST)) for p in predictions)
        return normalised(logs - (len(predictions) - 1) * np.log(self.prior_))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class, `(rows,)`."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


class LateFusionRegressor(RegressorMixin, OneModelPerView):
    """A regressor for each view; their numbers are averaged.

    With `f_v` the prediction of view v of V:

        mean:      f = 1/V sum_v f_v
        weights:   f = sum_v w_v f_v,    w_v >= 0, sum_v w_v = 1

    `weights` has the least squared error on out-of-fold predictions of the training rows.

    Args:
        estimator: Any regressor, or one for each view by name; by default ridge regression on
            features of variance 1.
        rule: `"mean"` or `"weights"`.
        cv: Folds for `weights`, as in `cross_val_predict`.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        models_: Each view's fitted model, by name.
        weights_: With `rule="weights"`: each view's weight, by name.
        views_: The views' names and columns.

    Example:

    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> late = LateFusionRegressor(rule="weights", views=[2, 2]).fit(X, X[:, 0] - X[:, 1])
    >>> {view: round(weight, 2) for view, weight in late.weights_.items()}
    {'view_0': 1.0, 'view_1': 0.0}

    References:
        - [Breiman, 1996](https://doi.org/10.1007/BF00117832) (section 2, stacked regressions)
    """

    def __init__(
        self,
        estimator: Estimators = None,
        *,
        rule: NumberRule = "mean",
        cv: Any = 5,
        views: Views = None,
    ):
        self.estimator = estimator
        self.rule = rule
        self.cv = cv
        self.views = views

    def fit(self, X: Any, y: Any) -> LateFusionRegressor:
        """Learns from `X`, `(rows, features)`, and one number per row."""
        if self.rule not in get_args(NumberRule):
            raise ValueError(f"`rule` is one of {get_args(NumberRule)}. Received: {self.rule!r}.")
        views, y = self._fit_views(X, y, y_numeric=True)
        weights = np.full(len(views), 1 / len(views))
        if self.rule == "weights":
            weights = _best_weights(np.stack(self._out_of_fold(views, y), axis=1), y)
            self.weights_ = dict(zip(self.views_, weights.tolist(), strict=True))
        self._weights = weights
        self._fit_models(views, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """A number per row, `(rows,)`."""
        return np.stack(self._predictions(X), axis=1) @ self._weights


def normalised(logs: np.ndarray) -> np.ndarray:
    """Probabilities from their logarithms, `(rows, classes)`, up to a constant per row."""
    probabilities = np.exp(logs - logs.max(axis=1, keepdims=True))
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def _method(fused: Any, model: Any) -> str:
    """What a model is asked for."""
    if not is_classifier(fused):
        return "predict"
    return "predict_proba" if hasattr(model, "predict_proba") else "decision_function"


def _best_weights(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights of the least squared error; their sum is one more equation, of great weight."""
    unit = max(float(np.abs(predictions).max()), float(np.abs(y).max())) or 1.0
    great = 1e4 * np.sqrt(len(y))
    weights, _ = nnls(
        np.vstack([predictions / unit, np.full(predictions.shape[1], great)]),
        np.append(y / unit, great),
    )
    return weights / weights.sum()
