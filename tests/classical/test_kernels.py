"""Kernels of views, their weights, and machines on their sum."""

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import chi2_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC, SVR, LinearSVC

from mmkeras.classical import MultipleKernelClassifier, MultipleKernelRegressor
from mmkeras.classical.kernels.functions import fit_kernels
from mmkeras.classical.kernels.weights import (
    alignment_weights,
    classes_solver,
    easy_weights,
    numbers_solver,
    simple_weights,
)

VIEWS = {"image": slice(0, 3), "text": slice(3, 5), "noise": slice(5, 9)}


@pytest.fixture(scope="module")
def data():
    """Two informative views and one of noise; three classes."""
    random = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = random.normal(size=(90, 9))
    X[:, 0] += 2 * (y == 1)
    X[:, 3] += 2 * (y == 2)
    return X, np.array(["a", "b", "c"])[y]


@pytest.fixture(scope="module")
def grams(data):
    X, _ = data
    views = {view: X[:, columns] for view, columns in VIEWS.items()}
    kernels = fit_kernels(views, "rbf", [1.0], np.random.RandomState(0))
    return [kernel(x, x) for kernel, x in zip(kernels, views.values(), strict=True)]


def test_kernels_are_what_their_formulas_say():
    x = np.abs(np.random.default_rng(0).normal(size=(40, 3)))
    names = ["linear", "polynomial", "cosine", "rbf", "chi2"]
    fitted = fit_kernels({"v": x}, names, [0.5], np.random.RandomState(0))
    distances = ((x[:, None] - x) ** 2).sum(axis=2)
    median = np.median(distances[np.triu_indices(40, 1)])
    square = (x**2).sum(axis=1)
    chi = -np.log(chi2_kernel(x))
    expected = {
        "linear": x @ x.T / square.mean(),
        "polynomial": (1 + x @ x.T / square.mean()) ** 2,
        "cosine": x @ x.T / np.sqrt(np.outer(square, square)),
        "rbf": np.exp(-distances / (0.5 * median)),
        "chi2": np.exp(-chi / (0.5 * np.median(chi[np.triu_indices(40, 1)]))),
    }
    for kernel in fitted:
        K = kernel(x, x)
        np.testing.assert_allclose(K / kernel.factor, expected[kernel.kernel], atol=1e-10)
        assert np.mean(np.diag(K)) - np.mean(K) == pytest.approx(1.0)
        np.testing.assert_allclose(
            kernel(scipy.sparse.csr_array(x), scipy.sparse.csr_array(x)), K, atol=1e-10
        )


def test_alignment_is_that_of_the_paper(grams, data):
    targets = np.eye(3)[np.unique(data[1], return_inverse=True)[1]]
    H = np.eye(90) - 1 / 90
    centred = [H @ K @ H for K in grams]
    T = targets @ targets.T
    M = np.array([[np.sum(k * m) for m in centred] for k in centred])
    a = np.array([np.sum(k * T) for k in centred])
    own = a / np.sqrt(np.diag(M))
    np.testing.assert_allclose(
        alignment_weights(grams, targets, together=False), own / own.sum(), rtol=1e-6
    )
    found = alignment_weights(grams, targets, together=True)

    def alignment(w):
        return w @ a / np.sqrt(w @ M @ w)

    best = minimize(
        lambda w: -alignment(w),
        np.ones(3) / 3,
        bounds=[(1e-9, 1)] * 3,
        method="L-BFGS-B",
        tol=1e-12,
    )
    assert alignment(found) == pytest.approx(-best.fun, rel=1e-6)
    assert alignment(found) >= alignment(own)


