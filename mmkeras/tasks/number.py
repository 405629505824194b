"""One number for each row, or several at once: regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmkeras.data.scaling import mean_and_deviation, transformed, untransformed
from mmkeras.data.tables.cells import read_numbers, row_name, to_numbers
from mmkeras.reading import check_fields
from mmkeras.schema import Number
from mmkeras.tasks.figures import FIGURES
from mmkeras.tasks.task import Task


@dataclass(frozen=True)
class NumberSettings:
    """How numbers are answers.

    Args:
        scaling: `"standard"` (z-scores), or `"log"`: z-scores of sign(x) log(1 + |x|), so that
            errors count by their ratio. It suits prices and counts over several orders of
            magnitude, of which a few would decide the squared error.
    """

    scaling: str = "standard"

    def __post_init__(self):
        check_fields(self)
        if self.scaling not in ("standard", "log"):
            raise ValueError(f"`scaling` is 'standard' or 'log'. Received: {self.scaling!r}.")


@dataclass(frozen=True)
class NumberTask(Task):
    """Linear outputs trained on z-scores with the squared error, judged by R².

    Args:
        target: The schema's target.
        mean: The training rows' mean, of each column; with the scaling `"log"`, of logarithms.
        deviation: Their standard deviation (1 where all are equal).
        scaling: See `NumberSettings`.
        limits: With the scaling `"log"`, of each column the least and the largest number that is
            answered: a tenth of the training rows' range of logarithms beyond these, and not below
            0 where none of them is.
    """

    kind = "number"
    words = "regression"
    cells = "number"
    activation = "linear"
    has_classes = False
    telling = "The smallest errors, then the largest."
    what = "number"
    best_constant = "always giving the mean"
    main = FIGURES["r2"]
    headline = ("r2", "rmse")
    settings = NumberSettings

    target: Number
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    scaling: str = "standard"
    limits: tuple[tuple[float, float], ...] = ()

    @classmethod
    def cell_values(cls, frame, target):
        return {column: read_numbers(frame[column]).values for column in target.columns}

    @classmethod
    def fit(cls, frame, target, settings=None):
        scaling = (settings or NumberSettings()).scaling
        values = np.stack([to_numbers(frame[column]) for column in target.columns], axis=1)
        values = transformed(values, scaling)
        mean, deviation = mean_and_deviation(values)
        limits: tuple[tuple[float, float], ...] = ()
        if scaling == "log":
            low, high = values.min(axis=0), values.max(axis=0)
            beyond = (high - low) / 10
            # Of numbers that are never below 0, answers are not either.
            least = np.where(low >= 0, np.maximum(low - beyond, 0), low - beyond)
            ends = untransformed(np.stack([least, high + beyond], axis=1), scaling)
            limits = tuple((float(first), float(last)) for first, last in ends)
        return cls(target, tuple(mean.tolist()), tuple(deviation.tolist()), scaling, limits)

    @classmethod
    def from_dict(cls, target, state: Mapping[str, Any]):
        mean, deviation = (np.atleast_1d(state[key]).tolist() for key in ("mean", "deviation"))
        limits = tuple((low, high) for low, high in state.get("limits", ()))
        scaling = state.get("scaling", "standard")
        if not len(mean) == len(deviation) == len(target.columns) or not min(deviation) > 0:
            raise ValueError("`mean` and `deviation` (above 0) are numbers, one for each column.")
        return cls(target, tuple(mean), tuple(deviation), scaling, limits)

    def to_dict(self) -> dict[str, Any]:
        own = {"mean": list(self.mean), "deviation": list(self.deviation)}
        if self.scaling == "standard":
            return own
        return {**own, "scaling": self.scaling, "limits": [list(each) for each in self.limits]}

    @classmethod
    def loss(cls, label_smoothing=0.0):
        import keras

        if label_smoothing:
            raise ValueError(
                f"Regression has no labels for `label_smoothing`. Received: {label_smoothing}."
            )
        return keras.losses.MeanSquaredError()

    @classmethod
    def metrics(cls):
        import keras

        return [keras.metrics.MeanAbsoluteError(name="mae"), keras.metrics.R2Score(name="r2")]

    @property
    def num_outputs(self) -> int:
        return len(self.target.columns)

    def encode(self, frame, id=None):
        values = self._numbers(frame)
        with np.errstate(over="ignore"):
            scaled = transformed(values, self.scaling)
            encoded = ((scaled - self.mean) / np.array(self.deviation)).astype(np.float32)
        beyond = np.argwhere(np.isinf(encoded))
        if len(beyond):
            row, place = beyond[0]
            raise ValueError(
                f"{row_name(frame, row, id)}: the target {self.target.columns[place]!r} is "
                f"{values[row, place]:g}, too far from the training rows' mean of "
                f"{self.mean[place]:g} for the numbers that models compute with. Correct the cell "
                "or leave the row out."
            )
        return encoded

    def _numbers(self, frame) -> np.ndarray:
        return np.stack([to_numbers(frame[column]) for column in self.target.columns], axis=1)

    def check_judged(self, frame, id=None):
        for column in self.target.columns:
            numbers = to_numbers(frame[column])
            empty = np.flatnonzero(np.isnan(numbers))
            if len(empty):
                raise ValueError(
                    f"{len(empty):,} rows without a number in {column!r}, first "
                    f"{row_name(frame, empty[0], id)}. Answers are compared with labels: leave "
                    "such rows out."
                )
            if np.ptp(numbers) <= 1e-9 * np.abs(numbers).max():
                raise ValueError(
                    f"All {len(frame):,} rows have the same {column!r}, {numbers[0]:g}: how well "
                    "numbers are predicted shows on different ones. Give more rows."
                )

    @property
    def units(self):
        deviation = np.array(self.deviation)
        if self.scaling == "standard":
            return deviation
        # To first order, at the mean of the logarithms.
        return deviation * np.exp(np.abs(self.mean))

    def own_unit(self, arrays):
        values = arrays.astype(np.float64) * np.array(self.deviation) + np.array(self.mean)
        if self.scaling == "standard":
            return values
        # Of numbers that are no logarithms of finite ones, the limits are the nearest.
        return np.clip(untransformed(values, self.scaling), *np.array(self.limits).T)

    def decode(self, outputs):
        """`(examples,)`; of several numbers `(examples, numbers)`."""
        values = self.own_unit(outputs)
        return values[:, 0] if self.num_outputs == 1 else values

    def texts(self, arrays):
        return [self._text(row) for row in arrays]

    def _text(self, row: np.ndarray) -> str:
        if len(row) == 1:
            return f"{row[0]:.4g}"
        named = zip(self.target.columns, row, strict=True)
        return ", ".join(f"{column} {value:.4g}" for column, value in named)

    def true(self, examples):
        values = self._numbers(examples)
        return values[:, 0] if self.num_outputs == 1 else values

    def prediction_columns(self, examples, outputs):
        arrays = {"predicted": self.own_unit(outputs)}
        if all(column in examples for column in self.target.columns):
            arrays = {"true": self._numbers(examples), **arrays}
        if self.num_outputs == 1:
            return {name: values[:, 0] for name, values in arrays.items()}
        return {
            f"{name}({column})": values[:, place]
            for place, column in enumerate(self.target.columns)
            for name, values in arrays.items()
        }

    def figures(self, targets, outputs):
        """R², RMSE and MAE; of several numbers their means over the numbers, and each one's."""
        from sklearn import metrics

        figures = {
            "r2": self.main_score(targets, outputs),
            "rmse": float(metrics.root_mean_squared_error(targets, outputs)),
            "mae": float(metrics.mean_absolute_error(targets, outputs)),
        }
        if self.num_outputs > 1:
            for place, column in enumerate(self.target.columns):
                own = targets[:, place : place + 1], outputs[:, place : place + 1]
                figures[f"r2({column})"] = self.main_score(*own)
                figures[f"rmse({column})"] = float(metrics.root_mean_squared_error(*own))
                figures[f"mae({column})"] = float(metrics.mean_absolute_error(*own))
        return figures

    @property
    def figure_names(self):
        own, columns = ("r2", "rmse", "mae"), self.target.columns
        each = [f"{key}({column})" for column in columns for key in own]
        return (*own, *(each if self.num_outputs > 1 else ()), "pearson")

    def all_figures(self, targets, outputs):
        """Those, and Pearson's correlation (its mean over the numbers)."""
        pairs = zip(targets.T.astype(np.float64), outputs.T.astype(np.float64), strict=True)
        correlations = [
            float(np.corrcoef(true, guess)[0, 1]) if true.std() > 0 and guess.std() > 0 else np.nan
            for true, guess in pairs
        ]
        return {**self.figures(targets, outputs), "pearson": float(np.mean(correlations))}

    def main_score(self, targets, outputs):
        return float(self.row_scores(targets, outputs).mean()) if len(targets) > 1 else np.nan

    def row_scores(self, targets, outputs):
        """1 minus the squared error as a share of these examples' variance.

        The mean is R² (of several numbers, their mean). An example is worth less than 0 where the
        mean of all examples would be a better answer.
        """
        targets = targets.astype(np.float64)
        errors = np.square(targets - outputs)
        variance = targets.var(axis=0)
        # Of equal targets, scikit-learn's convention: 1 for right answers, 0 for others.
        shares = np.where(variance > 0, errors / np.where(variance > 0, variance, 1), errors > 0)
        return (1 - shares).mean(axis=1)

    def constant_score(self, targets):
        """0, that of the mean."""
        return 0.0

    def constant_words(self, targets):
        return "always the mean (of MAE the median)"

    def constant_figures(self, targets):
        """Those of the mean, of absolute errors that of the median."""
        middle = np.median(targets, axis=0)
        return {
            "r2": 0.0,
            "rmse": float(targets.std(axis=0).mean()),
            "mae": float(np.abs(targets - middle).mean()),
        }

    def right_and_wrong(self, targets, outputs):
        errors = self._deviations_apart(targets, outputs)
        order = np.argsort(errors.mean(axis=1), kind="stable")
        return order, order[::-1]

    def is_right(self, targets, outputs):
        """Within half a standard deviation of the training rows, every number."""
        return (self._deviations_apart(targets, outputs) <= 0.5).all(axis=1)

    def _deviations_apart(self, targets, outputs):
        apart = transformed(targets, self.scaling) - transformed(outputs, self.scaling)
        return np.abs(apart) / np.array(self.deviation)

    def answer_in_words(self, target, output):
        said, true = (", ".join(f"{value:.3g}" for value in row) for row in (output, target))
        return f"{said} (true: {true})"

    def explained(self, output):
        if self.num_outputs == 1:
            return None
        name = self.target.columns[output.argmax()]
        return f"What is explained is {name!r}, the number furthest above its mean."

    def pictures(self, targets, outputs):
        from mmkeras.tasks.pictures import plot_agreement

        return {
            "agreement": (
                plot_agreement(targets, outputs, self.target.columns),
                "Predicted against true values. Points far from the line are large errors; a flat "
                "cloud means that the model says about the same of all rows.",
            )
        }
