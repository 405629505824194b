"""Late fusion: what models of single views say, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from mmkeras.classical.floor.answers import Answers, Folds, fit_outputs
from mmkeras.tasks import Task

_SMALLEST = 1e-6


def mean(answers: Sequence[Answers], targets: np.ndarray, task: Task, folds: Folds) -> Answers:
    """The mean of the views' outputs."""
    return _apply("late mean", answers, lambda outputs: np.mean(outputs, axis=0))


def product(answers: Sequence[Answers], targets: np.ndarray, task: Task, folds: Folds) -> Answers:
    """The product of the views' probabilities, each class' prior once.

        p(y | x_1, ..., x_V)  ~  p(y)^(1 - V) prod_v p(y | x_v)

    It is right where, given the class, the views know nothing of each other. Of labels, each has
    its own.
    """
    prior = np.clip(targets.mean(axis=0), _SMALLEST, 1 - _SMALLEST)
    views = len(answers)

    def combine(outputs: Sequence[np.ndarray]) -> np.ndarray:
        clipped = np.clip(outputs, _SMALLEST, 1 - _SMALLEST)
        yes = np.log(clipped).sum(axis=0) + (1 - views) * np.log(prior)
        if task.single_label:
            yes = np.exp(yes - yes.max(axis=1, keepdims=True))
            return yes / yes.sum(axis=1, keepdims=True)
        no = np.log1p(-clipped).sum(axis=0) + (1 - views) * np.log1p(-prior)
        return 1 / (1 + np.exp(no - yes))

    return _apply("late product", answers, combine)


def stacking(answers: Sequence[Answers], targets: np.ndarray, task: Task, folds: Folds) -> Answers:
    """A linear model of all outputs, learnt on the training rows' outer ones (Wolpert, 1992)."""

    def features(outputs: Sequence[np.ndarray]) -> np.ndarray:
        joined = np.concatenate(outputs, axis=1)
        return np.log(np.clip(joined, _SMALLEST, 1)) if task.has_classes else joined

    def fresh():
        return LogisticRegression(C=0.1, max_iter=1000) if task.has_classes else Ridge(1.0)

    X = features([each.inner for each in answers])
    inner = np.zeros((len(targets), task.num_outputs))
    for train, held in folds:
        inner[held] = fit_outputs(fresh(), X[train], targets[train], task)(X[held])
    predict = fit_outputs(fresh(), X, targets, task)
    return _joined(
        "stacking",
        answers,
        inner,
        {
            part: predict(features([each.outputs[part] for each in answers]))
            for part in answers[0].outputs
        },
    )


def _apply(
    name: str, answers: Sequence[Answers], combine: Callable[[Sequence[np.ndarray]], np.ndarray]
) -> Answers:
    parts = {part: combine([each.outputs[part] for each in answers]) for part in answers[0].outputs}
    return _joined(name, answers, combine([each.inner for each in answers]), parts)


def _joined(
    name: str, answers: Sequence[Answers], inner: np.ndarray, outputs: dict[str, np.ndarray]
) -> Answers:
    of = ", ".join(f"{'+'.join(each.views)}: {each.method}" for each in answers)
    views = tuple(dict.fromkeys(view for each in answers for view in each.views))
    return Answers(name, views, of, inner, outputs)
