"""Feature filters against cases worked by hand, and against scikit-learn."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import mutual_info_score

from mmkeras.data.filters import FILTERS, _information, select_features


@pytest.fixture(scope="module")
def rows():
    """The class is the sign of the sum of features 0 and 2; 1 repeats 0; the rest is noise."""
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 400))
    again = one + random.normal(0, 0.01, 400)
    noise = 5 * random.normal(size=(400, 5))
    targets = np.eye(2)[(one + other > 0).astype(int)]
    return np.column_stack([one, again, other, noise]), targets


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        ("variance", {3, 4, 5, 6, 7}),
        ("mutual_information", {0, 1, 2}),
        ("mrmr", {0, 1, 2}),
        ("l1", {0, 1, 2}),
    ],
)
def test_each_filter_keeps_what_it_looks_for(rows, method, kept):
    found = select_features(*rows, method, 2)
    assert len(found) == 2 and set(found) <= kept
    assert list(found) == sorted(found)


def test_mrmr_leaves_out_what_is_said_twice(rows):
    assert set(select_features(*rows, "mrmr", 2)) in ({0, 2}, {1, 2})


def test_information_is_scikit_learns():
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (200, 3))
    y = (codes[:, 0] + random.integers(0, 2, 200)) % 3
    expected = [mutual_info_score(column, y) / np.log(2) for column in codes.T]
    np.testing.assert_allclose(_information(codes, np.eye(3)[y]), expected)


@pytest.mark.parametrize("method", FILTERS)
def test_words_and_numbers_are_filtered_too(method):
    random = np.random.default_rng(1)
    words = (random.random((120, 600)) < 0.1) * 1.0
    tags = words[:, [590, 30]]
    words[:, 590] *= 3
    found = select_features(sparse.csr_matrix(words), tags, method, 0.01)
    assert 590 in found and len(found) <= 6
    values = (words[:, [590]] + 0.1 * random.normal(size=(120, 1))) * 50
    assert 590 in select_features(words, values, method, 6, classes=False)


def test_mistakes_are_told(rows):
    X, targets = rows
    with pytest.raises(ValueError, match="only 'variance' is possible"):
        select_features(X, None, "mrmr", 2)
    assert len(select_features(X, None, "variance", 2)) == 2
    with pytest.raises(ValueError, match=r"one of .*'mrmr'"):
        select_features(X, targets, "best", 2)
    for keep in (0, -1, 2.5):
        with pytest.raises(ValueError, match="`keep` is a number of features"):
            select_features(X, targets, "variance", keep)
