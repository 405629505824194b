"""Losses of classes: weighted, and focal."""

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from mmkeras.schema import Label, Labels, Number, StepLabels, Targets
from mmkeras.tasks import LabelsTask, LabelTask, NumberTask, SeveralTask, StepLabelsTask

RNG = np.random.default_rng(0)
LABEL = LabelTask(Label("kind"), ("a", "b", "c"))
LABELS = LabelsTask(Labels("tags"), ("x", "y"))
ONE_HOT = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1, 2]]
SHARES = RNG.dirichlet(np.ones(3), 6).astype(np.float32)
MANY_HOT = np.array([[1, 0], [0, 0], [0, 1], [0, 1]], np.float32)
CHANCES = RNG.uniform(0.1, 0.9, (4, 2)).astype(np.float32)


def test_balanced_weights_are_those_of_scikit_learn():
    weights = LABEL.class_weights(ONE_HOT)
    true = ONE_HOT.argmax(1)
    np.testing.assert_allclose(
        weights, compute_class_weight("balanced", classes=np.arange(3), y=true)
    )
    for place, pair in enumerate(LABELS.class_weights(MANY_HOT)):
        expected = compute_class_weight("balanced", classes=np.arange(2), y=MANY_HOT[:, place])
        np.testing.assert_allclose(pair, expected)
    # What no row has, or all have, is weighed by a number all the same.
    assert np.isfinite(LABEL.class_weights(ONE_HOT[:4])).all()
    assert LABELS.class_weights(np.ones((4, 2)))[0] == [1.0, 0.5]


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_of_one_class_each_row_weighs_what_its_class_does(gamma):
    weights = [0.5, 2.0, 3.0]
    loss = LABEL.loss(gamma=gamma, class_weights=weights)
    right = (SHARES * ONE_HOT).sum(1)
    by_hand = -np.array(weights)[ONE_HOT.argmax(1)] * (1 - right) ** gamma * np.log(right)
    assert float(loss(ONE_HOT, SHARES)) == pytest.approx(by_hand.mean(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_of_several_labels_presence_and_absence_are_weighed(gamma):
    weights = [[0.5, 2.0], [1.0, 3.0]]
    loss = LABELS.loss(gamma=gamma, class_weights=weights)
    right = np.where(MANY_HOT, CHANCES, 1 - CHANCES)
    each = np.array(weights)[np.arange(2), MANY_HOT.astype(int)]
    by_hand = -each * (1 - right) ** gamma * np.log(right)
    assert float(loss(MANY_HOT, CHANCES)) == pytest.approx(by_hand.mean(), rel=1e-5)


def test_without_weights_a_focal_loss_of_gamma_near_zero_is_the_cross_entropy():
    for task, true, said in ((LABEL, ONE_HOT, SHARES), (LABELS, MANY_HOT, CHANCES)):
        plain, focal = (float(task.loss(0.1, gamma=g)(true, said)) for g in (0.0, 1e-6))
        assert focal == pytest.approx(plain, rel=1e-4)


def test_padding_counts_for_nothing_in_the_weighted_loss_of_steps():
    steps = StepLabelsTask(StepLabels("moods"), ("a", "b", "c"))
    loss = steps.loss(class_weights=[0.5, 2.0, 3.0])
    true, said = ONE_HOT.reshape(2, 3, 3), SHARES.reshape(2, 3, 3)
    real = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    kept = real.reshape(-1) > 0
    by_hand = LABEL.loss(class_weights=[0.5, 2.0, 3.0])(ONE_HOT[kept], SHARES[kept])
    assert float(loss(true, said, real)) == pytest.approx(float(by_hand), rel=1e-5)


def test_several_targets_weigh_those_that_have_classes():
    from mmkeras.decoders import HeadsDecoder

    parts = (LABEL, NumberTask(Number("age")), LABELS)
    task = SeveralTask(Targets((Label("kind"), Number("age"), Labels("tags"))), parts)
    rows = MANY_HOT.shape[0]
    true = np.concatenate([ONE_HOT[:rows], np.ones((rows, 1)), MANY_HOT], 1).astype(np.float32)
    said = np.concatenate([SHARES[:rows], np.zeros((rows, 1)), CHANCES], 1).astype(np.float32)
    weights = task.class_weights(true)
    assert task.learns_classes and weights[1] is None
    heads = HeadsDecoder(("label", "number", "labels"), (3, 1, 2), ("kind", "age", "tags"))
    loss = heads.loss(gamma=2.0, class_weights=weights)
    by_hand = (
        LABEL.loss(gamma=2.0, class_weights=weights[0])(true[:, :3], said[:, :3])
        + 1.0
        + LABELS.loss(gamma=2.0, class_weights=weights[2])(true[:, 4:], said[:, 4:])
    )
    assert float(loss(true, said)) == pytest.approx(float(by_hand), rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(true, said)) == pytest.approx(float(loss(true, said)))
