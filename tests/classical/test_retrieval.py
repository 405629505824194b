import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cross_decomposition import CCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from mmkeras.classical.retrieval import (
    CorrelationMatching,
    SemanticCorrelationMatching,
    SemanticMatching,
)
from mmkeras.evaluation.retrieval import chance_metrics, retrieval_metrics, same_class


@pytest.fixture
def views():
    """Two noisy views of two common numbers, and a class by the first one's sign."""
    random = np.random.default_rng(0)
    common = random.normal(size=(400, 2))
    left = common @ random.normal(size=(2, 6)) + 0.5 * random.normal(size=(400, 6))
    right = common @ random.normal(size=(2, 4)) + 0.5 * random.normal(size=(400, 4))
    return [left, 3 + 10 * right], np.where(common[:, 0] > 0, "up", "down")


WIDTHS = [6, 4]


def test_canonical_variates_are_uncorrelated_and_correlate_as_they_say(views):
    X = np.hstack(views[0])
    matching = CorrelationMatching(3, ridge=0.0, views=WIDTHS).fit(X)
    left, right = np.hsplit(matching.project(X), 2)
    every = np.corrcoef(left, right, rowvar=False)
    np.testing.assert_allclose(every[:3, :3], np.eye(3), atol=1e-10)
    np.testing.assert_allclose(every[3:, 3:], np.eye(3), atol=1e-10)
    np.testing.assert_allclose(every[:3, 3:], np.diag(matching.correlations_), atol=1e-10)


def test_without_a_ridge_they_are_those_of_scikit_learn(views):
    X = np.hstack(views[0])
    ours = np.hsplit(CorrelationMatching(2, ridge=0.0, views=WIDTHS).fit(X).project(X), 2)
    theirs = CCA(2, max_iter=5000, tol=1e-12).fit(*views[0]).transform(*views[0])
    for mine, other in zip(ours, theirs, strict=True):
        for component in range(2):
            r = np.corrcoef(mine[:, component], other[:, component])[0, 1]
            assert abs(r) == pytest.approx(1.0, abs=1e-6)


def test_a_ridge_shrinks_what_noise_correlates():
    random = np.random.default_rng(1)
    noise = random.normal(size=(60, 50))
    free, held = (
        CorrelationMatching(5, ridge, [40, 10]).fit(noise).correlations_ for ridge in (0.0, 1.0)
    )
    assert free.min() > 0.8 and held.max() < 0.6


def test_constant_and_repeated_features_do_no_harm(views):
    left, right = views[0]
    more = np.hstack([left, left[:, :1], np.ones((len(left), 1)), right])
    plain = CorrelationMatching(2, ridge=0.0, views=WIDTHS).fit(np.hstack([left, right]))
    repeated = CorrelationMatching(2, ridge=0.0, views=[8, 4]).fit(more)
    np.testing.assert_allclose(repeated.correlations_, plain.correlations_, atol=1e-10)


def test_semantic_matching_compares_class_probabilities(views):
    (left, right), labels = views
    X = np.hstack([left, right])
    unit = SemanticMatching(C=0.1, views=WIDTHS).fit(X, labels).transform(X[:5])
    for features, got in zip((left, right), np.hsplit(unit, 2), strict=True):
        scaled = (features - features.mean(axis=0)) / features.std(axis=0)
        model = LogisticRegression(C=0.1, max_iter=1000).fit(scaled, labels)
        centred = model.predict_proba(scaled[:5]) - 0.5
        expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize(
    "method", [CorrelationMatching(2), SemanticMatching(), SemanticCorrelationMatching(2)]
)
def test_each_finds_rows_of_the_class_in_the_other_view(views, method):
    X, labels = np.hstack(views[0]), views[1]
    fitted = clone(method).set_params(views=WIDTHS).fit(X[:200], labels[:200])
    queries, items = np.hsplit(fitted.transform(X[200:]), 2)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1.0, rtol=1e-9)
    relevant = same_class(labels[200:], labels[200:])
    chance = chance_metrics(relevant)["map"]
    assert retrieval_metrics(queries @ items.T, relevant)["map"] > chance + 0.15
    assert retrieval_metrics(items @ queries.T, relevant)["map"] > chance + 0.15


def test_one_view_is_compared_with_itself(views):
    X = views[0][0]
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    ours = CorrelationMatching(2, ridge=0.0).fit(X[:, :2]).project(X[:, :2])
    np.testing.assert_allclose(ours.T @ ours / len(X), np.eye(2), atol=1e-10)
    ridged = CorrelationMatching(2, ridge=0.5).fit(X)
    variances = np.linalg.eigvalsh(scaled.T @ scaled / len(X))[::-1][:2]
    np.testing.assert_allclose(ridged.correlations_, variances / (variances + 0.5))


def test_columns_are_named_by_view_so_that_the_next_estimator_finds_them(views):
    X = np.hstack(views[0])
    first = CorrelationMatching(2, views={"image": slice(6), "text": slice(6, 10)})
    Z = first.set_output(transform="pandas").fit_transform(X)
    assert list(Z.columns) == ["image__0", "image__1", "text__0", "text__1"]
    second = SemanticMatching(views="names").fit(Z, views[1])
    assert list(second.views_) == ["image", "text"]


def test_mistakes_say_what_was_expected(views):
    X = np.hstack(views[0])
    with pytest.raises(ValueError, match="smaller view's 4 features"):
        CorrelationMatching(5, views=WIDTHS).fit(X)
    with pytest.raises(ValueError, match="Received: 3 views"):
        CorrelationMatching(2, views=[3, 3, 4]).fit(X)
    with pytest.raises(ValueError, match="`ridge` must not be negative"):
        CorrelationMatching(2, ridge=-1.0, views=WIDTHS).fit(X)
    with pytest.raises(ValueError, match="requires y to be passed"):
        SemanticMatching(views=WIDTHS).fit(X, None)
    with pytest.raises(NotFittedError):
        SemanticMatching(views=WIDTHS).transform(X)
