"""Whether all modalities together are better than the best of them alone, and in what words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.bootstrap import compare_paired
from mmkeras.evaluation.significance import mcnemar
from mmkeras.tasks import Figure, Task

# Differences of less than this many points are of no use to anyone.
_NEGLIGIBLE = 0.01


@dataclass(frozen=True, kw_only=True)
class Added:
    """The model of all modalities against one of fewer, row by row.

    Args:
        alone, fused: The main figure of the model of fewer, and of that of all.
        low, high: The 95 % interval of the difference.
        figure: The task's main figure.
    """

    alone: float
    fused: float
    low: float
    high: float
    figure: Figure

    @property
    def difference(self) -> float:
        return self.fused - self.alone

    @property
    def says(self) -> str:
        """`"helps"`, `"hurts"`, `"no use"` (at most a negligible gain), or `"unclear"`."""
        if self.low > 0:
            return "helps"
        if self.high < 0:
            return "hurts"
        return "no use" if self.high < _NEGLIGIBLE else "unclear"

    @property
    def words(self) -> str:
        """The difference and its interval, with the figure's name."""
        figure = self.figure
        return (
            f"{figure.words} {figure.shown(self.fused)} against {figure.shown(self.alone)}, "
            f"{self.change}"
        )

    @property
    def change(self) -> str:
        """The difference and its interval alone."""
        figure = self.figure
        return (
            f"{figure.difference(self.difference)}, 95 % interval {figure.signed(self.low)} to "
            f"{figure.signed(self.high)}"
        )


@dataclass(frozen=True, kw_only=True)
class Gain(Added):
    """The gain over the best single modality.

    Args:
        alone, fused, low, high, figure: As for `Added`; `alone` is the best modality's.
        best: Which modality is best alone, on these very rows; that makes it the strictest line.
        mcnemar: The p-value of McNemar's test, of classes.
    """

    best: str
    mcnemar: float | None

    @property
    def sentence(self) -> str:
        """Whether fusing helps, in one sentence."""
        best = self.best
        return {
            "helps": f"Yes, the modalities help each other: all together are better than {best} "
            f"alone ({self.words}).",
            "hurts": f"No: all modalities together are worse than {best} alone ({self.words}). Use "
            f"{best} alone, or train the fused model in another way.",
            "no use": f"No: all modalities together gain next to nothing over {best} alone "
            f"({self.words}). {best} alone is enough.",
            "unclear": f"It cannot be said that the modalities help each other: the difference "
            f"from {best} alone may be chance ({self.words}). More rows would show it.",
        }[self.says] + " Both models were trained once; another seed moves them, too."


def added(subject: Subject, fewer: np.ndarray, task: Task | None = None) -> Added:
    """What the audited model has over another one, on the same rows.

    Args:
        subject: The audited model and its rows.
        fewer: What the other one says of them, `(examples, outputs)`.
        task: The target as the other one answers it; by default as the audited one does.
    """
    rows = subject.rows
    return _added(subject, rows.row_scores(fewer, task))


def _added(subject: Subject, fewer: np.ndarray) -> Added:
    rows = subject.rows
    whole = rows.row_scores(rows.outputs)
    groups, seed = rows.pipeline.groups, subject.settings.seed
    found = compare_paired(whole, fewer, groups=groups, seed=seed)
    return Added(
        alone=float(fewer.mean()),
        fused=float(whole.mean()),
        low=found.low,
        high=found.high,
        figure=subject.figure,
    )


def gain_of_fusing(subject: Subject) -> Gain | None:
    """The gain over the best single modality; `None` unless each modality has a model."""
    rows = subject.rows
    if not all((name,) in subject.trained for name in subject.names):
        return None
    alone = {
        name: rows.row_scores(subject.trained[(name,)], subject.task_of((name,)))
        for name in subject.names
        if not rows.raw[name].missing.all()
    }
    best = max(alone, key=lambda name: alone[name].mean())
    fused = rows.row_scores(rows.outputs)
    exact = mcnemar(fused > 0.5, alone[best] > 0.5) if subject.task.single_label else None
    return Gain(**vars(_added(subject, alone[best])), best=best, mcnemar=exact)
