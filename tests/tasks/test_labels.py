import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mmkeras.evaluation.performance import by_class
from mmkeras.schema import Labels
from mmkeras.tasks import LabelsTask
from mmkeras.tasks.samples_f1 import SamplesF1
from mmkeras.tasks.thresholds import fit_thresholds

TASK = LabelsTask(Labels("tags"), ("a", "b", "c"))


def test_figures():
    targets = np.array([[1, 0, 1], [0, 1, 0]], float)
    outputs = np.array([[0.9, 0.2, 0.8], [0.3, 0.4, 0.1]])
    found = TASK.all_figures(targets, outputs)
    assert found["subset_accuracy"] == 0.5
    assert found["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert found["samples_f1"] == 0.5
    by_hand = -np.log([0.9, 0.8, 0.8, 0.7, 0.4, 0.9]).mean()
    assert found["log_loss"] == pytest.approx(by_hand)
    assert found["brier"] == pytest.approx(np.square(outputs - targets).mean())


def test_f1_over_rows_is_that_of_scikit_learn_in_numpy_and_in_keras():
    rng = np.random.default_rng(0)
    targets = (rng.random((50, 3)) < 0.3).astype(float)
    outputs = rng.random((50, 3)) * 0.8
    expected = f1_score(targets > 0, outputs >= 0.5, average="samples", zero_division=1.0)
    assert (targets.sum(axis=1) == 0).any(), "rows without a label are among them"
    assert TASK.main_score(targets, outputs) == pytest.approx(expected)
    metric = SamplesF1()
    metric.update_state(targets, outputs)
    assert float(metric.result()) == pytest.approx(expected)


def test_the_best_constant_answer_may_be_no_label_at_all():
    # The first label alone: rows score 1, 1, 0; both: 2/3, 2/3, 2/3.
    labels = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert TASK.constant_score(labels) == pytest.approx(2 / 3)
    rare = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert TASK.constant_score(rare) == pytest.approx(3 / 4)
    assert TASK.constant_words(rare) == "always 'no label'"
    assert TASK.constant_words(labels).startswith("always 'a")
    never, untuned = TASK.remarks(rare, np.zeros((4, 3)))
    assert never == "1 of 3 labels are never predicted: 'a' (true of 1)."
    assert "one half" in untuned


def test_thresholds_find_rare_labels_that_one_half_never_gives():
    rng = np.random.default_rng(0)
    names = tuple(f"t{place:02}" for place in range(20))
    task = LabelsTask(Labels("tags"), names)
    targets = (rng.random((400, 20)) < 0.04).astype(float)
    # A model that ranks well, and is never sure.
    outputs = np.clip(0.08 + 0.2 * targets + 0.05 * rng.normal(size=targets.shape), 0.01, 0.45)
    assert not task.said(outputs).any()
    tuned = task.tuned(targets[:200], outputs[:200])
    assert tuned.figures(targets[200:], outputs[200:])["macro_f1"] > 0.8
    assert task.figures(targets[200:], outputs[200:])["macro_f1"] == 0
    columns = tuned.prediction_columns(pd.DataFrame(index=range(200)), outputs[200:])
    assert (columns["predicted"] != "").sum() > 80
    assert tuned.remarks(targets[200:], outputs[200:]) == []
    assert by_class(tuned, targets[200:], outputs[200:])["F1"].min() > 0.5


def test_a_threshold_is_drawn_towards_the_shared_one_where_a_label_is_rare():
    rng = np.random.default_rng(0)
    targets = np.zeros((1000, 3))
    targets[:400, 0], targets[:1, 1] = 1, 1
    outputs = np.where(targets > 0, 0.3, 0.1)
    outputs[:, 1] = np.where(targets[:, 1] > 0, 0.95, 0.9)
    often, once, never = fit_thresholds(targets, outputs)
    assert often == pytest.approx(0.2, abs=0.02)
    # One row with the label says little, none nothing: theirs is near, or is, the shared one.
    assert never < once < (never + 0.925) / 2
    none = fit_thresholds(np.zeros((5, 2)), rng.random((5, 2)))
    np.testing.assert_allclose(none, 0.5)


def test_labels_are_counted_and_joined_by_the_separator():
    frame = pd.DataFrame({"tags": ["a;b", "b", "", "b;c"]})
    target = Labels("tags", separator=";")
    assert LabelsTask.class_counts(frame, target).to_dict() == {"b": 3, "a": 1, "c": 1}
    fitted = LabelsTask.fit(frame, target)
    assert fitted.decode(fitted.encode(frame)).tolist() == ["a;b", "b", "", "b;c"]


def test_a_single_label_with_a_column_of_its_own_is_learnt_and_judged():
    frame = pd.DataFrame({"p": [1.0, 0.0, 1.0, 0.0]})
    fitted = LabelsTask.fit(frame, Labels(("p",)))
    targets = fitted.encode(frame)
    assert targets.tolist() == [[1], [0], [1], [0]]
    outputs = np.array([[0.9], [0.2], [0.1], [0.7]])
    figures = fitted.all_figures(targets, outputs)
    assert figures["micro_f1"] == figures["macro_f1"] == 0.5
    assert figures["samples_f1"] == figures["subset_accuracy"] == 0.5
    table = by_class(fitted, targets, outputs)
    assert table.loc["p", ["rows", "precision", "recall", "F1"]].tolist() == [2, 0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match="nothing to tell apart"):
        LabelsTask.fit(frame.assign(p=1.0), Labels(("p",)))
