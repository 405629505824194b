"""Naive Bayes over several views, each with a distribution of its own kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.utils.multiclass import check_classification_targets

from mmkeras.classical.late import normalised
from mmkeras.classical.views import Views, ViewsMixin

# A view's distribution, from the smoothing of counts and of variances.
DISTRIBUTIONS: dict[str, Callable[[float, float], Any]] = {
    "gaussian": lambda alpha, smoothing: GaussianNB(var_smoothing=smoothing),
    "multinomial": lambda alpha, smoothing: MultinomialNB(alpha=alpha),
    "bernoulli": lambda alpha, smoothing: BernoulliNB(alpha=alpha, binarize=0.5),
}


class MultiviewNaiveBayes(ClassifierMixin, ViewsMixin, BaseEstimator):
    """Naive Bayes whose views have distributions of their own kinds; the prior counts once.

        p(c | x) ~ prior(c) prod_v p_v(x_v | c)

    Within a view too, features are independent given the class. `p_v` is

    - `"gaussian"`: a normal distribution for each feature,
    - `"multinomial"`: counts, such as of words; also words' weights by TF-IDF,
    - `"bernoulli"`: features that are 0 or 1,
    - `"auto"`: Bernoulli if all are 0 or 1; multinomial if none is negative and all are whole
      numbers, or most are 0; normal otherwise.

    Args:
        distribution: One for all views, or one for each view by name.
        alpha: Smoothing of multinomial and Bernoulli counts.
        var_smoothing: Added to normal variances, as a share of the largest.
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        distributions_: The kind of each view's distribution, by name.
        models_: scikit-learn's model of each view, by name.
        class_prior_: The classes' shares of the training rows.
        classes_, views_: Class names; the views' names and columns.

    Example:

    >>> X = np.array([[0.5, 3, 0], [0.6, 2, 1], [2.1, 0, 4], [2.2, 1, 5]])
    >>> bayes = MultiviewNaiveBayes(views={"size": 0, "words": [1, 2]})
    >>> bayes.fit(X, ["cat", "cat", "dog", "dog"]).distributions_
    {'size': 'gaussian', 'words': 'multinomial'}

    References:
        - [Manning et al., 2008](https://nlp.stanford.edu/IR-book/) (section 13.2, equation 115, the
          multinomial; section 13.3, the Bernoulli model)
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (equation 7, the product)
    """

    accepts_sparse = True

    def __init__(
        self,
        distribution: str | Mapping[str, str] = "auto",
        *,
        alpha: float = 1.0,
        var_smoothing: float = 1e-9,
        views: Views = None,
    ):
        self.distribution = distribution
        self.alpha = alpha
        self.var_smoothing = var_smoothing
        self.views = views

    def fit(self, X: Any, y: Any) -> MultiviewNaiveBayes:
        """Learns from `X`, `(rows, features)`, and one class per row.

        Raises:
            ValueError: There is no such distribution or view, or it cannot have such features.
        """
        views, y = self._fit_views(X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        self.class_prior_ = np.bincount(numbers) / len(numbers)
        self.distributions_, self.models_ = {}, {}
        for (view, kind), x in zip(self._chosen().items(), views, strict=True):
            kind = _fitting_distribution(x) if kind == "auto" else kind
            if kind == "bernoulli" and not _all_of(x, lambda values: np.isin(values, (0, 1))):
                raise ValueError(
                    f"A Bernoulli distribution is of features that are 0 or 1. The view {view!r} "
                    "has others."
                )
            self.distributions_[view] = kind
            model = DISTRIBUTIONS[kind](self.alpha, self.var_smoothing)
            self.models_[view] = model.fit(_as_taken(x, kind), y)
        return self

    def _chosen(self) -> dict[str, str]:
        given = self.distribution
        if isinstance(given, Mapping) and set(given) != set(self.views_):
            raise ValueError(
                f"`distribution` by view names each view, {list(self.views_)}. Received: "
                f"{sorted(given)}."
            )
        chosen = {v: given[v] if isinstance(given, Mapping) else given for v in self.views_}
        for view, kind in chosen.items():
            if kind != "auto" and kind not in DISTRIBUTIONS:
                raise ValueError(
                    f"`distribution` is 'auto' or one of {sorted(DISTRIBUTIONS)}. Received: "
                    f"{kind!r} for the view {view!r}."
                )
        return chosen

    def predict_joint_log_proba(self, X: Any) -> np.ndarray:
        """`log prior(c) + sum_v log p_v(x_v | c)`, `(rows, classes)`, up to a constant per row."""
        views = self._views_of(X)
        log_prior = np.log(self.class_prior_)
        joint = np.tile(log_prior, (views[0].shape[0], 1))
        for (view, model), x in zip(self.models_.items(), views, strict=True):
            joint += model.predict_joint_log_proba(_as_taken(x, self.distributions_[view]))
            joint -= log_prior
        return joint

    def predict_proba(self, X: Any) -> np.ndarray:
        """Each class's probability, `(rows, classes)`."""
        return normalised(self.predict_joint_log_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class, `(rows,)`."""
        joint = self.predict_joint_log_proba(X)
        return self.classes_[joint.argmax(axis=1)]


def _fitting_distribution(x: Any) -> str:
    if _all_of(x, lambda values: np.isin(values, (0, 1))):
        return "bernoulli"
    if not _all_of(x, lambda values: values >= 0):
        return "gaussian"
    zeros = 1 - (x.count_nonzero() if scipy.sparse.issparse(x) else np.count_nonzero(x)) / np.prod(
        x.shape
    )
    counts = zeros > 0.5 or _all_of(x, lambda values: values == np.floor(values))
    return "multinomial" if counts else "gaussian"


def _all_of(x: Any, holds: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether something holds for all values; zeros that are not stored satisfy all we ask."""
    return bool(np.all(holds(x.data if scipy.sparse.issparse(x) else x)))


def _as_taken(x: Any, kind: str) -> Any:
    """Normal distributions take no sparse matrices."""
    return x.toarray() if kind == "gaussian" and scipy.sparse.issparse(x) else x