def test_repeated_kernels_share_the_weight_of_one(grams, data):
    targets = np.eye(3)[np.unique(data[1], return_inverse=True)[1]]
    once = alignment_weights(grams, targets, together=True)
    twice = alignment_weights([*grams, grams[0]], targets, together=True)
    assert twice[0] + twice[3] == pytest.approx(once[0], abs=1e-4)


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_simple_weights_have_the_least_objective_and_no_gap(grams, data, task):
    numbers = np.unique(data[1], return_inverse=True)[1]
    solve = (
        classes_solver(numbers, 5.0)
        if task == "classes"
        else numbers_solver(data[0][:, 0] + 0.1 * data[0][:, 3], 5.0, 0.1)
    )
    found = simple_weights(grams, solve, tolerance=1e-3, max_fits=200)
    assert 0 <= found.gap <= 1e-3 and found.weights.sum() == pytest.approx(1.0)

    def objective(weights):
        K = sum(w * k for w, k in zip(weights, grams, strict=True))
        linear, dual = solve(K)
        return linear - 0.5 * np.sum(dual * (K @ dual))

    best = objective(found.weights)
    steps = np.linspace(0, 1, 6)
    grid = [(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9]
    assert all(objective(np.clip(point, 0, 1)) >= best * (1 - 1e-3) for point in grid)


def test_the_objective_of_several_classes_is_the_sum_over_pairs(grams, data):
    numbers = np.unique(data[1], return_inverse=True)[1]
    linear, dual = classes_solver(numbers, 5.0)(grams[0])
    total = linear - 0.5 * np.sum(dual * (grams[0] @ dual))
    pairs = 0.0
    for i, j in ((0, 1), (0, 2), (1, 2)):
        rows = np.flatnonzero((numbers == i) | (numbers == j))
        K = grams[0][np.ix_(rows, rows)]
        machine = SVC(kernel="precomputed", C=5.0, tol=1e-6).fit(K, numbers[rows])
        alpha = np.zeros(len(rows))
        alpha[machine.support_] = machine.dual_coef_[0]
        pairs += np.abs(alpha).sum() - 0.5 * alpha @ K @ alpha
    assert total == pytest.approx(pairs, rel=1e-4)


def test_easy_weights_solve_the_problem_of_the_paper(grams, data):
    rows = np.flatnonzero(data[1] != "c")[:30]
    kernels = [K[np.ix_(rows, rows)] for K in grams]
    positive = data[1][rows] == "b"
    signs = np.where(positive, 1.0, -1.0)
    Q = 0.8 * np.outer(signs, signs) * np.mean(kernels, axis=0) + 0.2 * np.eye(len(rows))
    sums = [
        {"type": "eq", "fun": lambda g, part=part: g[part].sum() - 1}
        for part in (positive, ~positive)
    ]
    start = np.where(positive, 1 / positive.sum(), 1 / (~positive).sum())
    gamma = minimize(
        lambda g: (g @ Q @ g, 2 * Q @ g), start, jac=True, bounds=[(0, 1)] * len(rows),
        constraints=sums, method="SLSQP", options={"ftol": 1e-12, "maxiter": 500},
    ).x * signs  # fmt: skip
    expected = np.array([gamma @ K @ gamma for K in kernels])
    found = easy_weights(kernels, positive.astype(int), 0.2)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-3)
    means = easy_weights(kernels, positive.astype(int), 1.0)
    expected = np.array([(start * signs) @ K @ (start * signs) for K in kernels])
    np.testing.assert_allclose(means, expected / expected.sum(), atol=1e-3)


@pytest.mark.parametrize(
    "weights", ["mean", "alignment", "independent_alignment", "simple", "easy"]
)
def test_a_machine_is_an_svc_on_the_weighted_sum(data, grams, weights):
    X, y = data
    machine = MultipleKernelClassifier(weights=weights, C=5.0, views=VIEWS).fit(X, y)
    assert list(machine.weights_) == list(VIEWS)
    assert sum(machine.weights_.values()) == pytest.approx(1.0)
    if "alignment" in weights:
        assert machine.weights_["noise"] < min(machine.weights_["image"], machine.weights_["text"])
    K = sum(w * k for w, k in zip(machine.weights_.values(), grams, strict=True))
    expected = SVC(kernel="precomputed", C=5.0).fit(K, y).decision_function(K)
    np.testing.assert_allclose(machine.decision_function(X), expected, atol=5e-3)
    if weights == "simple":
        assert machine.duality_gap_ <= 1e-3 and machine.n_fits_ >= 1


