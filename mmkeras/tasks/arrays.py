"""What targets that are many numbers have in common: pictures and sequences."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import content_digest, empty_cells, row_name
from mmkeras.schema import Image, Sequence
from mmkeras.tasks.figures import FIGURES
from mmkeras.tasks.task import Task

_NEAR = 0.5  # deviations of the training rows


@dataclass(frozen=True)
class ArrayTask(Task):
    """Many numbers as the answer, judged by R² of all of them together.

    R² weighs each number by its variance: 1 - the sum of all squared errors by the sum of all
    squared distances from the mean, as scikit-learn's `r2_score` with `"variance_weighted"`.
    """

    is_flat = False
    suits_classical = False
    has_classes = False
    telling = "The smallest errors, then the largest."
    what = "number"
    best_constant = "always giving the mean"
    main = FIGURES["r2"]
    headline: ClassVar[tuple[str, ...]] = ("r2", "mae", "recall@1", "recall@10")

    target: Image | Sequence

    @property
    def watched(self):
        # Decoders' losses: the squared error, or one that falls with it.
        return "loss"

    @classmethod
    def cell_values(cls, frame, target):
        values = (
            content_digest(cell).hex() if isinstance(cell, bytes | np.ndarray) else cell
            for cell in frame[target.column]
        )
        return {target.column: np.array([*values, None], dtype=object)[:-1]}

    @abstractmethod
    def _compared(self, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Truth and answers, float64 of one shape `(rows, ...)`.

        NaN in the truth does not count; answers have none where the truth has none.
        """

    @abstractmethod
    def _vectors(self, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Truth and answers as `(rows, numbers)` whose distances can be compared."""

    @abstractmethod
    def row_errors(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The root of each answer's mean squared error, in the training rows' deviations."""

    def row_scores(self, targets, outputs):
        """1 minus the sum of squared errors by the mean sum of these examples' squared distances.

        The mean is R². An example is worth less than 0 where the mean of all examples would be a
        better answer to one like most.
        """
        true, said = self._compared(targets, outputs)
        axes = tuple(range(1, true.ndim))
        mean = np.nansum(true, axis=0) / np.maximum((~np.isnan(true)).sum(axis=0), 1)
        errors = np.nansum(np.square(true - said), axis=axes)
        spread = np.nansum(np.square(true - mean)) / len(true)
        # Of equal targets: 1 for right answers, 0 for others.
        return 1 - (errors / spread if spread > 0 else (errors > 0).astype(np.float64))

    def main_score(self, targets, outputs):
        return float(self.row_scores(targets, outputs).mean()) if len(targets) > 1 else np.nan

    def constant_score(self, targets):
        """0, that of the mean."""
        return 0.0

    def figures(self, targets, outputs):
        """R², MAE, and how often an answer's nearest target is its own, or one of ten is."""
        from mmkeras.tasks.array_figures import true_ranks

        true, said = self._compared(targets, outputs)
        ranks = true_ranks(*self._vectors(targets, outputs))
        return {
            "r2": self.main_score(targets, outputs),
            "mae": float(np.nanmean(np.abs(true - said))),
            "recall@1": float((ranks <= 1).mean()),
            "recall@10": float((ranks <= 10).mean()),
        }

    @property
    def figure_names(self):
        return ("r2", "mae", "recall@1", "recall@10")

    def all_figures(self, targets, outputs):
        return self.figures(targets, outputs)

    def right_and_wrong(self, targets, outputs):
        order = np.argsort(self.row_errors(targets, outputs), kind="stable")
        return order, order[::-1]

    def is_right(self, targets, outputs):
        """Off by at most half a standard deviation of the training rows."""
        return self.row_errors(targets, outputs) <= _NEAR

    def answer_in_words(self, target, output):
        (error,) = self.row_errors(target[None], output[None])
        said, true = self.texts(output[None])[0], self.texts(target[None])[0]
        known = "" if error <= _NEAR else f" (true: {true})"
        return f"{said}, off by {error:.2f} standard deviations{known}"

    def prediction_columns(self, examples, outputs):
        """How far each answer is off, where the truth is known; the answers are files."""
        if self.target.column not in examples:
            return {}
        known = ~empty_cells(examples[self.target.column])
        errors = np.full(len(outputs), np.nan)
        if known.any():
            true = self.own_unit(self.encode(examples[known]))
            errors[known] = self.row_errors(true, self.own_unit(outputs[known]))
        return {"error": errors}

    def check_judged(self, frame, id=None):
        values = self.encode(frame, id)
        if len(values) > 1 and (values == values[0]).all():
            raise ValueError(
                f"All {len(frame):,} rows have the same {self.target.column!r}: how well it is "
                "predicted shows on different ones. Give more rows."
            )


def check_cells(frame: pd.DataFrame, column: str, store: Any, id: str | None = None) -> None:
    """Refuses a target that is empty or that its store cannot read, by its row."""
    empty = empty_cells(frame[column])
    wrong = np.flatnonzero(empty | ~store.readable)
    if len(wrong):
        row = int(wrong[0])
        what = "is empty" if empty[row] else f"cannot be read: {store.reason(row)}"
        raise ValueError(
            f"{row_name(frame, row, id)}: the target {column!r} {what}. Give one or leave the "
            "row out."
        )
