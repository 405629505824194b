"""Components of several views, against scikit-learn and by hand."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from mmkeras.classical import (
    GCCA,
    CorrelationMatching,
    MultiviewKernelPCA,
    MultiviewLSA,
    MultiviewPCA,
    ScaledViews,
)

VIEWS = {"wide": slice(0, 6), "narrow": slice(6, 9)}


@pytest.fixture(scope="module")
def X():
    random = np.random.default_rng(0)
    common = random.normal(size=(80, 2))
    noise = random.normal(size=(80, 9))
    return common @ random.normal(size=(2, 9)) + noise @ np.diag(np.linspace(0.2, 1.2, 9))


def correlations(a, b):
    """Of column with column, without sign."""
    return np.abs(np.corrcoef(a, b, rowvar=False)[: a.shape[1], a.shape[1] :].diagonal())


def test_views_of_any_width_have_the_same_total_variance(X):
    constant = np.hstack([X, np.ones((80, 1))])
    views = {"narrow": slice(6, 9), "wide": [0, 1, 2, 3, 4, 5, 9]}
    scaled = ScaledViews(views).fit(constant)
    variances = scaled.transform(constant).var(axis=0)
    np.testing.assert_allclose([variances[:3].sum(), variances[3:].sum()], 1)
    # 6 columns vary.
    assert scaled.divisors_ == pytest.approx({"narrow": np.sqrt(3), "wide": np.sqrt(6)})
    sparse = scaled.fit_transform(scipy.sparse.csr_array(constant)).toarray()
    np.testing.assert_allclose(sparse.var(axis=0), variances, atol=1e-12)
    assert (sparse[:, -1] == sparse[0, -1]).all() and sparse[0, -1] > 0


def test_a_view_that_is_not_standardised_is_divided_as_a_whole(X):
    X = X * np.arange(1.0, 10.0)
    scaled = ScaledViews(VIEWS, standardise=["narrow"]).fit_transform(X)
    centred = X[:, :6] - X[:, :6].mean(axis=0)
    np.testing.assert_allclose(scaled[:, :6], centred / np.sqrt(centred.var(axis=0).sum()))
    np.testing.assert_allclose(scaled[:, 6:].std(axis=0), 1 / np.sqrt(3))
    sparse = ScaledViews(VIEWS, standardise=False).fit_transform(scipy.sparse.csr_array(X))
    np.testing.assert_allclose(sparse.toarray()[:, :6].var(axis=0).sum(), 1)
    for wrong in ("narrow", ["high"]):
        with pytest.raises(ValueError, match=r"some of the views \['wide', 'narrow'\]"):
            ScaledViews(VIEWS, standardise=wrong).fit(X)


def test_components_are_those_of_views_divided_by_their_first_singular_value(X):
    fitted = MultiviewPCA(3, views=VIEWS).fit(X)
    parts = [StandardScaler().fit_transform(X[:, columns]) for columns in VIEWS.values()]
    divided = np.hstack([part / np.linalg.svd(part)[1][0] for part in parts])
    by_hand = PCA(3).fit(divided)
    np.testing.assert_allclose(fitted.components_, by_hand.components_, atol=1e-9)
    np.testing.assert_allclose(
        fitted.explained_variance_, by_hand.explained_variance_ * 80, rtol=1e-9
    )
    np.testing.assert_allclose(fitted.contributions_.sum(axis=1), 1)
    np.testing.assert_allclose(
        fitted.contributions_[:, 1], (by_hand.components_[:, 6:] ** 2).sum(axis=1)
    )
    # No view gives the first component more than variance 1 (times rows / (rows - 1)).
    assert 1 < fitted.explained_variance_[0] * 79 / 80 <= 2


def test_of_two_views_gcca_is_the_mean_of_the_canonical_variates(X):
    left, right = X[:, :6], X[:, 6:]
    found = GCCA(3, ridge=0.0, views=VIEWS).fit(X)
    ours = CorrelationMatching(3, ridge=0.0, views=VIEWS).fit(X)
    np.testing.assert_allclose(2 * found.agreements_ - 1, ours.correlations_, atol=1e-9)
    a, b = CCA(3, max_iter=5000, tol=1e-12).fit(left, right).transform(left, right)
    means = a / a.std(axis=0) + b / b.std(axis=0)
    np.testing.assert_allclose(correlations(found.transform(X), means), 1, atol=1e-6)


def test_gcca_with_a_ridge_solves_its_equation(X):
    views = [StandardScaler().fit_transform(X[:, part]) for part in ([0, 1, 2], [3, 4], [5, 6])]
    found = GCCA(2, ridge=0.3, views=[[0, 1, 2], [3, 4], [5, 6]]).fit(X)
    sums = 0
    for view in views:
        r = 0.3 * (view**2).sum() / 80 * np.eye(view.shape[1])
        sums = sums + view @ np.linalg.solve(view.T @ view + r, view.T)
    values, vectors = np.linalg.eigh(sums)
    np.testing.assert_allclose(found.agreements_, values[:-3:-1] / 3)
    G = found.transform(X)
    np.testing.assert_allclose(correlations(G, vectors[:, :-3:-1]), 1)
    np.testing.assert_allclose(G.T @ G / 80, np.eye(2), atol=1e-9)
    for view, directions in zip(views, found.directions_, strict=True):
        r = 0.3 * (view**2).sum() / 80 * np.eye(view.shape[1])
        np.testing.assert_allclose(directions, np.linalg.solve(view.T @ view + r, view.T @ G))
    with pytest.raises(ValueError, match=r"at most 7, the rank .* Received: 8"):
        GCCA(8, views=[3, 4]).fit(X[:, :7])


def test_with_linear_kernels_kernel_pca_is_pca_of_the_scaled_views(X):
    found = MultiviewKernelPCA(3, views=VIEWS).fit(X[:60])
    scaled = ScaledViews(VIEWS).fit(X[:60])
    pca = PCA(3).fit(scaled.transform(X[:60]))
    expected = pca.transform(scaled.transform(X))
    shown = found.transform(X)
    np.testing.assert_allclose(correlations(shown, expected), 1)
    np.testing.assert_allclose(shown.var(axis=0) * 2, expected.var(axis=0))
    assert found.traces_ == pytest.approx({"wide": 6, "narrow": 3})


def test_a_view_of_long_texts_counts_as_much_as_one_of_short_texts():
    random = np.random.default_rng(0)
    topic = np.repeat([0, 1], 20)
    short = random.poisson(np.where(topic[:, None] == [0, 0, 1, 1], 1.5, 0.1))
    long = random.poisson(40, size=(40, 4))
    X = scipy.sparse.csr_array(np.hstack([short, long]))
    found = MultiviewLSA(3, views={"short": slice(4), "long": slice(4, 8)}, random_state=0)
    topics = found.fit_transform(X)
    np.testing.assert_allclose(found.transform(X), topics, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(topics, axis=1), 1)
    assert found.contributions_[1, 0] > 0.8  # what differs between rows is the short texts' topic
    assert abs(np.mean((topics[:, 1] > 0) == topic) - 0.5) > 0.4
