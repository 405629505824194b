"""What is fitted for the target: the classes' names, or a number's mean and deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import label_names, label_sets, row_name, step_labels, to_numbers
from mmkeras.schema import Target


@dataclass(frozen=True)
class TargetPreprocessor:
    """Fitted state of the target: class or label names, or the mean and deviation of a number."""

    target: Target
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def num_outputs(self) -> int:
        return len(self.classes) if self.target.task != "regression" else 1

    @classmethod
    def fit(cls, frame: pd.DataFrame, target: Target) -> TargetPreprocessor:
        if target.task == "regression":
            values = to_numbers(frame[target.column])
            return cls(target, mean=float(values.mean()), deviation=float(values.std()) or 1.0)
        names = {name for labels in _label_sets(frame, target) for name in labels}
        if len(names) < 2:
            raise ValueError(
                f"The training rows of column {target.column!r} have {len(names)} class(es) "
                f"({sorted(names)}); there is nothing to tell apart."
            )
        return cls(target, classes=tuple(sorted(names)))

    def encode(self, frame: pd.DataFrame, id: str | None = None) -> np.ndarray:
        """Targets, float32 `(rows, outputs)`: one-hot, multi-hot, or z-scores.

        With a label per step, the steps of all rows stand one below the other,
        `(all steps, outputs)`.

        Args:
            frame: Rows with the target column.
            id: The column that names the rows in error messages, beside their index.

        Raises:
            ValueError: A label that no training row has.
        """
        if self.target.task == "regression":
            values = to_numbers(frame[self.target.column])
            return ((values - self.mean) / self.deviation).astype(np.float32)[:, None]
        place = {name: position for position, name in enumerate(self.classes)}
        cells = list(enumerate(_label_sets(frame, self.target)))
        if self.target.per_step:
            cells = [(row, (name,)) for row, names in cells for name in names]
        encoded = np.zeros((len(cells), len(self.classes)), np.float32)
        for line, (row, labels) in enumerate(cells):
            for name in labels:
                if name not in place:
                    raise ValueError(
                        f"{row_name(frame, row, id)}, column {self.target.column!r}: the label "
                        f"{name!r} is in no training row. Known labels: "
                        f"{list(self.classes)[:20]}. Merge rare classes, leave their rows out, or "
                        "split so that the training rows have every class."
                    )
                encoded[line, place[name]] = 1.0
        return encoded

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """From model outputs `(rows, outputs)` to labels (strings) or numbers, `(rows,)`.

        A label of a multi-label row applies where its probability is at least one half.
        """
        if self.target.task == "regression":
            return outputs[:, 0].astype(np.float64) * self.deviation + self.mean
        names = np.asarray(self.classes, dtype=object)
        if self.target.task == "classification":
            return names[outputs.argmax(axis=1)]
        joined = [self.target.separator.join(names[row >= 0.5]) for row in outputs]
        return np.asarray(joined, dtype=object)


def _label_sets(frame: pd.DataFrame, target: Target) -> list[tuple[str, ...]]:
    """The labels of each row; a class is a set of one."""
    column = frame[target.column]
    if target.task == "multilabel":
        return label_sets(column, target.separator)
    if target.per_step:
        return [step_labels(cell, target.separator) for cell in column]
    names = label_names(column)
    for row, name in enumerate(names):
        if name is None:
            raise ValueError(f"{row_name(frame, row)}: the target {target.column!r} is empty.")
    return [(name,) for name in names]
