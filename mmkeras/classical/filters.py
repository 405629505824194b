"""Feature filtering by view: keep what varies, or what says something about the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.views import Views, ViewsMixin
from mmkeras.data.filters import select_features


class ViewFilter(SelectorMixin, ViewsMixin, BaseEstimator):
    """Keeps some features of each view, chosen on the training rows.

    Args:
        method: `"variance"`, `"mutual_information"`, `"mrmr"` or `"l1"`; see
            `mmkeras.data.filters.select_features`.
        keep: Of each view, how many features (from 1 on), or which share (below 1).
        views: Which columns are which view; see `resolve_views`.

    Attributes:
        kept_: By view, the positions in `X` of the features that are kept.
        views_: The views' names and columns.

    Example:

    >>> X = np.array([[0.0, 5.0, 1.0, 7.0], [0.1, 1.0, 1.0, 7.0], [1.0, 4.0, 2.0, 7.0]])
    >>> selected = ViewFilter("variance", keep=1, views=[2, 2]).fit(X)
    >>> selected.kept_, selected.transform(X).shape
    ({'view_0': array([1]), 'view_1': array([2])}, (3, 2))
    """

    accepts_sparse = True

    def __init__(
        self, method: str = "mutual_information", keep: float = 0.5, *, views: Views = None
    ):
        self.method = method
        self.keep = keep
        self.views = views

    def fit(self, X: Any, y: Any = None) -> ViewFilter:
        """Chooses features of `X`, `(rows, features)`, by classes, labels or numbers `y`."""
        needs = self.method != "variance"
        checks = {"multi_output": True} if y is not None and needs else {}
        found = self._fit_views(X, y if needs else None, **checks)
        views, y = found if needs and y is not None else (found, None)
        targets, classes = (None, True) if y is None else as_targets(y)
        self.kept_ = {}
        for (name, columns), view in zip(self.views_.items(), views, strict=True):
            places = select_features(view, targets, self.method, self.keep, classes)
            self.kept_[name] = columns[places]
        return self

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        mask = np.zeros(self.n_features_in_, bool)
        for places in self.kept_.values():
            mask[places] = True
        return mask

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.method != "variance"
        tags.target_tags.multi_output = True
        return tags


def as_targets(y: Any) -> tuple[np.ndarray, bool]:
    """What a target column or matrix is to filters: `(rows, outputs)`, and whether classes."""
    y = np.asarray(y)
    if type_of_target(y).startswith("continuous"):
        return y.reshape(len(y), -1).astype(np.float64), False
    if y.ndim == 2 and y.shape[1] > 1:
        return y.astype(np.float64), True
    binary = LabelBinarizer().fit_transform(y.ravel()).astype(np.float64)
    one_column = binary.shape[1] == 1
    return (np.hstack([1 - binary, binary]) if one_column else binary), True
