"""Late fusion and stacking: a model per view, their answers combined."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mmkeras.classical import (
    LateFusionClassifier,
    LateFusionRegressor,
    StackingViewsClassifier,
    StackingViewsRegressor,
)

VIEWS = {"image": slice(0, 2), "text": slice(2, 5), "noise": slice(5, 7)}


@pytest.fixture(scope="module")
def data():
    """Three classes of different sizes: one view knows one of them, another the next."""
    random = np.random.default_rng(0)
    y = random.choice(3, size=120, p=[0.5, 0.3, 0.2])
    X = random.normal(size=(120, 7))
    X[:, 0] += 2.5 * (y == 1)
    X[:, 2] += 2.5 * (y == 2)
    return X, np.array(["a", "b", "c"])[y]


@pytest.fixture(scope="module")
def alone(data):
    """Each view's probabilities."""
    X, y = data
    return np.stack([GaussianNB().fit(X[:, v], y).predict_proba(X[:, v]) for v in VIEWS.values()])


def test_the_mean_and_the_votes(data, alone):
    X, y = data
    late = LateFusionClassifier(GaussianNB(), views=VIEWS).fit(X, y)
    np.testing.assert_allclose(late.predict_proba(X), alone.mean(axis=0))
    votes = np.stack([(alone.argmax(axis=2) == c).sum(axis=0) for c in range(3)], axis=1)
    vote = clone(late).set_params(rule="vote").fit(X, y).predict(X)
    clear = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert (vote[clear] == np.array(["a", "b", "c"])[votes.argmax(axis=1)][clear]).all()


def test_the_product_counts_the_prior_once(data, alone):
    X, y = data
    prior = np.array([(y == c).mean() for c in "abc"])
    expected = alone.prod(axis=0) / prior**2
    expected /= expected.sum(axis=1, keepdims=True)
    late = LateFusionClassifier(GaussianNB(), rule="product", views=VIEWS).fit(X, y)
    np.testing.assert_allclose(late.predict_proba(X), expected, rtol=1e-6)
    # Naive Bayes of all features side by side is the same model.
    together = GaussianNB().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(late.predict_proba(X), together, rtol=1e-5, atol=1e-9)


def test_weights_are_learnt_from_rows_that_models_did_not_see(data):
    X, y = data
    # On its own training rows a tree is always right.
    tree = DecisionTreeClassifier(random_state=0)
    late = LateFusionClassifier(tree, rule="weights", cv=3, views=VIEWS).fit(X, y)
    assert list(late.weights_) == list(VIEWS)
    assert sum(late.weights_.values()) == pytest.approx(1.0)
    assert late.weights_["noise"] < 0.2 < min(late.weights_["image"], late.weights_["text"])
    held = np.stack(
        [cross_val_predict(tree, X[:, v], y, cv=3, method="predict_proba") for v in VIEWS.values()]
    )
    right = held[:, np.arange(len(y)), np.unique(y, return_inverse=True)[1]]

    def loss(weights):
        return -np.log(np.maximum(np.array(weights) @ right, 1e-12)).mean()

    found = list(late.weights_.values())
    grid = np.linspace(0, 1, 11)
    assert all(loss(found) <= loss((a, b, 1 - a - b)) for a in grid for b in grid if a + b <= 1)


def test_the_weights_of_numbers_have_the_least_squared_error(data):
    X, _ = data
    y = X[:, 0] + 0.5 * X[:, 2]
    late = LateFusionRegressor(Ridge(), rule="weights", cv=3, views=VIEWS).fit(X, y)
    held = np.stack([cross_val_predict(Ridge(), X[:, v], y, cv=3) for v in VIEWS.values()], axis=1)

    def error(weights):
        return ((held @ np.array(weights) - y) ** 2).mean()

    found = list(late.weights_.values())
    assert sum(found) == pytest.approx(1.0) and min(found) >= 0
    grid = np.linspace(0, 1, 11)
    assert all(error(found) <= error((a, b, 1 - a - b)) for a in grid for b in grid if a + b <= 1)
    fitted = np.stack([Ridge().fit(X[:, v], y).predict(X[:, v]) for v in VIEWS.values()], axis=1)
    np.testing.assert_allclose(late.predict(X), fitted @ found)
    mean = LateFusionRegressor(Ridge(), views=VIEWS).fit(X, y)
    np.testing.assert_allclose(mean.predict(X), fitted.mean(axis=1))


