"""The floor of a deep experiment: classical models on the very same rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from mmkeras.classical.features import ModalityFeatures
from mmkeras.classical.floor.compete import best, compete, count
from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.tables.splits import k_folds
from mmkeras.evaluation.bootstrap import Difference, compare_paired
from mmkeras.progress import ProgressBar
from mmkeras.schema import Schema
from mmkeras.tasks import Task, task_class

METHODS = ("linear", "svm")  # what is quick
FLOOR = "classical floor"  # what it is called in tables of models
_INNER = 3
_DENSE = 0.3  # a view with more of its numbers above 0 is dense


@dataclass(frozen=True, eq=False)
class Floor:
    """What the best classical model says, chosen inside the training rows.

    Args:
        method: Which it is, in words.
        task: Fitted on the training rows.
        targets: By part, in the target's own unit, `(rows, outputs)`.
        outputs: By part, its answers, in the same unit.
        seconds: How long all of it took.
    """

    method: str
    task: Task
    targets: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    seconds: float

    @property
    def figures(self) -> dict[str, dict[str, float]]:
        """The task's figures, by part."""
        return {p: self.task.figures(self.targets[p], said) for p, said in self.outputs.items()}

    def against(
        self, outputs: np.ndarray, groups: np.ndarray | None = None, task: Task | None = None
    ) -> FloorResult:
        """A model's answers for the test rows against the floor's.

        Args:
            outputs: In the target's own unit, `(rows, outputs)`.
            groups: A name for each row; rows of one name are drawn together.
            task: The target with the model's own thresholds; by default the floor's.
        """
        if outputs.shape != self.outputs["test"].shape:
            raise ValueError(
                f"The floor was trained for {len(self.outputs['test']):,} test rows; the model "
                f"answers for {len(outputs):,}. Compare them on the same rows."
            )
        own, floor = (
            judge.row_scores(self.targets["test"], said)
            for judge, said in ((task or self.task, outputs), (self.task, self.outputs["test"]))
        )
        found = compare_paired(own, floor, groups=groups)
        return FloorResult(self, float(own.mean()), float(floor.mean()), found)


@dataclass(frozen=True, eq=False)
class FloorResult:
    """A model against the floor.

    Args:
        floor: The floor.
        model: The model's main figure.
        score: The floor's.
        difference: Of the two, with its interval.
    """

    floor: Floor
    model: float
    score: float
    difference: Difference

    @property
    def says(self) -> str:
        """`"above"`, `"below"`, or `"level"` where the difference may be chance."""
        if self.difference.low > 0:
            return "above"
        return "below" if self.difference.high < 0 else "level"

    @property
    def sentence(self) -> str:
        """Whether the model beats the floor, in words."""
        main, method = self.floor.task.main, self.floor.method
        numbers = (
            f"{main.words} {main.shown(self.model)} against {main.shown(self.score)}, "
            f"{main.difference(self.difference.difference)}, 95 % interval "
            f"{main.signed(self.difference.low)} to {main.signed(self.difference.high)}"
        )
        return {
            "above": f"The model beats the classical floor, {method} ({numbers}).",
            "level": f"The model does not beat the classical floor, {method}: the difference may "
            f"be chance ({numbers}).",
            "below": f"The model does not beat the classical floor, {method}: it is worse "
            f"({numbers}). The simple model is the better one here.",
        }[self.says]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, for `metrics.json`."""
        return {
            "method": self.floor.method,
            **self.floor.figures,
            "difference": self.difference.difference,
            "low": self.difference.low,
            "high": self.difference.high,
            "verdict": self.says,
            "sentence": self.sentence,
            "seconds": round(self.floor.seconds, 2),
        }


@decoded_once()
def find_floor(
    train: pd.DataFrame,
    judged: Mapping[str, pd.DataFrame],
    schema: Schema,
    settings: Mapping[str, Any] | None = None,
    *,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> Floor:
    """Trains simple models of each modality and of all, fuses them, and keeps the best.

    Which one is best, and all settings, are chosen by folds of the training rows.

    Args:
        train: The training rows.
        judged: By part, rows to answer for; the test rows are called `"test"`.
        schema: Which column is what.
        settings: Preprocessing settings by modality.
        methods: Which models; by default those that are quick, linear ones and support vector
            machines.
        seed: Decides the folds.

    Example:

    >>> words = ["red apple", "red cherry", "green pear", "green lime"] * 6
    >>> frame = pd.DataFrame({"note": words, "colour": [word.split()[0] for word in words]})
    >>> from mmkeras.schema import Text
    >>> floor = find_floor(frame[:16], {"test": frame[16:]}, Schema([Text("note")], "colour"))
    >>> floor.method, floor.figures["test"]["accuracy"]
    ('linear on note', 1.0)
    """
    started = time.perf_counter()
    task = task_class(schema.target).fit(train, schema.target)
    judged = {part: rows for part, rows in judged.items() if len(rows)}
    features = ModalityFeatures(schema, settings)
    with warnings.catch_warnings():
        # The deep model's pipelines say the same of the same cells.
        warnings.filterwarnings("ignore", "The features do not take")
        own, *others = features_of(features, train, *judged.values())
    targets = task.encode(train, schema.id)
    with ProgressBar("classical floor", count(schema.names, methods, task, len(train))) as progress:
        answers = compete(
            own,
            dict(zip(judged, others, strict=True)),
            targets,
            task,
            inner_folds(train, schema, _INNER, seed),
            methods=methods,
            seed=seed,
            progress=progress,
        )
    chosen = best(answers, targets, task, tuned=True)
    return Floor(
        chosen.words,
        task.tuned(targets, chosen.inner),
        {part: task.own_unit(task.encode(rows, schema.id)) for part, rows in judged.items()},
        {part: task.own_unit(outputs) for part, outputs in chosen.outputs.items()},
        time.perf_counter() - started,
    )


def features_of(
    features: ModalityFeatures, train: pd.DataFrame, *others: pd.DataFrame
) -> list[dict[str, Any]]:
    """Fits features on training rows; returns each view of these and of other rows.

    Returns:
        One dict for each frame, `(rows, features)` by modality.
    """
    matrices = [features.fit_transform(train), *map(features.transform, others)]
    views: list[dict[str, Any]] = [{} for _ in matrices]
    for name, columns in features.views_.items():
        parts = [matrix[:, columns] for matrix in matrices]
        first = parts[0]
        if sparse.issparse(first) and first.nnz > _DENSE * first.shape[0] * first.shape[1]:
            parts = [part.toarray() for part in parts]
        for view, part in zip(views, parts, strict=True):
            view[name] = part
    return views


def inner_folds(
    train: pd.DataFrame, schema: Schema, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of training rows; groups stay whole, and classes keep their shares."""
    return list(k_folds(train, schema, folds=folds, seed=seed))
