"""What targets made of classes have in common: class names, probabilities, figures by class."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import label_names, row_name
from mmkeras.data.tables.names import KnownNames, are_numbers, warn_of_one_meaning
from mmkeras.schema import Label, Labels, StepLabels
from mmkeras.tasks.task import Task

_SHOWN = 5


@dataclass(frozen=True)
class ClassTask(Task):
    """A target whose cells name classes; outputs are their probabilities.

    Args:
        target: The schema's target.
        classes: The class names of the training rows, in alphabetical order.
    """

    called: ClassVar[str] = "classes"

    target: Label | Labels | StepLabels
    classes: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def label_sets(cls, frame: pd.DataFrame, target: Any) -> list[tuple[str, ...]]:
        """The names in each row's cell, in order."""

    @classmethod
    @abstractmethod
    def answers(cls, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The confidence of each answer, and whether it is right; each label is an answer."""

    def remarks(self, targets, outputs):
        """Which classes are never predicted although examples have them."""
        counts = (targets >= 0.5).sum(axis=0)
        never = np.flatnonzero((counts > 0) & ~self.said(outputs).any(axis=0))
        if not len(never):
            return []
        order = never[np.argsort(-counts[never], kind="stable")]
        shown = [f"{self.classes[i]!r} (true of {counts[i]:,})" for i in order[:_SHOWN]]
        more = f" and {len(order) - _SHOWN} more" if len(order) > _SHOWN else ""
        return [
            f"{len(never)} of {len(counts)} {self.called} are never predicted: "
            f"{', '.join(shown)}{more}."
        ]

    @classmethod
    def tells_apart(cls, sets: list[tuple[str, ...]]) -> bool:
        """Whether the rows' labels differ, so that there is something to learn."""
        return len({name for labels in sets for name in labels}) > 1

    @classmethod
    def class_counts(cls, frame: pd.DataFrame, target: Any) -> pd.Series:
        """The number of rows (or steps) of each class, the most frequent first."""
        names = [n for labels in cls.label_sets(frame, target) for n in labels if n is not None]
        counts = dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
        index = pd.Index(list(counts), name=target.name, dtype=object)
        return pd.Series(list(counts.values()), index=index, name="rows", dtype="int64")

    @classmethod
    def fit(cls, frame, target, settings=None):
        sets = cls.label_sets(frame, target)
        empty = [row for row, labels in enumerate(sets) if None in labels]
        if empty:
            raise ValueError(f"{row_name(frame, empty[0])}: the target {target.name!r} is empty.")
        names = {name for labels in sets for name in labels}
        if not cls.tells_apart(sets):
            raise ValueError(
                f"The training rows of column {target.name!r} have {len(names)} class(es) "
                f"({sorted(names)}); there is nothing to tell apart."
            )
        warn_of_one_meaning(target.name, sorted(names))
        return cls(target, classes=tuple(sorted(names)))

    @classmethod
    def from_dict(cls, target, state: Mapping[str, Any]):
        return cls(target, classes=tuple(state["classes"]))

    def to_dict(self) -> dict[str, Any]:
        return {"classes": list(self.classes)}

    @property
    def num_outputs(self) -> int:
        return len(self.classes)

    @property
    def learns_classes(self):
        return True

    def encode(self, frame, id=None):
        known, numbers = self._known, are_numbers(frame, self.target.columns[0])
        examples = self._examples(self.label_sets(frame, self.target))
        encoded = np.zeros((len(examples), len(self.classes)), np.float32)
        for line, (row, labels) in enumerate(examples):
            for name in labels:
                place = known.place(name, numbers)
                if name is None or place < 0:
                    where = f"{row_name(frame, row, id)}, column {self.target.name!r}"
                    if name is None:
                        raise ValueError(f"{where}: the target is empty.")
                    if either := known.candidates(name):
                        raise ValueError(
                            f"{where}: the number {name} may be any of the labels {list(either)}. "
                            "Give labels as texts, in a DataFrame by pandas.read_csv(..., "
                            f"dtype={{{self.target.name!r}: str}})."
                        )
                    raise ValueError(
                        f"{where}: the label {name!r} is not in any training row. Known labels: "
                        f"{list(self.classes)[:20]}. Merge rare classes, leave their rows out, or "
                        "split so that the training rows have every class."
                    )
                encoded[line, place] = 1.0
        return encoded

    def check_judged(self, frame, id=None):
        self.encode(frame, id)

    def _examples(self, labels: list[tuple[str, ...]]) -> list[tuple[int, tuple[str, ...]]]:
        """For each example its row's position, and its labels."""
        return list(enumerate(labels))

    def texts(self, arrays):
        return [str(name) for name in self.decode(arrays)]

    @cached_property
    def _known(self) -> KnownNames:
        # An empty cell is never a class.
        return KnownNames(self.classes, missing_is_known=True)

    def true(self, examples):
        names = label_names(examples[self.target.column])
        places = zip(names, self._known.places(names), strict=True)
        own = [name if place < 0 else self.classes[place] for name, place in places]
        return np.array([*own, None], dtype=object)[:-1]

    def prediction_columns(self, examples, outputs):
        columns = {}
        if all(column in examples for column in self.target.columns):
            columns["true"] = self.true(examples)
        columns["predicted"] = self.decode(outputs)
        if self.single_label:
            columns["confidence"] = outputs.max(axis=1)
        for place, name in enumerate(self.classes):
            columns[f"p({name})"] = outputs[:, place]
        return columns

    def main_score(self, targets, outputs):
        return float(self.row_scores(targets, outputs).mean())

    @property
    def figure_names(self):
        return ("brier", "roc_auc", "average_precision")

    def all_figures(self, targets, outputs):
        from mmkeras.tasks.class_figures import brier_score, class_curves

        figures = self.figures(targets, outputs)
        figures["brier"] = brier_score(targets, outputs, single_label=self.single_label)
        return figures | {
            name: float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
            for name, values in class_curves(targets, outputs).items()
        }

    def right_and_wrong(self, targets, outputs):
        order = np.argsort(-self._confidence(outputs), kind="stable")
        right = self.is_right(targets, outputs)[order]
        return order[right], order[~right]

    @abstractmethod
    def _confidence(self, outputs: np.ndarray) -> np.ndarray:
        """How sure each answer is, `(examples,)`."""