def test_regression_is_an_svr_on_the_weighted_sum(data, grams):
    X, _ = data
    y = X[:, 0] + np.sin(X[:, 3])
    for weights in ("mean", "alignment", "simple"):
        machine = MultipleKernelRegressor(weights=weights, C=5.0, views=VIEWS).fit(X, y)
        K = sum(w * k for w, k in zip(machine.weights_.values(), grams, strict=True))
        expected = SVR(kernel="precomputed", C=5.0).fit(K, y).predict(K)
        np.testing.assert_allclose(machine.predict(X), expected, atol=5e-3)
        assert weights == "mean" or machine.weights_["noise"] < 0.2


def test_a_view_has_a_kernel_for_each_name_and_width(data):
    X, y = data
    machine = MultipleKernelClassifier(
        {"image": ["linear", "rbf"], "text": "rbf", "noise": "cosine"},
        widths=(0.5, 2.0),
        views=VIEWS,
    ).fit(X, y)
    names = "image linear, image rbf 0.5, image rbf 2, text rbf 0.5, text rbf 2, noise cosine"
    assert ", ".join(machine.kernel_weights_) == names
    assert machine.weights_["image"] == pytest.approx(3 / 6)
    search = GridSearchCV(MultipleKernelClassifier(views=VIEWS), {"widths": [(0.5,), (1.0,)]}, cv=2)
    assert search.fit(X, y).score(X, y) > 0.6


def test_large_data_get_features_whose_products_are_the_kernel(data):
    X, y = data
    exact = MultipleKernelClassifier(weights="alignment", views=VIEWS, random_state=0)
    whole = clone(exact).set_params(max_rows=80, n_components=90).fit(X, y)
    assert whole.approximate_ and not exact.fit(X, y).approximate_
    views = whole._views_of(X)
    features = whole._features(views)
    np.testing.assert_allclose(features @ features.T, whole._sum(views, views), atol=1e-6)
    expected = LinearSVC(dual="auto").fit(features, y).predict(features)
    assert (whole.predict(X) == expected).all()
    few = clone(whole).set_params(n_components=10).fit(X, y)
    assert few._features(views).shape == (90, 30)
    assert few.score(X, y) > exact.score(X, y) - 0.15
    y = X[:, 0] + np.sin(X[:, 3])
    numbers = MultipleKernelRegressor(max_rows=80, n_components=40, C=5.0, views=VIEWS).fit(X, y)
    assert numbers.score(X, y) > 0.7


def test_memory_is_said_before_it_is_taken():
    X = np.zeros((30_000, 4))
    y = np.arange(30_000) % 2
    machine = MultipleKernelClassifier(weights="easy", max_rows=30_000, views=[1, 1, 2])
    # 3 kernels of 3.6 GB, and their sum of 7.2 GB.
    with pytest.raises(ValueError, match=r"3 kernels of 30,000 rows would take 18.0 GB as exact"):
        machine.fit(X, y)
    with pytest.raises(ValueError, match=r"2.2 GB as Nyström features; `max_gigabytes` is 2"):
        machine.set_params(weights="mean", max_rows=100, n_components=1000).fit(X, y)


def test_a_search_that_stops_early_says_so(data, monkeypatch):
    monkeypatch.setattr("mmkeras.classical.kernels.machines._FITS", 1)
    with pytest.warns(ConvergenceWarning, match="after 1 machines at a duality gap of"):
        MultipleKernelClassifier(weights="simple", views=VIEWS).fit(*data)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"weights": "best"}, "`weights` is one of"),
        ({"kernel": "rbff"}, "'rbff'.* for the view 'image'"),
        ({"kernel": {"image": "rbf"}}, r"names each view, \['image', 'text', 'noise'\]"),
        ({"widths": (0.0,)}, "different positive numbers"),
        ({"kernel": "linear", "widths": (0.5, 2.0)}, "no view has such a kernel"),
        ({"weights": "easy", "balance": 0.0}, "`balance` is above 0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        MultipleKernelClassifier(views=VIEWS, **options).fit(*data)


def test_easy_weights_are_for_classes(data):
    with pytest.raises(ValueError, match="is for classes"):
        MultipleKernelRegressor(weights="easy", views=VIEWS).fit(data[0], data[0][:, 0])
