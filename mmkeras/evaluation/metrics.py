"""Test metrics by task, from scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics as sk


def evaluate_predictions(task: str, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """The figures of one model on one set of rows.

    Args:
        task: `"classification"`, `"multilabel"` or `"regression"`.
        targets: One-hot or multi-hot rows, or numbers in the target's own unit;
            `(rows, outputs)`.
        outputs: Probabilities, or numbers in the target's own unit; `(rows, outputs)`.

    Returns:
        For classification accuracy, balanced accuracy (mean recall of the classes that occur),
        macro-F1 and log loss; for multi-label, at threshold 0.5, micro- and macro-F1, the share
        of rows that are wholly right (subset accuracy) and log loss; for regression the mean
        absolute error, root mean squared error and R².
    """
    if targets.shape != outputs.shape:
        raise ValueError(
            f"Targets and outputs must have one shape. Received: {targets.shape} and "
            f"{outputs.shape}."
        )
    if task == "classification":
        true, guess = targets.argmax(axis=1), outputs.argmax(axis=1)
        labels = np.arange(outputs.shape[1])
        occurring = np.unique(true)
        recalls = [np.mean(guess[true == label] == label) for label in occurring]
        return _floats(
            accuracy=sk.accuracy_score(true, guess),
            balanced_accuracy=np.mean(recalls),
            macro_f1=sk.f1_score(true, guess, average="macro", zero_division=0),
            log_loss=sk.log_loss(true, _normalised(outputs), labels=labels),
        )
    if task == "multilabel":
        guess = (outputs >= 0.5).astype(int)
        true = targets.astype(int)
        clipped = np.clip(outputs.astype(np.float64), 1e-7, 1 - 1e-7)
        loss = -(true * np.log(clipped) + (1 - true) * np.log1p(-clipped)).mean()
        return _floats(
            micro_f1=sk.f1_score(true, guess, average="micro", zero_division=0),
            macro_f1=sk.f1_score(true, guess, average="macro", zero_division=0),
            subset_accuracy=sk.accuracy_score(true, guess),
            log_loss=loss,
        )
    if task == "regression":
        return _floats(
            mae=sk.mean_absolute_error(targets, outputs),
            rmse=np.sqrt(sk.mean_squared_error(targets, outputs)),
            r2=sk.r2_score(targets, outputs) if len(targets) > 1 else np.nan,
        )
    raise ValueError(f"No metrics for the task {task!r}.")


def headline(task: str) -> tuple[str, str]:
    """The two figures of a task that a comparison shows first."""
    return {
        "classification": ("accuracy", "macro_f1"),
        "multilabel": ("micro_f1", "macro_f1"),
        "regression": ("rmse", "r2"),
    }[task]


def _normalised(outputs: np.ndarray) -> np.ndarray:
    outputs = outputs.astype(np.float64)
    return outputs / outputs.sum(axis=1, keepdims=True)


def _floats(**values: Any) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
