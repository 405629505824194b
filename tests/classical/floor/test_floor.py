"""The classical floor: all kinds of targets, nothing chosen by test rows, honest words."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from mmkeras.classical.floor import budget, late
from mmkeras.classical.floor.answers import Answers, fit_outputs
from mmkeras.classical.floor.budget import wants_floor
from mmkeras.classical.floor.compete import compete
from mmkeras.classical.floor.floor import find_floor
from mmkeras.classical.floor.methods import METHODS, RadialMachine, total_variance
from mmkeras.schema import Label, Labels, Number, Schema, Sequence, StepLabels, Tabular
from mmkeras.tasks import task_class


@pytest.fixture(scope="module")
def table():
    """Two views; the class is the parity of their signs, the number their sum."""
    random = np.random.default_rng(0)
    left, right = random.normal(size=(2, 150))
    left, right = left + 0.5 * np.sign(left), right + 0.5 * np.sign(right)
    return pd.DataFrame(
        {
            "left": left,
            "right": right,
            "same": np.where(left * right > 0, "yes", "no"),
            "tags": np.where(
                left > 0, np.where(right > 0, "a;b", "a"), np.where(right > 0, "b", "")
            ),
            "sum": 3 * left + right + 7,
            "difference": left - right,
        }
    )


VIEWS = [Tabular("one", ("left",)), Tabular("two", ("right",))]


@pytest.mark.parametrize(
    ("target", "least"),
    [
        (Label("same"), 0.9),
        (Labels("tags", separator=";"), 0.9),
        (Number("sum"), 0.99),
        (Number(("sum", "difference")), 0.99),
    ],
    ids=["classes", "labels", "number", "numbers"],
)
def test_it_finds_what_there_is_to_find_of_every_target(table, target, least):
    schema = Schema(VIEWS, target)
    floor = find_floor(table[:100], {"test": table[100:]}, schema)
    task = task_class(target).fit(table[:100], target)
    np.testing.assert_allclose(floor.targets["test"], task.own_unit(task.encode(table[100:])))
    assert floor.figures["test"][task.main.key] > least
    assert floor.seconds > 0


def test_thresholds_of_a_label_are_fitted_inside_the_training_rows(table):
    random = np.random.default_rng(1)
    rare = (table["left"] > 1) & (random.random(len(table)) < 0.45)
    frame = table.assign(rare=np.where(rare, "rare", ""))
    schema = Schema(VIEWS, Labels("rare"))
    floor = find_floor(frame[:100], {"test": frame[100:]}, schema)
    assert 0.1 < floor.task.thresholds[0] < 0.5
    # A model is judged by its own thresholds, the floor by the floor's.
    own = task_class(schema.target)(schema.target, floor.task.classes)
    never = floor.against(np.full((50, 1), 0.4), task=own)
    assert never.model == pytest.approx((~rare[100:]).mean())
    assert never.score == pytest.approx(floor.figures["test"]["samples_f1"])


def test_test_rows_choose_nothing(table):
    schema = Schema(VIEWS, Label("same"))
    shuffled = table[100:].assign(same=table["same"][100:].to_numpy()[::-1])
    one, other = (find_floor(table[:100], {"test": t}, schema) for t in (table[100:], shuffled))
    assert one.method == other.method
    np.testing.assert_array_equal(one.outputs["test"], other.outputs["test"])


def test_the_words_follow_from_the_interval(table):
    schema = Schema(VIEWS, Label("same"))
    floor = find_floor(table[:100], {"test": table[100:]}, schema)
    right, own = floor.targets["test"], floor.outputs["test"]
    never = floor.against(1 - right)
    assert never.says == "below" and "The simple model is the better one" in never.sentence
    same = floor.against(own)
    assert same.says == "level" and "does not beat the classical floor, svm on one + two" in (
        same.sentence
    )
    flipped = dataclasses.replace(floor, outputs={"test": 1 - right})
    assert flipped.against(right).says == "above"
    assert set(never.to_dict()) >= {"method", "test", "difference", "low", "high", "sentence"}
    with pytest.raises(ValueError, match="50 test rows; the model answers for 49"):
        floor.against(own[:-1])


def test_auto_costs_less_than_a_minute(monkeypatch, capsys):
    schema = Schema(VIEWS, Label("same"))
    assert not wants_floor("auto", schema, 100)  # the tests' own setting
    monkeypatch.setattr(budget, "AUTO_SECONDS", 60.0)
    assert wants_floor("auto", schema, 100) and not wants_floor("off", schema, 100)
    assert not wants_floor("auto", schema, 100_000)
    assert "--floor on" in capsys.readouterr().out
    assert wants_floor("on", schema, 100_000)
    steps = Schema([Sequence("steps")], StepLabels("moods"))
    assert not wants_floor("auto", steps, 100)
    with pytest.raises(ValueError, match="one class, labels or numbers for each row"):
        wants_floor("on", steps, 100)
    with pytest.raises(ValueError, match="'auto', 'on' or 'off'"):
        wants_floor("yes", schema, 100)


def test_the_product_has_the_prior_once():
    # Of three classes; the views say p(y|x1) and p(y|x2), independent given y.
    prior = np.array([0.5, 0.3, 0.2])
    likely = np.array([[0.2, 0.6, 0.1], [0.7, 0.1, 0.4]])  # p(x_v | y)
    says = prior * likely
    says /= says.sum(axis=1, keepdims=True)
    truth = prior * likely.prod(axis=0)
    truth /= truth.sum()
    targets = np.repeat(np.eye(3), [5, 3, 2], axis=0)
    frame = pd.DataFrame({"y": list("aaaaabbbcc")})
    task = task_class("label").fit(frame, Label("y"))
    views = [Answers("m", (str(v),), "", says[[v]], {"test": says[[v]]}) for v in range(2)]
    found = late.product(views, targets, task, []).outputs["test"]
    np.testing.assert_allclose(found[0], truth, atol=1e-9)


def test_a_class_that_a_fold_lacks_has_no_probability():
    task = task_class("label").fit(pd.DataFrame({"y": list("abc")}), Label("y"))
    X = np.array([[0.0], [0.1], [5.0], [5.1]])
    targets = np.eye(3)[[0, 0, 2, 2]]
    outputs = fit_outputs(LogisticRegression(), X, targets, task)(X)
    assert not outputs[:, 1].any()
    np.testing.assert_array_equal(outputs.argmax(axis=1), [0, 0, 2, 2])
    alone = fit_outputs(LogisticRegression(), X[:2], targets[:2], task)(X)
    np.testing.assert_array_equal(alone, np.eye(3)[[0] * 4])


def test_every_method_answers_for_sparse_and_dense_views(table):
    random = np.random.default_rng(1)
    words = sparse.csr_matrix((random.random((60, 250)) < 0.02) * 1.0)
    dense = random.normal(size=(60, 4))
    dense[:, 0] += 4 * (table["same"][:60] == "yes")
    train, test = slice(0, 40), slice(40, 60)
    task = task_class("label").fit(table, Label("same"))
    targets = task.encode(table[:60])
    folds = [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(20))]
    found = compete(
        {"words": words[train], "numbers": dense[train]},
        {"test": {"words": words[test], "numbers": dense[test]}},
        targets[train],
        task,
        folds,
        methods=("linear", "svm", "naive_bayes", "kernels", "views_bayes"),
    )
    seen = {(each.method, each.views) for each in found}
    assert len(seen) == 1 + 3 * 3 + 2 + 3
    for each in found:
        np.testing.assert_allclose(each.outputs["test"].sum(axis=1), 1, rtol=1e-5)
        if each.views == ("numbers",):
            assert task.main_score(targets[test], each.outputs["test"]) > 0.8, each.method


@pytest.mark.parametrize("name", ["forest", "boosting"])
def test_trees_see_wide_sparse_views_by_their_directions(table, name):
    word = (table["same"][:60] == "yes").to_numpy()[:, None] * 5.0
    words = sparse.hstack([word, sparse.random(60, 250, 0.05, random_state=0)], format="csr")
    task = task_class("label").fit(table, Label("same"))
    targets = task.encode(table[:60])
    few = {
        "forest": {"n_estimators": 5},
        "boosting": {"histgradientboostingclassifier__max_iter": 3},
    }
    model = METHODS[name].classifier(METHODS[name].settings[0], 0).set_params(**few[name])
    outputs = fit_outputs(model, words, targets, task)(words)
    assert task.main_score(targets, outputs) > 0.9


def test_the_radial_machine_is_scikit_learns():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(40, 3)), random.integers(0, 3, 40)
    own = RadialMachine(SVC(C=3)).fit(X, y)
    theirs = SVC(C=3, gamma=1 / total_variance(X)).fit(X, y)
    np.testing.assert_allclose(own.decision_function(X), theirs.decision_function(X), atol=1e-6)
    assert total_variance(sparse.csr_matrix(X)) == pytest.approx(total_variance(X))
