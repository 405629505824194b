import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from mmkeras.schema import Label, StepLabels
from mmkeras.tasks import LabelTask, StepLabelsTask, task_class

TASK = LabelTask(Label("kind"), tuple("abcd"))


def test_figures_are_those_of_scikit_learn(answers):
    targets, outputs = answers
    true, guess = targets.argmax(1), outputs.argmax(1)
    found = TASK.all_figures(targets, outputs)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(true, guess))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(true, guess))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(true, guess, average="macro"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(true, outputs))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(true, outputs, multi_class="ovr"))
    mean = np.mean([sk.average_precision_score(targets[:, i], outputs[:, i]) for i in range(4)])
    assert found["average_precision"] == pytest.approx(mean)
    assert found["brier"] == pytest.approx(np.square(outputs - targets).sum(1).mean())


def test_a_class_that_does_not_occur_counts_for_nothing_in_the_balanced_accuracy(answers):
    targets, outputs = answers
    true = targets.argmax(1) % 3
    found = TASK.figures(np.eye(4)[true], outputs)
    recalls = [np.mean(outputs.argmax(1)[true == c] == c) for c in range(3)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert np.isfinite(TASK.all_figures(np.eye(4)[true], outputs)["roc_auc"])


def test_the_best_constant_answer_is_the_most_frequent_class():
    targets = np.eye(4)[[1, 1, 0, 2]]
    assert TASK.constant_score(targets) == 0.5
    assert TASK.constant_words(targets) == "always 'b'"
    always = np.eye(4)[[1, 1, 1, 1]]
    expected = sk.f1_score(targets.argmax(1), always.argmax(1), average="macro")
    assert TASK.constant_figures(targets) == {"accuracy": 0.5, "macro_f1": pytest.approx(expected)}


def test_of_two_classes_the_area_under_the_curve_is_a_figure(answers):
    two = LabelTask(Label("kind"), ("a", "b"))
    rng = np.random.default_rng(0)
    targets, outputs = np.eye(2)[rng.integers(0, 2, 50)], rng.dirichlet(np.ones(2), 50)
    expected = sk.roc_auc_score(targets[:, 1], outputs[:, 1])
    assert two.figures(targets, outputs)["roc_auc"] == pytest.approx(expected)
    assert two.constant_figures(targets)["roc_auc"] == 0.5
    # Of one class there is no curve, and of several none in the table.
    assert "roc_auc" not in two.figures(targets[targets[:, 0] > 0], outputs[targets[:, 0] > 0])
    assert "roc_auc" not in TASK.figures(*answers)


def test_classes_that_are_never_predicted_are_named():
    targets, outputs = np.eye(4)[[0, 1, 1, 2, 3]], np.eye(4)[[0, 0, 0, 0, 3]]
    assert TASK.remarks(targets, outputs) == [
        "2 of 4 classes are never predicted: 'b' (true of 2), 'c' (true of 1)."
    ]
    # A class that no row has need not be predicted.
    assert TASK.remarks(targets[:1], outputs[:1]) == []


def test_classes_are_counted_the_most_frequent_first():
    frame = pd.DataFrame({"label": [2, 1, 2, 10]})
    counts = LabelTask.class_counts(frame, Label("label"))
    assert counts.to_dict() == {"2": 2, "1": 1, "10": 1}
    assert counts.index.tolist() == ["2", "1", "10"]
    steps = pd.DataFrame({"moods": ["up|up", "down"]})
    assert StepLabelsTask.class_counts(steps, StepLabels("moods")).to_dict() == {"up": 2, "down": 1}


def test_a_single_class_is_nothing_to_tell_apart():
    with pytest.raises(ValueError, match=r"1 class.*nothing to tell apart"):
        LabelTask.fit(pd.DataFrame({"kind": ["a", "a"]}), Label("kind"))


def test_an_empty_cell_is_named_by_its_row():
    frame = pd.DataFrame({"kind": ["a", "b", None]}, index=[7, 8, 9])
    with pytest.raises(ValueError, match=r"index 9: the target 'kind' is empty"):
        LabelTask.fit(frame, Label("kind"))
    with pytest.raises(ValueError, match=r"index 9.*empty"):
        LabelTask.fit(frame[:2], Label("kind")).encode(frame)


def test_an_unknown_task_is_refused_with_the_names():
    with pytest.raises(ValueError, match=r"'label'.*Label\('species'\).*'ranking'"):
        task_class("ranking")
    with pytest.raises(ValueError, match="None"):
        task_class(None)


def test_of_many_classes_those_with_the_most_mistakes_are_drawn_and_the_others_are_in_a_table():
    task = LabelTask(Label("kind"), tuple(f"class {number}" for number in range(1000)))
    true = np.repeat(np.arange(1000), 4)
    guess = true.copy()
    guess[true == 900] = 3  # all four
    guess[4 * np.arange(100, 130)] += 1  # one of each of 30
    targets, outputs = np.eye(1000)[true], np.eye(1000)[guess]
    ((figure, caption),) = task.pictures(targets, outputs).values()
    axes = figure.axes[0]
    drawn = [label.get_text() for label in axes.get_yticklabels()]
    assert len(drawn) == 25 and {"class 3", "class 900", "class 101"} <= set(drawn)
    assert drawn == sorted(drawn, key=lambda name: int(name.split()[1]))
    assert len(axes.texts) < 100, "counts, of what is not zero"
    assert "'class 3' for 'class 900': 4 of 4" in caption
    assert "The 25 of 1,000 classes with the most mistakes are drawn" in caption
    ((table, said),) = task.tables(targets, outputs).values()
    assert "most frequent first" in said
    assert table.iloc[0].tolist() == ["class 3", 4, 1.0] and table.index[0] == "class 900"
    assert table["rows"].sum() == 34 and len(table) == 31
    assert TASK.tables(np.eye(4), np.eye(4)) == {}
