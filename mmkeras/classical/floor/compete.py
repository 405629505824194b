"""Every method on each view and on all of them, then late fusion: one competition on one split."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.classical.floor import late
from mmkeras.classical.floor.answers import Answers, Folds, answer, scaled, side_by_side
from mmkeras.classical.floor.methods import METHODS, Method
from mmkeras.progress import ProgressBar
from mmkeras.tasks import Task

CONSTANT = "constant"
_LATE = (late.mean, late.product, late.stacking)


def compete(
    train: Mapping[str, Any],
    judged: Mapping[str, Mapping[str, Any]],
    targets: np.ndarray,
    task: Task,
    folds: Folds,
    *,
    methods: Sequence[str] = tuple(METHODS),
    seed: int = 0,
    progress: ProgressBar | None = None,
) -> list[Answers]:
    """Trains every method on each view alone and on all side by side, and fuses decisions.

    Args:
        train: The training rows' features by view, `(rows, features)` each.
        judged: By part, the same of the rows to answer for.
        targets: The training rows', as the task encodes them, `(rows, outputs)`.
        task: The fitted target.
        folds: Of the training rows: choose settings, and what late fusion is learnt on.
        methods: Names of `METHODS`.
        seed: Of methods that draw.
        progress: Counts the methods and views that are done; see `count`.

    Returns:
        The best constant answer; each method on each view and on all; and, of several views, the
        late fusions of the method that is best on each view inside the training rows.
    """
    names = list(train)
    scales = dict(zip(names, scaled([train[name] for name in names]), strict=True))
    usable = _usable(methods, task, len(targets))
    found = [_constant(targets, judged, tuple(names))]
    for views in subsets_of(names):
        own = [scales[name] for name in views]
        X = side_by_side([train[name] for name in views], own)
        rows = {p: side_by_side([part[n] for n in views], own) for p, part in judged.items()}
        widths = [train[name].shape[1] for name in views]
        for key, method in usable.items():
            if method.several:
                if len(views) == 1:
                    continue
                method = _with_views(method, widths)
            began = time.perf_counter()
            setting, inner, outputs = answer(method, X, rows, targets, task, folds, seed)
            seconds = time.perf_counter() - began
            found.append(Answers(key, views, f"{setting:g}", inner, outputs, seconds))
            if progress is not None:
                progress.add()
    if len(names) > 1:
        alone = [
            best([each for each in found[1:] if each.views == (name,)], targets, task)
            for name in names
        ]
        for fuse in _LATE:
            if task.has_classes or fuse is not late.product:
                began = time.perf_counter()
                fused = fuse(alone, targets, task, folds)
                seconds = time.perf_counter() - began + sum(each.seconds for each in alone)
                found.append(dataclasses.replace(fused, seconds=seconds))
    return found


def subsets_of(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Each view alone, and all.

    >>> subsets_of(["image", "text"]), subsets_of(["text"])
    ([('image',), ('text',), ('image', 'text')], [('text',)])
    """
    return [*((name,) for name in names), *[tuple(names)] * (len(names) > 1)]


def count(names: Sequence[str], methods: Sequence[str], task: Task, rows: int) -> int:
    """How many trainings `compete` counts."""
    usable = _usable(methods, task, rows).values()
    several = sum(method.several for method in usable)
    return len(subsets_of(names)) * (len(usable) - several) + several * (len(names) > 1)


def best(
    answers: Sequence[Answers], targets: np.ndarray, task: Task, *, tuned: bool = False
) -> Answers:
    """The answers with the best main figure inside the training rows; the first of equal ones.

    Args:
        answers: Of several methods.
        targets: Of the training rows.
        task: The fitted target.
        tuned: Whether each is judged with thresholds that suit it, where the target has any.
    """
    true = task.own_unit(targets)

    def score(each: Answers) -> float:
        said = task.own_unit(each.inner)
        own = task.tuned(true, said) if tuned else task
        return task.main.sign * own.main_score(true, said)

    return max(answers, key=score)


def _with_views(method: Method, widths: list[int]) -> Method:
    """The method, told how wide each view is."""

    def told(make: Any) -> Any:
        return make and (lambda setting, seed: make(setting, seed).set_params(views=widths))

    return dataclasses.replace(
        method, classifier=told(method.classifier), regressor=told(method.regressor)
    )


def _usable(methods: Sequence[str], task: Task, rows: int) -> dict[str, Method]:
    return {
        key: METHODS[key]
        for key in methods
        if METHODS[key].estimator(task.has_classes) is not None and rows <= METHODS[key].most_rows
    }


def _constant(
    targets: np.ndarray, judged: Mapping[str, Mapping[str, Any]], views: tuple[str, ...]
) -> Answers:
    shares = targets.mean(axis=0, dtype=np.float64)
    rows = {part: next(iter(X.values())).shape[0] for part, X in judged.items()}
    outputs = {part: np.tile(shares, (number, 1)) for part, number in rows.items()}
    return Answers(CONSTANT, views, "", np.tile(shares, (len(targets), 1)), outputs)
