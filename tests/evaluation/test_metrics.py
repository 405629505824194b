import numpy as np
import pytest
from sklearn import metrics as sk

from mmkeras.evaluation.metrics import evaluate_predictions
from mmkeras.reports.run_report import comparison_table, format_table, proportion_interval


def test_classification_figures_are_scikit_learns():
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(4), 200)
    true = rng.integers(0, 3, 200)  # the fourth class does not occur
    ours = evaluate_predictions("classification", np.eye(4)[true], outputs)
    guess = outputs.argmax(1)
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(true, guess))
    assert ours["macro_f1"] == pytest.approx(sk.f1_score(true, guess, average="macro"))
    assert ours["log_loss"] == pytest.approx(sk.log_loss(true, outputs, labels=range(4)))
    recalls = [np.mean(guess[true == c] == c) for c in range(3)]
    assert ours["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_multilabel_figures():
    targets = np.array([[1, 0, 1], [0, 1, 0]], float)
    outputs = np.array([[0.9, 0.2, 0.8], [0.3, 0.4, 0.1]])
    ours = evaluate_predictions("multilabel", targets, outputs)
    assert ours["subset_accuracy"] == 0.5
    assert ours["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1))
    by_hand = -np.log([0.9, 0.8, 0.8, 0.7, 0.4, 0.9]).mean()
    assert ours["log_loss"] == pytest.approx(by_hand)


def test_regression_figures():
    ours = evaluate_predictions("regression", np.array([[1.0], [3.0]]), np.array([[2.0], [3.0]]))
    assert ours == pytest.approx({"mae": 0.5, "rmse": np.sqrt(0.5), "r2": 0.5})


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        evaluate_predictions("classification", np.zeros((3, 2)), np.zeros((3, 4)))


def test_wilson_interval_by_hand():
    # Newcombe 1998, table I: 81 of 263, method 3.
    low, high = proportion_interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = proportion_interval(1.0, 10)
    assert low == pytest.approx(0.7225, abs=1e-4) and high == pytest.approx(1.0)


def test_comparison_is_a_readable_table():
    metrics = {
        "test": {"accuracy": 0.91234, "macro_f1": 0.9},
        "parameters": 12345,
        "seconds": 61.26,
        "best_epoch": 7,
    }
    text = format_table(comparison_table({"fused": metrics}, "classification"))
    assert text.splitlines()[0].split()[1] == "model"
    assert "0.912" in text and "12,345" in text and "61.3" in text
    assert len({len(line) for line in text.splitlines()}) == 1
