"""Naive Bayes over views of different kinds."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

from mmkeras.classical import MultiviewNaiveBayes

VIEWS = {"size": slice(0, 3), "words": slice(3, 8), "marks": slice(8, 10)}


@pytest.fixture(scope="module")
def data():
    """Numbers, counts and marks, of two classes of which one is three times as frequent."""
    random = np.random.default_rng(0)
    y = random.random(80) < 0.25
    X = np.hstack(
        [
            random.normal(y[:, None], 1.0, (80, 3)),
            random.poisson(1 + y[:, None], (80, 5)),
            random.random((80, 2)) < 0.3 + 0.4 * y[:, None],
        ]
    )
    return X, np.where(y, "rare", "usual")


@pytest.mark.parametrize(
    "view, alone",
    [("size", GaussianNB()), ("words", MultinomialNB()), ("marks", BernoulliNB(binarize=0.5))],
)
def test_one_view_is_the_model_of_scikit_learn(data, view, alone):
    X, y = data[0][:, VIEWS[view]], data[1]
    ours = MultiviewNaiveBayes().fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), alone.fit(X, y).predict_proba(X), rtol=1e-7)


def test_views_of_normal_features_are_one_normal_model(data):
    X, y = data
    ours = MultiviewNaiveBayes("gaussian", views=VIEWS).fit(X, y)
    theirs = GaussianNB().fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-5)
    assert (ours.predict(X) == theirs.predict(X)).all()


def test_the_prior_counts_once_in_the_product(data):
    X, y = data
    models = [GaussianNB(), MultinomialNB(), BernoulliNB(binarize=0.5)]
    each = np.stack(
        [
            m.fit(X[:, v], y).predict_proba(X[:, v])
            for m, v in zip(models, VIEWS.values(), strict=True)
        ]
    )
    prior = np.array([(y == "rare").mean(), (y == "usual").mean()])
    expected = each.prod(axis=0) / prior**2
    expected /= expected.sum(axis=1, keepdims=True)
    ours = MultiviewNaiveBayes(views=VIEWS).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), expected, rtol=1e-6)
    np.testing.assert_allclose(ours.class_prior_, prior)


def test_distributions_follow_from_the_numbers_or_from_the_argument(data):
    X, y = data
    chosen = {"size": "gaussian", "words": "multinomial", "marks": "bernoulli"}
    assert MultiviewNaiveBayes(views=VIEWS).fit(X, y).distributions_ == chosen
    given = {"size": "gaussian", "words": "gaussian", "marks": "multinomial"}
    assert MultiviewNaiveBayes(given, views=VIEWS).fit(X, y).distributions_ == given
    # Words weighted by TF-IDF are no whole numbers, and mostly 0.
    weighted = np.where(np.random.default_rng(0).random((80, 5)) < 0.2, 0.37, 0)
    weighted[0, 0] = 0.5
    for form in (np.asarray, scipy.sparse.csr_array):
        assert MultiviewNaiveBayes().fit(form(weighted), y).distributions_ == {
            "view_0": "multinomial"
        }


def test_sparse_views_give_what_dense_ones_do(data):
    X, y = data
    dense = MultiviewNaiveBayes(views=VIEWS).fit(X, y)
    sparse = MultiviewNaiveBayes(views=VIEWS).fit(scipy.sparse.csr_array(X), y)
    assert sparse.distributions_ == dense.distributions_
    np.testing.assert_allclose(
        sparse.predict_proba(scipy.sparse.csr_array(X)), dense.predict_proba(X)
    )


@pytest.mark.parametrize(
    "distribution, message",
    [
        ("normal", "'auto' or one of"),
        ({"size": "gaussian"}, "names each view"),
        ({"size": "gaussian", "words": "bernoulli", "marks": "auto"}, "'words' has others"),
        ({"size": "multinomial", "words": "auto", "marks": "auto"}, "Negative values"),
    ],
)
def test_distributions_that_make_no_sense_are_refused(data, distribution, message):
    with pytest.raises(ValueError, match=message):
        MultiviewNaiveBayes(distribution, views=VIEWS).fit(*data)
