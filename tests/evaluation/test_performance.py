import numpy as np
import pytest
from sklearn import metrics as sk

from mmkeras.evaluation.performance import (
    by_class,
    performance_intervals,
)
from mmkeras.schema import Label, Labels
from mmkeras.tasks import LabelsTask, LabelTask
from mmkeras.tasks.class_figures import class_curves

CLASSES = LabelTask(Label("kind"), tuple("abcd"))
LABELS = LabelsTask(Labels("tags"), ("a", "b"))


def test_areas_with_ties_are_those_of_scikit_learn(answers):
    targets, outputs = answers
    found = class_curves(targets, outputs)
    for i in range(4):
        assert found["roc_auc"][i] == pytest.approx(sk.roc_auc_score(targets[:, i], outputs[:, i]))
        assert found["average_precision"][i] == pytest.approx(
            sk.average_precision_score(targets[:, i], outputs[:, i])
        )


def test_a_class_that_no_row_has_has_no_area_(answers):
    targets, outputs = answers
    targets = np.eye(4)[targets.argmax(1) % 3]
    assert np.isnan(class_curves(targets, outputs)["roc_auc"][3])


def test_the_table_of_classes_is_scikit_learns(answers):
    targets, outputs = answers
    table = by_class(CLASSES, targets, outputs)
    precision, recall, f1, rows = sk.precision_recall_fscore_support(
        targets.argmax(1), outputs.argmax(1), zero_division=0
    )
    np.testing.assert_allclose(table["precision"], precision)
    np.testing.assert_allclose(table["recall"], recall)
    np.testing.assert_allclose(table["F1"], f1)
    np.testing.assert_array_equal(table["rows"], rows)


def test_labels_apply_from_one_half_also_where_each_row_has_one():
    targets = np.eye(2)[[0, 1]]
    table = by_class(LABELS, targets, np.array([[0.7, 0.9], [0.2, 0.9]]))
    assert table["recall"].tolist() == [1.0, 1.0]
    assert table["precision"].tolist() == [1.0, 0.5]


def test_intervals_hold_the_value_and_shrink_with_more_rows():
    rng = np.random.default_rng(3)
    right = rng.random(1000) < 0.8
    targets = np.tile([1.0, 0.0], (1000, 1))
    outputs = np.where(right[:, None], [[0.7, 0.3]], [[0.4, 0.6]])
    few = performance_intervals(CLASSES, targets[:100], outputs[:100], draws=300)
    many = performance_intervals(CLASSES, targets, outputs, draws=300)
    value, low, high = many.loc["accuracy"]
    assert low < value < high
    # The normal approximation of a proportion.
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert high - low == pytest.approx(2 * half, rel=0.2)
    wide = few.loc["accuracy", "high"] - few.loc["accuracy", "low"]
    assert wide == pytest.approx(np.sqrt(10) * (high - low), rel=0.35)


def test_rows_of_one_group_are_drawn_together():
    rng = np.random.default_rng(4)
    right = np.repeat(rng.random(20) < 0.5, 10)
    targets = np.tile([1.0, 0.0], (200, 1))
    outputs = np.where(right[:, None], [[0.7, 0.3]], [[0.4, 0.6]])
    groups = np.repeat(np.arange(20), 10)
    alone = performance_intervals(CLASSES, targets, outputs, draws=300)
    drawn = performance_intervals(CLASSES, targets, outputs, groups=groups, draws=300)
    width, group_width = (
        t.loc["accuracy", "high"] - t.loc["accuracy", "low"] for t in (alone, drawn)
    )
    assert group_width == pytest.approx(np.sqrt(10) * width, rel=0.35)