def test_stacking_learns_from_out_of_fold_predictions(data):
    X, y = data
    stack = StackingViewsClassifier(GaussianNB(), cv=3, views=VIEWS).fit(X, y)
    held = np.hstack(
        [
            cross_val_predict(GaussianNB(), X[:, v], y, cv=3, method="predict_proba")
            for v in VIEWS.values()
        ]
    )
    last = LogisticRegression(max_iter=1000).fit(held, y)
    seen = np.hstack([GaussianNB().fit(X[:, v], y).predict_proba(X[:, v]) for v in VIEWS.values()])
    np.testing.assert_allclose(stack.predict_proba(X), last.predict_proba(seen))
    assert (stack.predict(X) == last.predict(seen)).all()
    assert stack.score(X, y) > max(
        GaussianNB().fit(X[:, v], y).score(X[:, v], y) for v in VIEWS.values()
    )


def test_stacking_takes_models_without_probabilities(data):
    X, y = data
    stack = StackingViewsClassifier(LinearSVC(), LinearSVC(), cv=3, views=VIEWS).fit(X, y)
    assert not hasattr(stack, "predict_proba") and stack.score(X, y) > 0.75


def test_stacking_of_numbers_beats_the_mean_where_a_view_is_noise(data):
    X, _ = data
    y = X[:, 0] + 0.5 * X[:, 2]
    stack = StackingViewsRegressor(Ridge(), cv=3, views=VIEWS).fit(X[:90], y[:90])
    mean = LateFusionRegressor(Ridge(), views=VIEWS).fit(X[:90], y[:90])
    assert stack.score(X[90:], y[90:]) > 0.8 > mean.score(X[90:], y[90:])


def test_each_view_may_have_its_own_model_and_settings_can_be_searched(data):
    X, y = data
    models = {"image": GaussianNB(), "text": LogisticRegression(), "noise": GaussianNB()}
    late = LateFusionClassifier(models, views=VIEWS).fit(X, y)
    assert [type(m).__name__ for m in late.models_.values()] == [
        type(m).__name__ for m in models.values()
    ]
    assert not hasattr(models["image"], "classes_")
    search = GridSearchCV(
        LateFusionClassifier(LogisticRegression(), views=VIEWS), {"estimator__C": [0.1, 1.0]}, cv=2
    )
    assert search.fit(X, y).best_params_["estimator__C"] in (0.1, 1.0)
    with pytest.raises(ValueError, match=r"one for each view, \['image', 'text', 'noise'\]"):
        LateFusionClassifier({"image": GaussianNB()}, views=VIEWS).fit(X, y)


def test_the_default_is_a_linear_model_of_standardised_features(data):
    X, y = data
    late = LateFusionClassifier(views=VIEWS).fit(1000 * X + 5, y)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected = np.mean(
        [model.fit(X[:, v], y).predict_proba(X[:, v]) for v in VIEWS.values()], axis=0
    )
    np.testing.assert_allclose(late.predict_proba(1000 * X + 5), expected, atol=1e-6)


def test_mistakes_say_what_to_do(data):
    X, y = data
    with pytest.raises(ValueError, match="`CalibratedClassifierCV` around it"):
        LateFusionClassifier(LinearSVC(), views=VIEWS).fit(X, y)
    with pytest.raises(ValueError, match="`rule` is one of"):
        LateFusionClassifier(rule="median", views=VIEWS).fit(X, y)
    with pytest.raises(ValueError, match="`rule` is one of"):
        LateFusionRegressor(rule="vote", views=VIEWS).fit(X, X[:, 0])
