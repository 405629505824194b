"""Whether all modalities together are better than the best of them alone, and in what words."""

from __future__ import annotations

from dataclasses import dataclass

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.bootstrap import compare_paired
from mmkeras.evaluation.comparison import SCORES
from mmkeras.evaluation.significance import mcnemar

# Differences of less than this many points are of no use to anyone.
_NEGLIGIBLE = 0.01


@dataclass(frozen=True)
class Gain:
    """The model of all modalities against that of the best one, row by row.

    Args:
        best: Which modality is best alone, on these very rows; that makes it the strictest line.
        alone, fused: Their mean scores: right answers, right labels, or minus the absolute error.
        low, high: The 95 % interval of the difference.
        mcnemar: The p-value of McNemar's test, of classes.
        task: The task.
    """

    best: str
    alone: float
    fused: float
    low: float
    high: float
    mcnemar: float | None
    task: str

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
        small = self.task != "regression" and self.high < _NEGLIGIBLE
        return "no use" if small else "unclear"

    @property
    def words(self) -> str:
        """The difference and its interval, with the figure's name."""
        if self.task == "regression":
            return (
                f"mean absolute error {-self.fused:.3g} against {-self.alone:.3g}; 95 % interval "
                f"of the difference {-self.high:+.3g} to {-self.low:+.3g}"
            )
        return (
            f"{SCORES[self.task]} {100 * self.fused:.1f} % against {100 * self.alone:.1f} %, "
            f"{100 * self.difference:+.1f} points, 95 % interval {100 * self.low:+.1f} to "
            f"{100 * self.high:+.1f}"
        )

    @property
    def verdict(self) -> str:
        best = self.best
        return {
            "helps": f"Yes, the modalities help each other: all together are better than {best} "
            f"alone ({self.words}).",
            "hurts": f"No: all modalities together are worse than {best} alone ({self.words}). Use "
            f"{best} alone, or train the fused model otherwise.",
            "no use": f"No: all modalities together gain next to nothing over {best} alone "
            f"({self.words}). {best} alone would do.",
            "unclear": f"It cannot be said that the modalities help each other: the difference "
            f"from {best} alone may be chance ({self.words}). More rows would tell.",
        }[self.says] + " Both models were trained once; another seed moves them, too."


def gain_of_fusing(subject: Subject) -> Gain | None:
    """The gain over the best single modality; `None` unless each modality has a model."""
    rows = subject.rows
    if not all((name,) in subject.trained for name in subject.names):
        return None
    alone = {
        name: rows.row_scores(subject.trained[(name,)])
        for name in subject.names
        if not rows.raw[name].missing.all()
    }
    best = max(alone, key=lambda name: alone[name].mean())
    fused = rows.row_scores(rows.outputs)
    found = compare_paired(
        fused, alone[best], groups=rows.pipeline.groups, seed=subject.settings.seed
    )
    classes = subject.task == "classification"
    return Gain(
        best=best,
        alone=float(alone[best].mean()),
        fused=float(fused.mean()),
        low=found.low,
        high=found.high,
        mcnemar=mcnemar(fused > 0.5, alone[best] > 0.5) if classes else None,
        task=subject.task,
    )
