import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mmkeras.evaluation.performance import by_class
from mmkeras.schema import Labels
from mmkeras.tasks import LabelsTask
from mmkeras.tasks.samples_f1 import SamplesF1

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
    assert TASK.remarks(rare, np.zeros((4, 3))) == [
        "1 of 3 labels are never predicted: 'a' (true of 1)."
    ]


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
