"""Several answers for each row at once: multi-task learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mmkeras.schema import Label, Labels, Number, Targets
from mmkeras.tasks.figures import Figure
from mmkeras.tasks.label import LabelTask
from mmkeras.tasks.labels import LabelsTask
from mmkeras.tasks.number import NumberTask
from mmkeras.tasks.task import Task, same

_TASKS: dict[type, type[Task]] = {Label: LabelTask, Labels: LabelsTask, Number: NumberTask}


@dataclass(frozen=True)
class SeveralTask(Task):
    """A class and a number, for example. Arrays hold the parts' arrays, concatenated.

    The first target is the main one: its main figure is the task's, and what is shown as right is
    right in it. Every target's figures are there, under its name: `accuracy(species)`, `r2(age)`.

    Args:
        target: The schema's targets.
        parts: Their tasks, fitted.
    """

    kind = "several"
    words = "several targets"
    cells = "several"  # each column has its own target's
    is_flat = True
    suits_classical = False
    has_classes = False
    decoders = ("heads",)
    what = "answer"

    target: Targets
    parts: tuple[Task, ...] = ()

    @classmethod
    def cell_values(cls, frame, target):
        values: dict[str, np.ndarray] = {}
        for part in target.parts:
            values |= _TASKS[type(part)].cell_values(frame, part)
        return values

    @classmethod
    def fit(cls, frame, target, settings=None):
        return cls(target, parts=tuple(_TASKS[type(p)].fit(frame, p) for p in target.parts))

    @classmethod
    def from_dict(cls, target, state: Mapping[str, Any]):
        pairs = zip(target.parts, state["parts"], strict=True)
        return cls(target, parts=tuple(_TASKS[type(p)].from_dict(p, own) for p, own in pairs))

    def to_dict(self) -> dict[str, Any]:
        return {"parts": [part.to_dict() for part in self.parts]}

    @classmethod
    def main_of(cls, target):
        first = target.parts[0]
        return _named(_TASKS[type(first)].main_of(first), first.name)

    @property
    def main(self) -> Figure:  # type: ignore[override]
        return self.main_of(self.target)

    @classmethod
    def headline_of(cls, target):
        mains = ((_TASKS[type(part)].main_of(part), part.name) for part in target.parts)
        return tuple(f"{main.key}({name})" for main, name in mains)

    @property
    def headline(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.headline_of(self.target)

    @property
    def best_constant(self) -> str:  # type: ignore[override]
        return self.parts[0].best_constant

    @property
    def telling(self) -> str:  # type: ignore[override]
        return f"By {self.parts[0].target.name!r}. {self.parts[0].telling}"

    def decoder_options(self, name):
        return {
            "kinds": tuple(part.kind for part in self.parts),
            "widths": self._widths,
            "names": tuple(part.target.name for part in self.parts),
            "loss_weights": self.target.weights,
        }

    @property
    def learns_classes(self):
        return any(part.learns_classes for part in self.parts)

    @property
    def has_thresholds(self):
        return any(part.has_thresholds for part in self.parts)

    def tuned(self, targets, outputs):
        return dataclasses.replace(
            self, parts=tuple(part.tuned(*pair) for part, *pair in self._pairs(targets, outputs))
        )

    def class_weights(self, targets):
        """Those of each part that has classes; `None` for the others."""
        return [
            part.class_weights(array) if part.learns_classes else None
            for part, array in zip(self.parts, self._split(targets), strict=True)
        ]

    @property
    def _widths(self) -> tuple[int, ...]:
        return tuple(part.num_outputs for part in self.parts)

    @property
    def num_outputs(self) -> int:
        return sum(self._widths)

    @cached_property
    def _cuts(self) -> list[int]:
        return np.cumsum(self._widths)[:-1].tolist()

    def _split(self, arrays: np.ndarray) -> list[np.ndarray]:
        """Each part's columns; the last axis is that of the outputs."""
        return np.split(arrays, self._cuts, axis=-1)

    def _pairs(self, targets, outputs):
        return zip(self.parts, self._split(targets), self._split(outputs), strict=True)

    def encode(self, frame, id=None):
        return np.concatenate([part.encode(frame, id) for part in self.parts], axis=1)

    def check_judged(self, frame, id=None):
        for part in self.parts:
            part.check_judged(frame, id)

    @property
    def units(self):
        return np.concatenate([part.units for part in self.parts])

    def own_unit(self, arrays):
        own = zip(self.parts, self._split(arrays), strict=True)
        return np.concatenate([part.own_unit(array) for part, array in own], axis=-1)

    def decode(self, outputs):
        own = zip(self.parts, self._split(outputs), strict=True)
        return same([_listed(part.decode(array)) for part, array in own])

    def true(self, examples):
        return same([_listed(part.true(examples)) for part in self.parts])

    def prediction_columns(self, examples, outputs):
        """Of each part as that names them, with the target's name: `predicted(species)`."""
        columns = {}
        for part, array in zip(self.parts, self._split(outputs), strict=True):
            for name, values in part.prediction_columns(examples, array).items():
                if name in ("true", "predicted", "confidence"):
                    name = f"{name}({part.target.name})"
                elif name.startswith("p("):
                    name = f"p({part.target.name}: {name.removeprefix('p(')}"
                columns[name] = values
        return columns

    def figures(self, targets, outputs):
        return self._each(targets, outputs, lambda part, *pair: part.figures(*pair))

    def all_figures(self, targets, outputs):
        return self._each(targets, outputs, lambda part, *pair: part.all_figures(*pair))

    @property
    def figure_names(self):
        return tuple(f"{k}({part.target.name})" for part in self.parts for k in part.figure_names)

    def _each(self, targets, outputs, figures_of):
        return {
            f"{key}({part.target.name})": value
            for part, true, said in self._pairs(targets, outputs)
            for key, value in figures_of(part, true, said).items()
        }

    def _first(self, *arrays):
        return (self._split(array)[0] for array in arrays)

    def main_score(self, targets, outputs):
        return self.parts[0].main_score(*self._first(targets, outputs))

    def row_scores(self, targets, outputs):
        return self.parts[0].row_scores(*self._first(targets, outputs))

    def constant_score(self, targets):
        return self.parts[0].constant_score(*self._first(targets))

    def constant_words(self, targets):
        own = zip(self.parts, self._split(targets), strict=True)
        return "; ".join(f"{p.target.name}: {p.constant_words(array)}" for p, array in own)

    def constant_figures(self, targets):
        return {
            f"{key}({part.target.name})": value
            for part, array in zip(self.parts, self._split(targets), strict=True)
            for key, value in part.constant_figures(array).items()
        }

    def remarks(self, targets, outputs):
        return [
            f"{part.target.name}: {each}"
            for part, *pair in self._pairs(targets, outputs)
            for each in part.remarks(*pair)
        ]

    def right_and_wrong(self, targets, outputs):
        return self.parts[0].right_and_wrong(*self._first(targets, outputs))

    def is_right(self, targets, outputs):
        return self.parts[0].is_right(*self._first(targets, outputs))

    def texts(self, arrays):
        own = zip(self.parts, self._split(arrays), strict=True)
        return ["; ".join(each) for each in zip(*(p.texts(array) for p, array in own), strict=True)]

    def answer_in_words(self, target, output):
        return "; ".join(p.answer_in_words(*pair) for p, *pair in self._pairs(target, output))

    def explained(self, output):
        place = int(output.argmax())
        part = self.parts[int(np.searchsorted(np.cumsum(self._widths), place, side="right"))]
        return f"What is explained is the largest output, one of {part.target.name!r}."

    def pictures(self, targets, outputs):
        return {
            f"{name}_{place}": picture
            for place, (part, *pair) in enumerate(self._pairs(targets, outputs))
            for name, picture in part.pictures(*pair).items()
        }

    def tables(self, targets, outputs):
        return {
            f"{name}_{place}": table
            for place, (part, *pair) in enumerate(self._pairs(targets, outputs))
            for name, table in part.tables(*pair).items()
        }


def _named(figure: Figure, name: str) -> Figure:
    key, words = f"{figure.key}({name})", f"{figure.words} of {name!r}"
    return dataclasses.replace(figure, key=key, words=words)


def _listed(values: np.ndarray) -> np.ndarray:
    """Of several numbers for each row, one tuple."""
    return values if values.ndim == 1 else same(list(values.T))
