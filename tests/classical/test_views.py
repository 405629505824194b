"""Which columns are which view."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from mmkeras.classical.views import ViewsMixin, resolve_views, split_views

NAMES = ["image__red", "text__cat", "image__blue", "text__dog"]


class Means(ViewsMixin, TransformerMixin, BaseEstimator):
    """Learns each view's mean."""

    accepts_sparse = True

    def __init__(self, views=None):
        self.views = views

    def fit(self, X, y=None):
        self.means_ = [float(view.mean()) for view in self._fit_views(X)]
        return self

    def transform(self, X):
        return np.stack([np.asarray(v.sum(axis=1)).ravel() for v in self._views_of(X)], axis=1)


def as_lists(resolved):
    return {view: columns.tolist() for view, columns in resolved.items()}


@pytest.mark.parametrize(
    "views, expected",
    [
        (None, {"view_0": [0, 1, 2, 3]}),
        ([1, 3], {"view_0": [0], "view_1": [1, 2, 3]}),
        ([np.int64(2), 2], {"view_0": [0, 1], "view_1": [2, 3]}),
        ([slice(2), [3]], {"view_0": [0, 1], "view_1": [3]}),
        ([slice(1, None)], {"view_0": [1, 2, 3]}),
        ({"a": slice(0, 4, 2), "b": [-1, 1]}, {"a": [0, 2], "b": [3, 1]}),
        ({"a": 2, "b": "text__dog"}, {"a": [2], "b": [3]}),
        ({"a": ["image__red", "image__blue"]}, {"a": [0, 2]}),
        ("names", {"image": [0, 2], "text": [1, 3]}),
    ],
)
def test_views_are_columns(views, expected):
    assert as_lists(resolve_views(views, 4, NAMES)) == expected


@pytest.mark.parametrize(
    "views, names, message",
    [
        ([1, 2], None, r"sum to the number of columns, 4. Received: \[1, 2\], which sum to 3"),
        ([5, -1], None, "positive"),
        ({"a": [0, 1], "b": [1]}, None, "Column 1 is in 'a' and in 'b'"),
        ({"a": [0, 0]}, None, "Column 0 is in 'a' and in 'a'"),
        ({"a": [4]}, None, "a column 4, and X has 4 columns"),
        ({"a": []}, None, "'a' has no columns"),
        ({"a": slice(4, 9)}, None, "'a' has no columns"),
        ({"a": "red"}, None, "no names"),
        ({"a": ["red"]}, NAMES, "has a column 'red', and X has no such column"),
        ([], None, "names no view"),
        ("names", None, "columns without names"),
        ("names", ["a__b", "c", "d__e", "f__g"], "the column 'c'"),
        ("prefix", NAMES, "Received: 'prefix'"),
    ],
)
def test_views_that_make_no_sense_are_refused(views, names, message):
    with pytest.raises(ValueError, match=message):
        resolve_views(views, 4, names)


@pytest.mark.parametrize("form", ["array", "frame", "sparse"])
def test_an_estimator_of_views_takes_arrays_frames_and_sparse_matrices(form):
    values = np.arange(12.0).reshape(3, 4)
    X = {
        "array": values,
        "frame": pd.DataFrame(values, columns=NAMES),
        "sparse": scipy.sparse.csr_array(values),
    }[form]
    views = "names" if form == "frame" else {"image": [0, 2], "text": [1, 3]}
    means = clone(Means(views)).fit(X)
    np.testing.assert_allclose(means.means_, [5, 6])
    assert list(means.views_) == ["image", "text"]
    np.testing.assert_array_equal(means.transform(X), [[2, 4], [10, 12], [18, 20]])


def test_a_matrix_is_taken_apart():
    parts = split_views(np.arange(8).reshape(2, 4), {"a": [3, 0], "b": slice(1, 3)})
    np.testing.assert_array_equal(parts["a"], [[3, 0], [7, 4]])
    np.testing.assert_array_equal(parts["b"], [[1, 2], [5, 6]])


@parametrize_with_checks([Means()])
def test_what_estimators_share_is_what_scikit_learn_expects(estimator, check):
    check(estimator)
