"""A sequence of steps for each row, or one vector of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.scaling import MOST_DEVIATIONS, mean_and_deviation
from mmkeras.data.tables.cells import empty_cells, row_name
from mmkeras.data.unprepared import Unprepared
from mmkeras.reading import check_fields
from mmkeras.schema import Sequence
from mmkeras.tasks.arrays import ArrayTask, check_cells


@dataclass(frozen=True)
class SequenceTargetSettings:
    """How sequences are answers.

    Args:
        max_length: An answer's most steps; by default as many as the longest training row has.
    """

    max_length: int | None = None

    def __post_init__(self):
        check_fields(self)
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(
                f"The target's `max_length` must be at least 1. Received: {self.max_length}."
            )


@dataclass(frozen=True)
class SequenceTask(ArrayTask):
    """Steps as z-scores of the training steps, float32 `(rows, steps, 1 + features)`.

    The first number of a step says whether it exists: 1, or 0 at padding, where all others are 0.
    Answers that end too early count as the training steps' mean in the steps that they lack;
    steps that an answer has too many count in the length error only.

    Args:
        target: The schema's target.
        steps: The most steps of an answer.
        same_length: Whether all training rows have as many.
        mean: Of each feature over the training steps.
        deviation: The same.
    """

    kind = "sequence"
    words = "making a sequence"
    cells = "sequence"
    decoders = ("vector", "sequence")
    settings = SequenceTargetSettings

    target: Sequence
    steps: int
    same_length: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, frame, target, settings=None):
        values = _read(frame, target)
        lengths = {len(value) for value in values}
        mean, deviation = mean_and_deviation(np.concatenate(values))
        most = settings.max_length if settings else None
        return cls(
            target,
            steps=min(max(lengths), most or max(lengths)),
            same_length=len(lengths) == 1,
            mean=tuple(mean.tolist()),
            deviation=tuple(deviation.tolist()),
        )

    @classmethod
    def from_dict(cls, target, state: Mapping[str, Any]):
        numbers = {key: tuple(state[key]) for key in ("mean", "deviation")}
        return cls(target, state["steps"], state["same_length"], **numbers)

    def to_dict(self):
        return {
            "steps": self.steps,
            "same_length": self.same_length,
            "mean": list(self.mean),
            "deviation": list(self.deviation),
        }

    @property
    def default_decoder(self):
        return "vector" if self.same_length else "sequence"

    @property
    def features(self) -> int:
        return len(self.mean)

    @property
    def num_outputs(self):
        return self.features

    @property
    def units(self):
        return np.array(self.deviation)

    def decoder_options(self, name):
        return {"steps": self.steps, "features": self.features}

    def encode(self, frame, id=None):
        values = _read(frame, self.target, self.features, id)
        longest = max([self.steps, *map(len, values)])
        encoded = np.zeros((len(values), longest, 1 + self.features), np.float32)
        for place, value in enumerate(values):
            scaled = (value - np.array(self.mean)) / np.array(self.deviation)
            if np.abs(scaled).max() > MOST_DEVIATIONS:
                raise ValueError(
                    f"{row_name(frame, place, id)}: the target {self.target.column!r} has numbers "
                    "too far from those of the training rows for a model to give. Correct the "
                    "cell or leave the row out."
                )
            encoded[place, : len(value), 0] = 1
            encoded[place, : len(value), 1:] = scaled
        return encoded

    def fed(self, targets):
        """Cut at the most steps of an answer."""
        return targets[:, : self.steps]

    def unprepared(self, frame):
        lengths = [len(value) for value in _read(frame, self.target, self.features)]
        cells = sum(length > self.steps for length in lengths)
        what = f"have more than {self.steps} steps, and no answer can have as many"
        return [Unprepared(self.target.column, cells, len(lengths), what)] if cells else []

    def own_unit(self, arrays):
        """Steps in the cells' unit, `(rows, steps, features)`; NaN after a row's last."""
        values = arrays[..., 1:].astype(np.float64) * np.array(self.deviation) + self.mean
        values[~_there(arrays)] = np.nan
        return values

    def decode(self, outputs):
        """Float32 `(steps, features)` for each example, as an array of objects."""
        pairs = zip(self.own_unit(outputs), _there(outputs).sum(axis=1), strict=True)
        return _objects([value[:length].astype(np.float32) for value, length in pairs])

    def true(self, examples):
        """As `decode`; `None` where the cell is empty."""
        known = ~empty_cells(examples[self.target.column])
        values = iter(_read(examples[known], self.target, self.features))
        return _objects([next(values) if there else None for there in known])

    def _compared(self, targets, outputs):
        true, said = self._filled(targets, outputs)
        steps = targets.shape[1]
        true = true[:, :steps].copy()
        true[np.isnan(targets)] = np.nan
        return true, said[:, :steps]

    def _filled(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Arrays of one length, the training steps' mean after a row's last step."""
        longest = max(each.shape[1] for each in arrays)
        filled = []
        for each in arrays:
            spare = ((0, 0), (0, longest - each.shape[1]), (0, 0))
            padded = np.pad(each, spare, constant_values=np.nan)
            filled.append(np.where(np.isnan(padded), self.mean, padded))
        return filled

    def _vectors(self, targets, outputs):
        true, said = self._filled(targets, outputs)
        return true.reshape(len(true), -1), said.reshape(len(said), -1)

    def row_errors(self, targets, outputs):
        true, said = self._compared(targets, outputs)
        squares = np.square((true - said) / np.array(self.deviation))
        return np.sqrt(np.nanmean(squares, axis=(1, 2)))

    def figures(self, targets, outputs):
        """Those of all arrays, and by how many steps lengths are wrong, where they differ."""
        figures = super().figures(targets, outputs)
        if self.same_length:
            return figures
        lengths = [(~np.isnan(each[..., 0])).sum(axis=1) for each in (targets, outputs)]
        return {**figures, "length_error": float(np.abs(lengths[0] - lengths[1]).mean())}

    @property
    def figure_names(self):
        return (*super().figure_names, *(() if self.same_length else ("length_error",)))

    def texts(self, arrays):
        lengths = (~np.isnan(arrays[..., 0])).sum(axis=1)
        plural = (f"{n} step{'s' if n > 1 else ''} of {self.features} features" for n in lengths)
        return list(plural)

    def prediction_columns(self, examples, outputs):
        columns = super().prediction_columns(examples, outputs)
        return columns if self.same_length else {"steps": _there(outputs).sum(axis=1), **columns}

    def saved(self, examples, outputs, folder):
        """`.npy` files, float32 `(steps, features)`, numbered in the order of the examples."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"{place:06d}.npy" for place in range(len(outputs))]
        for name, value in zip(names, self.decode(outputs), strict=True):
            np.save(folder / name, value)
        return names

    def pictures(self, targets, outputs):
        from mmkeras.tasks.array_pictures import plot_sequences

        order, _ = self.right_and_wrong(targets, outputs)
        return {
            "converted": (
                plot_sequences(targets, outputs, order),
                "True sequences beside what the model made, from the smallest error to the "
                "largest. Answers that all look alike are the mean, not a conversion.",
            )
        }


def _there(arrays: np.ndarray) -> np.ndarray:
    """Which steps exist, `(rows, steps)`: those before the first that does not; at least one."""
    there = np.logical_and.accumulate(arrays[..., 0] >= 0.5, axis=1)
    there[:, 0] = True
    return there


def _objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array


def _read(frame, target: Sequence, features: int | None = None, id=None) -> list[np.ndarray]:
    """The rows' steps, float32 `(steps, features)` each; refuses what is none, by its row."""
    kind = KINDS["sequence"]
    fitted = None if features is None else kind.preprocessor(kind.settings(), features)
    store: Any = kind.open_store(frame[target.column], kind.settings(), fitted=fitted)
    check_cells(frame, target.column, store, id)
    return store.values
