"""What a classical model says of rows, its settings chosen inside the training rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor

from mmkeras.classical.floor.methods import Method, total_variance
from mmkeras.evaluation.calibration import apply_temperature, fit_temperature
from mmkeras.tasks import Task

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Answers:
    """What one method says, by the views that it sees.

    Args:
        method: Its name.
        views: Which views it sees.
        setting: What was chosen, in words.
        inner: Its outputs for the training rows, each from a model that has not seen the row,
            `(training rows, outputs)`.
        outputs: By part, its outputs for the rows to be judged, `(rows, outputs)`.
        seconds: How long it took.
    """

    method: str
    views: tuple[str, ...]
    setting: str
    inner: np.ndarray
    outputs: dict[str, np.ndarray]
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """Which model it is, in a few words."""
        parts = f" ({self.setting})" if ":" in self.setting else ""
        return f"{self.method}{parts} on {' + '.join(self.views)}"


def answer(
    method: Method,
    X: Any,
    judged: dict[str, Any],
    targets: np.ndarray,
    task: Task,
    folds: Folds,
    seed: int,
) -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
    """Chooses a method's setting by the training rows' folds, then trains on all of them.

    Args:
        method: Which.
        X: The training rows' features, `(rows, features)`.
        judged: By part, those of the rows to answer for.
        targets: The training rows', as the task encodes them.
        task: The fitted target.
        folds: Of the training rows.
        seed: Of methods that draw.

    Returns:
        The setting, the training rows' outputs from models that have not seen them, and the judged
        rows' outputs. Probabilities are calibrated on the former by one temperature.
    """
    make = method.estimator(task.has_classes)
    assert make is not None
    found = {}
    for setting in method.settings:
        inner = np.zeros((len(targets), task.num_outputs))
        for train, held in folds:
            predict = fit_outputs(make(setting, seed), X[train], targets[train], task)
            inner[held] = predict(X[held])
        found[setting] = inner
    best = max(found, key=lambda setting: task.main.sign * _score(task, targets, found[setting]))
    predict = fit_outputs(make(best, seed), X, targets, task)
    inner, outputs = found[best], {part: predict(rows) for part, rows in judged.items()}
    if task.has_classes:
        temperature = fit_temperature(targets, inner)
        inner = apply_temperature(inner, temperature)
        outputs = {part: apply_temperature(each, temperature) for part, each in outputs.items()}
    return best, inner, outputs


def _score(task: Task, targets: np.ndarray, outputs: np.ndarray) -> float:
    return task.main_score(task.own_unit(targets), task.own_unit(outputs))


def fit_outputs(
    estimator: BaseEstimator, X: Any, targets: np.ndarray, task: Task
) -> Callable[[Any], np.ndarray]:
    """Trains an estimator; returns what gives its outputs, as a deep model has them.

    Args:
        estimator: A classifier where the task has classes, otherwise a regressor.
        X: `(rows, features)`.
        targets: As the task encodes them, `(rows, outputs)`.
        task: The fitted target.
    """
    with warnings.catch_warnings():
        # Few rows: a label that all have, a class with one row, a solver's last digits.
        warnings.simplefilter("ignore")
        if not task.has_classes:
            if targets.shape[1] > 1:
                estimator = MultiOutputRegressor(estimator)
            y = targets if targets.shape[1] > 1 else targets[:, 0]
            estimator.fit(X, y)
            return lambda rows: estimator.predict(rows).reshape(-1, targets.shape[1])
        if not task.single_label:
            model = OneVsRestClassifier(estimator).fit(X, targets.astype(int))
            # Of a single label, scikit-learn gives the probability of its absence first.
            labels = targets.shape[1]
            return lambda rows: _probabilities(model, rows, expit)[:, -labels:]
        classes = targets.argmax(axis=1)
        known = np.unique(classes)
        if len(known) == 1:
            return lambda rows: np.tile(np.eye(targets.shape[1])[known], (rows.shape[0], 1))
        estimator.fit(X, classes)

    def outputs(rows: Any) -> np.ndarray:
        # A fold's training rows may lack a class.
        spread = np.zeros((rows.shape[0], targets.shape[1]))
        spread[:, known] = _probabilities(estimator, rows, lambda d: softmax(d, axis=1))
        return spread

    return outputs


def _probabilities(model: Any, X: Any, link: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X))
    decisions = model.decision_function(X)
    if decisions.ndim == 1:  # of two classes, the second
        decisions = np.stack([-decisions, decisions], axis=1) / 2
    return link(decisions)


def scaled(views: Sequence[Any]) -> list[float]:
    """What to divide each view by for a total variance of 1."""
    return [float(np.sqrt(max(total_variance(view), 1e-12))) for view in views]


def side_by_side(views: Sequence[Any], scales: Sequence[float]) -> Any:
    """Views next to each other, each divided by its scale; sparse if one of them is."""
    blocks = [view / scale for view, scale in zip(views, scales, strict=True)]
    if any(sparse.issparse(block) for block in blocks):
        return sparse.hstack([sparse.csr_matrix(block) for block in blocks], format="csr")
    return np.hstack(blocks)
