"""Decisions of models trained apart, combined: by hand, and as the late fusion layer has it."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from mmkeras.fusion.late import LateFusion
from mmkeras.training.ensemble import LateEnsemble


def predictions(rows, skills, classes=3, seed=0):
    """Labels, and for each skill a model that is right the more often the higher it is."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    return labels, [
        softmax(random.normal(0, 1, (rows, classes)) + skill * np.eye(classes)[labels], axis=1)
        for skill in skills
    ]


def log_loss(probabilities, labels):
    return -np.log(probabilities[np.arange(len(labels)), labels]).mean()


def test_the_fixed_rules_by_hand():
    a, b = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]])
    mean = LateEnsemble("mean").predict_proba([a, b])
    np.testing.assert_allclose(mean, [[0.4, 0.3, 0.3]])
    product = LateEnsemble("product").predict_proba([a, b])
    np.testing.assert_allclose(product, np.array([[0.12, 0.09, 0.05]]) / 0.26)
    # Two votes for the last class against one, though the first has the higher mean.
    sure = np.array([[1.0, 0.0, 0.0]])
    vote = LateEnsemble("vote").predict_proba([sure, b, b])
    np.testing.assert_allclose(vote, [[0.33 + 0.014 / 3, 0.006 / 3, 0.66 + 0.01 / 3]])
    # One vote each: the mean, 0.4 to 0.3, decides.
    assert LateEnsemble("vote").predict_proba([b, a]).argmax() == 0


@pytest.mark.parametrize("rule", ["mean", "product", "weights", "vote"])
def test_late_fusion_of_the_same_logits_gives_the_same_numbers(rule):
    random = np.random.default_rng(1)
    logits = [random.normal(0, 2, (20, 4)).astype("float32") for _ in range(3)]
    probabilities = [softmax(z, axis=1) for z in logits]
    ensemble = LateEnsemble(rule).fit(probabilities, random.integers(0, 4, 20))
    layer = LateFusion(4, rule=rule)
    layer([z[:, None] for z in logits])
    for expert in layer.experts:
        expert.set_weights([np.eye(4), np.zeros(4)])
    if rule == "weights":
        layer.scores.assign(np.log(np.maximum(ensemble.weights_, 1e-30)))
    fused = keras.ops.convert_to_numpy(layer([z[:, None] for z in logits]))
    np.testing.assert_allclose(
        log_softmax(fused, axis=1), np.log(ensemble.predict_proba(probabilities)), atol=2e-5
    )


def test_the_weights_are_those_of_the_least_log_loss():
    labels, models = predictions(400, (1.5, 1.0, 0.0))
    weights = LateEnsemble("weights").fit(models, labels).weights_
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] > weights[2]

    def loss(w):
        return log_loss(np.tensordot(w, models, axes=1), labels)

    grid = np.linspace(0, 1, 41)
    others = [loss([x, y, 1 - x - y]) for x in grid for y in grid if x + y <= 1]
    assert loss(weights) <= min(others) + 1e-9


def test_a_model_that_knows_nothing_gets_no_weight():
    labels, models = predictions(300, (4.0,))
    backwards = models[0][:, [1, 2, 0]]
    np.testing.assert_allclose(
        LateEnsemble("weights").fit([backwards, models[0]], labels).weights_, [0, 1], atol=1e-4
    )


def test_stacking_learns_what_a_model_mixes_up():
    # The model is right but for the names of two classes: no fixed rule can know that.
    labels, models = predictions(600, (3.0,), seed=2)
    swapped = models[0][:, [1, 0, 2]]
    ensemble = LateEnsemble("stacking").fit([swapped[:300]], labels[:300])
    right = (ensemble.predict_proba([swapped[300:]]).argmax(axis=1) == labels[300:]).mean()
    assert right > 0.9 > 0.5 > (swapped[300:].argmax(axis=1) == labels[300:]).mean()


def test_a_class_that_validation_lacks_gets_nothing_from_stacking():
    labels, models = predictions(200, (2.0, 1.0))
    rows = labels != 1
    ensemble = LateEnsemble("stacking").fit([m[rows] for m in models], labels[rows])
    combined = ensemble.predict_proba(models)
    assert (combined[:, 1] == 0).all()
    np.testing.assert_allclose(combined.sum(axis=1), 1)


@pytest.mark.parametrize("rule", ["mean", "product", "weights", "vote", "stacking"])
def test_every_rule_gives_probabilities_also_where_models_are_wholly_sure(rule):
    labels, models = predictions(50, (1.0, 1.0))
    sure = np.eye(3)[models[0].argmax(axis=1)]
    one_hot = np.eye(3)[labels]
    ensemble = LateEnsemble(rule).fit([sure, models[1]], one_hot)
    combined = ensemble.predict_proba([sure, models[1]])
    assert combined.min() >= 0 and combined.shape == (50, 3)
    np.testing.assert_allclose(combined.sum(axis=1), 1)


def test_mistakes_are_named():
    labels, models = predictions(10, (1.0, 1.0))
    with pytest.raises(ValueError, match="'median'"):
        LateEnsemble("median")
    with pytest.raises(ValueError, match="call `fit`"):
        LateEnsemble("weights").predict_proba(models)
    with pytest.raises(ValueError, match=r"for classification.*from -2"):
        LateEnsemble("mean").predict_proba([np.full((10, 3), -2.0)])
    with pytest.raises(ValueError, match=r"shapes \[\(10, 3\), \(9, 3\)\]"):
        LateEnsemble("mean").predict_proba([models[0], models[1][:9]])
    with pytest.raises(ValueError, match="10 class numbers from 0 to 2"):
        LateEnsemble("mean").fit(models, labels + 1)
    with pytest.raises(ValueError, match=r"fitted on 2 models and 3 classes.*1 models"):
        LateEnsemble("stacking").fit(models, labels).predict_proba(models[:1])
