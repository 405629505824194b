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


def test_canonical_variates_are_uncorrelated_and_correlate_as_they_say(views):
    matching = CorrelationMatching(3, ridge=0.0).fit(views[0])
    left, right = matching.project(views[0])
    every = np.corrcoef(left, right, rowvar=False)
    np.testing.assert_allclose(every[:3, :3], np.eye(3), atol=1e-10)
    np.testing.assert_allclose(every[3:, 3:], np.eye(3), atol=1e-10)
    np.testing.assert_allclose(every[:3, 3:], np.diag(matching.correlations_), atol=1e-10)


def test_without_a_ridge_they_are_those_of_scikit_learn(views):
    ours = CorrelationMatching(2, ridge=0.0).fit(views[0]).project(views[0])
    theirs = CCA(2, max_iter=5000, tol=1e-12).fit(*views[0]).transform(*views[0])
    for mine, other in zip(ours, theirs, strict=True):
        for component in range(2):
            r = np.corrcoef(mine[:, component], other[:, component])[0, 1]
            assert abs(r) == pytest.approx(1.0, abs=1e-6)


def test_a_ridge_shrinks_what_noise_correlates():
    random = np.random.default_rng(1)
    noise = [random.normal(size=(60, 40)), random.normal(size=(60, 10))]
    free, held = (CorrelationMatching(5, ridge).fit(noise).correlations_ for ridge in (0.0, 1.0))
    assert free.min() > 0.8 and held.max() < 0.6


def test_constant_and_repeated_features_do_no_harm(views):
    left, right = views[0]
    more = np.hstack([left, left[:, :1], np.ones((len(left), 1))])
    plain = CorrelationMatching(2, ridge=0.0).fit([left, right])
    repeated = CorrelationMatching(2, ridge=0.0).fit([more, right])
    np.testing.assert_allclose(repeated.correlations_, plain.correlations_, atol=1e-10)


def test_semantic_matching_compares_class_probabilities(views):
    (left, right), labels = views
    unit = SemanticMatching(C=0.1).fit([left, right], labels).transform([left[:5], right[:5]])
    for features, got in zip((left, right), unit, strict=True):
        scaled = (features - features.mean(axis=0)) / features.std(axis=0)
        model = LogisticRegression(C=0.1, max_iter=1000).fit(scaled, labels)
        centred = model.predict_proba(scaled[:5]) - 0.5
        expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize(
    "method", [CorrelationMatching(2), SemanticMatching(), SemanticCorrelationMatching(2)]
)
def test_each_finds_rows_of_the_class_in_the_other_view(views, method):
    (left, right), labels = views
    fitted = clone(method).fit([left[:200], right[:200]], labels[:200])
    queries, items = fitted.transform([left[200:], right[200:]])
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1.0, rtol=1e-9)
    relevant = same_class(labels[200:], labels[200:])
    chance = chance_metrics(relevant)["map"]
    assert retrieval_metrics(queries @ items.T, relevant)["map"] > chance + 0.15
    assert retrieval_metrics(items @ queries.T, relevant)["map"] > chance + 0.15


def test_mistakes_say_what_was_expected(views):
    (left, right), labels = views
    with pytest.raises(ValueError, match="smaller view's 4 features"):
        CorrelationMatching(5).fit([left, right])
    with pytest.raises(ValueError, match="Received: 3 views"):
        CorrelationMatching(2).fit([left, right, right])
    with pytest.raises(ValueError, match=r"same rows. Received: shapes \[\(400, 6\), \(9, 4\)\]"):
        SemanticMatching().fit([left, right[:9]], labels)
    with pytest.raises(ValueError, match="9 for 400 rows"):
        SemanticMatching().fit([left, right], labels[:9])
    with pytest.raises(ValueError, match="`ridge` must not be negative"):
        CorrelationMatching(2, ridge=-1.0).fit([left, right])
    with pytest.raises(NotFittedError):
        SemanticMatching().transform([left, right])
