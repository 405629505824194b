"""Tables of numbers and categories: settings, what is fitted, and batches of vectors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.filters import check_filter_settings, rank_features, targets_of
from mmkeras.data.kinds.base import Kind, check_choice, check_scaling
from mmkeras.data.kinds.protocols import Source
from mmkeras.data.scaling import (
    MOST_DEVIATIONS,
    SCALINGS,
    centre_and_spread,
    choose_scaling,
    knots_of,
    limits_of,
    transformed,
    untransformed,
)
from mmkeras.data.tables.cells import empty_cells, label_names, to_numbers
from mmkeras.data.tables.names import KnownNames, are_numbers, means_missing, warn_of_one_meaning
from mmkeras.data.tables.written.dates import DATE_PARTS, DATE_ROLES, date_parts, have_zone
from mmkeras.data.unprepared import (
    Unprepared,
    empty_here_only,
    far_outside,
    in_no_training_row,
    may_be_several,
    shares_an_input,
)
from mmkeras.reading import check_fields
from mmkeras.schema import InputSpec, Tabular

if TYPE_CHECKING:
    import tensorflow as tf

    from mmkeras.data.sources import InputMaker
    from mmkeras.tasks import Task


@dataclass(frozen=True)
class TabularSettings:
    """How numbers and categories become inputs.

    Args:
        max_categories: Up to this many categories of a column, the most frequent ones, get an input
            of their own; the others, and those never seen in training, share one.
        scaling: Of numbers: `"standard"` (mean 0, standard deviation 1), `"robust"` (median and
            interquartile range), `"log"` (the standard scaling of sign(x) log(1 + |x|)),
            `"quantile"` (the rank, as a z-score), or `"auto"`: what suits each column's training
            rows, which is the standard scaling unless a few rows decide the deviation.
        filter: Keep only some columns: `"variance"`, `"mutual_information"`, `"mrmr"` or `"l1"`, by
            the training rows; `"none"` for all. See `mmkeras.data.filters`.
        keep: With a filter, how many columns (from 1 on), or which share of them.
    """

    max_categories: int = 1000
    scaling: str = "auto"
    filter: str = "none"
    keep: float | None = None

    def __post_init__(self):
        check_fields(self)
        check_choice("TabularSettings", "scaling", self.scaling, ("auto", *SCALINGS))
        if self.max_categories < 1:
            raise ValueError(
                f"`max_categories` must be at least 1. Received: {self.max_categories}."
            )
        check_filter_settings("TabularSettings", self.filter, self.keep)


@dataclass(frozen=True)
class TabularPreprocessor:
    """Fitted state of a tabular modality.

    The input vector is, column by column: for a number its z-score (0 where missing) and, if a
    training row lacked it, a 1 where it is missing; for a category a one-hot code whose first
    place means "missing or not seen in training"; for a date the z-scores of its parts. A number
    that is further away from those of the training rows than ten times their range counts as one
    at that distance.

    Args:
        settings: Scaling and categories.
        mean: By numeric column, what scaled numbers are centred by.
        deviation: By numeric column, what they are divided by.
        indicated: The columns, numeric or not, that are empty in a training row.
        categories: By column, the training rows' categories that have an input of their own.
        methods: By numeric column, its scaling; standard where nothing is said.
        limits: By numeric column, the least and the largest number that are not far outside.
        knots: By numeric column with the scaling `"quantile"`, equally frequent numbers.
        shared: By column, the rarer categories, which share one input.
        dates: By column of dates and part of them (year, month, ...): mean, deviation, and limits.
        zoned: The columns of dates whose cells have a time zone: their parts are those of UTC.
        left_out: The columns that the filter does not keep.
    """

    settings: TabularSettings
    mean: dict[str, float]
    deviation: dict[str, float]
    indicated: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    methods: dict[str, str] = field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    knots: dict[str, tuple[float, ...]] = field(default_factory=dict)
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dates: dict[str, dict[str, tuple[float, float, float, float]]] = field(default_factory=dict)
    zoned: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def spec(self) -> InputSpec:
        groups = [1 + (column in self.indicated) for column in self.mean]
        groups += [len(parts) + (c in self.indicated) for c, parts in self.dates.items()]
        groups += [1 + len(names) for names in self.categories.values()]
        numbers = len(groups) - len(self.categories)
        return InputSpec((sum(groups),), groups=tuple(groups), numbers=numbers)

    @property
    def input_names(self) -> tuple[str, ...]:
        """What the places of the input vector hold, in their order."""
        return tuple(f"{column}{part}" for column, part in self._places_of_inputs())

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that each place of the input vector is of."""
        return tuple(column for column, _ in self._places_of_inputs())

    def _places_of_inputs(self) -> list[tuple[str, str]]:
        """The column of each place, and which part of it the place holds."""
        places = []
        for column in self.mean:
            places += [(column, ""), *[(column, " empty")] * (column in self.indicated)]
        for column, parts in self.dates.items():
            places += [(column, f" {part}") for part in parts]
            places += [(column, " empty")] * (column in self.indicated)
        for column, known in self.categories.items():
            places += [(column, " unknown"), *((column, f"={name}") for name in known)]
        return places

    def filtered(self, frame: pd.DataFrame, task: Task | None) -> TabularPreprocessor:
        """The same without the columns that the settings' filter does not keep.

        A column is as good as the best place of the input vector that it has.
        """
        settings, places = self.settings, self._places_of_inputs()
        targets, classes = targets_of(task, frame)
        order = rank_features(self.vectors(frame), targets, settings.filter, len(places), classes)
        ranked = list(dict.fromkeys(places[place][0] for place in order))
        columns = list(dict.fromkeys(column for column, _ in places))
        keep = settings.keep or 1
        number = max(1, round(keep * len(columns)) if keep < 1 else int(keep))
        kept = set(ranked[:number])
        left_out = tuple(column for column in columns if column not in kept)
        by_column = ("mean", "deviation", "categories", "methods", "limits", "knots", "shared",
                     "dates")  # fmt: skip
        parts: dict[str, Any] = {
            name: {c: v for c, v in getattr(self, name).items() if c in kept} for name in by_column
        }
        indicated = tuple(column for column in self.indicated if column in kept)
        zoned = tuple(column for column in self.zoned if column in kept)
        return replace(self, **parts, indicated=indicated, zoned=zoned, left_out=left_out)

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Tabular, settings: TabularSettings
    ) -> TabularPreprocessor:
        fitted = cls(settings, {}, {}, (), {})
        indicated = []
        for column in modality.numeric:
            values = to_numbers(frame[column])
            known = values[~np.isnan(values)]
            if not len(known):
                raise ValueError(f"Column {column!r} is empty in every training row; leave it out.")
            fitted._fit_number(column, known)
            if len(known) < len(values):
                indicated.append(column)
        for column in modality.categorical:
            counts = label_names(frame[column]).value_counts(dropna=True)
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            names = tuple(name for name, _ in ranked)
            warn_of_one_meaning(column, names)
            fitted.categories[column] = names[: settings.max_categories]
            if len(names) > settings.max_categories:
                fitted.shared[column] = names[settings.max_categories :]
            if counts.sum() < len(frame):
                indicated.append(column)
        for column in modality.dates:
            if fitted._fit_date(column, frame[column]):
                indicated.append(column)
        zoned = tuple(column for column in modality.dates if have_zone(frame[column]))
        return replace(fitted, indicated=tuple(indicated), zoned=zoned)

    def _fit_number(self, column: str, known: np.ndarray) -> None:
        method = self.settings.scaling
        method = choose_scaling(known) if method == "auto" else method
        if method != "standard":
            self.methods[column] = method
        if method == "quantile":
            self.knots[column] = knots_of(known)
        self.limits[column] = limits_of(known)
        values = transformed(known, method, self.knots.get(column, ()))
        self.mean[column], self.deviation[column] = centre_and_spread(values, method)

    def _fit_date(self, column: str, cells: pd.Series) -> bool:
        """Fits the parts of dates; says whether a training row has none."""
        own: dict[str, tuple[float, float, float, float]] = {}
        for part, values in date_parts(cells).items():
            known = values[~np.isnan(values)]
            if not len(known):
                raise ValueError(f"Column {column!r} is empty in every training row; leave it out.")
            if part != "hour" or known.any():  # dates without a time are all at midnight
                own[part] = (*centre_and_spread(known, "standard"), *limits_of(known))
        self.dates[column] = own
        return bool(empty_cells(cells).any())

    def compact(self, frame: pd.DataFrame) -> np.ndarray:
        """Scaled numbers with their signs of absence, then a code for each category.

        Float32 `(rows, numbers + categories)`: one-hot codes are made by batch, since all at once
        may take more memory than the table.
        """
        columns: list[np.ndarray] = []

        def add(values: np.ndarray) -> None:
            columns.append(values.astype(np.float32))

        for column in self.mean:
            values = to_numbers(frame[column])
            missing = np.isnan(values)
            add(np.where(missing, 0.0, self._scaled(column, values)))
            if column in self.indicated:
                add(missing)
        for column, own in self.dates.items():
            parts = self._date_parts(frame[column])
            for part, (mean, deviation, low, high) in own.items():
                scaled = (np.clip(parts[part], low, high) - mean) / deviation
                add(np.where(np.isnan(scaled), 0.0, scaled))
            if column in self.indicated:
                add(empty_cells(frame[column]))
        for column in self.categories:
            add(1 + self._places(frame, column))
        return np.stack(columns, axis=1)

    def vectors(self, frame: pd.DataFrame) -> np.ndarray:
        """Input vectors, float32 `(rows, width)`."""
        compact = self.compact(frame)
        numbers = compact.shape[1] - len(self.categories)
        parts = [compact[:, :numbers]]
        for place, names in enumerate(self.categories.values(), start=numbers):
            parts.append(np.eye(1 + len(names), dtype=np.float32)[compact[:, place].astype(int)])
        return np.concatenate(parts, axis=1)

    def cells(self, vectors: np.ndarray) -> dict[str, np.ndarray]:
        """By column, the numbers and categories that input vectors stand for.

        Of a category it is the most probable one that has an input of its own. A number is the
        nearest that has its scaled value; the parts of a date do not make a date.
        """
        if self.dates:
            raise ValueError(f"Dates cannot be made of their parts: {list(self.dates)}.")
        found: dict[str, np.ndarray] = {}
        place = 0
        for column in self.mean:
            scaled = vectors[:, place] * self.deviation[column] + self.mean[column]
            method, knots = self.methods.get(column, "standard"), self.knots.get(column, ())
            found[column] = np.clip(untransformed(scaled, method, knots), *self.limits[column])
            place += 1 + (column in self.indicated)
        for column, names in self.categories.items():
            own = vectors[:, place + 1 : place + 1 + len(names)]
            found[column] = np.array(names, object)[own.argmax(axis=1)]
            place += 1 + len(names)
        return found

    def input_maker(self) -> InputMaker:
        """What makes batches of `compact` rows input vectors."""
        import tensorflow as tf

        widths = [1 + len(names) for names in self.categories.values()]

        def make_vectors(compact: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
            numbers = compact.shape[1] - len(widths)
            codes = tf.cast(compact[:, numbers:], tf.int32)
            one_hot = [tf.one_hot(codes[:, place], width) for place, width in enumerate(widths)]
            return tf.concat([compact[:, :numbers], *one_hot], axis=1)

        return make_vectors

    def _scaled(self, column: str, values: np.ndarray) -> np.ndarray:
        if column in self.limits:
            values = np.clip(values, *self.limits[column])
        method = self.methods.get(column, "standard")
        values = transformed(values, method, self.knots.get(column, ()))
        with np.errstate(over="ignore"):  # what overflows is cut
            scaled = (values - self.mean[column]) / self.deviation[column]
        return np.clip(scaled, -MOST_DEVIATIONS, MOST_DEVIATIONS)

    def _date_parts(self, dates: pd.Series) -> dict[str, np.ndarray]:
        zone, expected = have_zone(dates), dates.name in self.zoned
        if zone is not None and zone != expected:
            have, lack = ("have a", "none") if expected else ("have no", "one")
            raise ValueError(
                f"Column {dates.name!r}: the dates of the training rows {have} time zone, and "
                f"these have {lack}. Write them as those were written."
            )
        return date_parts(dates)

    def _known(self, column: str) -> KnownNames:
        return KnownNames(self.categories[column], column in self.indicated)

    def _places(self, frame: pd.DataFrame, column: str) -> np.ndarray:
        """The place of each row's category among those with an input of their own; or -1."""
        names, numbers = label_names(frame[column]), are_numbers(frame, column)
        return self._known(column).places(names, numbers)

    def unprepared(self, frame: pd.DataFrame) -> list[Unprepared]:
        """The cells that no training row prepared for, by column."""
        found = []
        for column in self.mean:
            values = to_numbers(frame[column])
            low, high = self.limits.get(column, (-np.inf, np.inf))
            found.append(far_outside(column, (values < low) | (values > high)))
            if column not in self.indicated:
                found.append(empty_here_only(column, np.isnan(values)))
        for column in self.categories:
            names = label_names(frame[column])
            unknown = self._places(frame, column) < 0
            empty = np.array([means_missing(name) for name in names], bool)
            seen = names.isin(self.shared.get(column, ())).to_numpy()
            known = self._known(column)
            either = np.array([bool(known.candidates(name)) for name in names], bool) & unknown
            found.append(may_be_several(column, either))
            found.append(in_no_training_row(column, unknown & ~empty & ~seen & ~either))
            found.append(shares_an_input(column, unknown & seen))
            if column not in self.indicated:
                found.append(empty_here_only(column, unknown & empty))
        for column, own in self.dates.items():
            parts = self._date_parts(frame[column])
            far = [(parts[p] < low) | (parts[p] > high) for p, (_, _, low, high) in own.items()]
            found.append(far_outside(column, np.any(far, axis=0)))
            if column not in self.indicated:
                found.append(empty_here_only(column, empty_cells(frame[column])))
        return [each for each in found if each.cells]


class TabularKind(Kind[TabularSettings, TabularPreprocessor]):
    """Several columns of numbers and categories, read as such in any column."""

    name, noun = "tabular", "table"
    settings, preprocessor = TabularSettings, TabularPreprocessor
    is_table = True

    def check_fitted(self, modality, fitted):
        check_scaling(tuple(fitted.mean.values()), tuple(fitted.deviation.values()), None)
        left_out, numbers = set(fitted.left_out), set(fitted.mean)
        quantiles = {c for c, method in fitted.methods.items() if method == "quantile"}
        expected = {
            "mean": set(modality.numeric) - left_out,
            "deviation": numbers,
            "categories": set(modality.categorical) - left_out,
            "dates": set(modality.dates) - left_out,
            "limits": numbers,
            "knots": quantiles,
        }
        for name, columns in expected.items():
            if set(getattr(fitted, name)) != columns:
                raise ValueError(
                    f"`{name}` must be of the columns {sorted(columns)}. Received: "
                    f"{sorted(getattr(fitted, name))}."
                )
        kept = set(modality.columns) - left_out
        for name in ("indicated", "shared", "zoned", "methods"):
            if unknown := sorted(set(getattr(fitted, name)) - kept):
                raise ValueError(f"`{name}` names {unknown}, which are no columns.")
        for method in fitted.methods.values():
            check_choice("TabularPreprocessor", "methods", method, SCALINGS)
        for parts in fitted.dates.values():
            if unknown := sorted(set(parts) - set(DATE_PARTS)):
                raise ValueError(f"`dates` has the parts {unknown}; there are {DATE_PARTS}.")

    def column_roles(self, modality: Tabular) -> dict[str, str]:
        roles = dict.fromkeys(modality.numeric, "number")
        role = next(r for r, first in DATE_ROLES.items() if first is modality.day_first)
        others = dict.fromkeys(modality.categorical, "label") | dict.fromkeys(modality.dates, role)
        return roles | {column: role for column, role in others.items() if column not in roles}

    def filtered(self, frame, modality, fitted, task) -> TabularPreprocessor:
        if fitted.settings.filter == "none":
            return fitted
        filtered = fitted.filtered(frame, task)
        print(f"{modality.name!r}: {fitted.settings.filter} leaves out {list(filtered.left_out)}")
        return filtered

    def source(self, rows, modality, fitted, store) -> Source:
        from mmkeras.data.sources import TensorSource

        return TensorSource(fitted.compact(rows.frame), fitted.input_maker())

    def raw_values(self, frame, modality, fitted, source) -> pd.DataFrame:
        return frame[list(modality.columns)]

    def inputs_of(self, values, fitted, length) -> np.ndarray:
        return fitted.vectors(values)

    def cells_of(self, values, modality, fitted) -> pd.DataFrame:
        if fitted.left_out:
            raise ValueError(f"{fitted.settings.filter} leaves out {list(fitted.left_out)}.")
        cells = fitted.cells(np.asarray(values, np.float64))
        return pd.DataFrame({column: cells[column] for column in modality.columns})

    def as_inputs(self, values, modality, fitted) -> np.ndarray:
        """Of each category the most probable one alone."""
        return fitted.vectors(self.cells_of(values, modality, fitted))

    def unprepared(self, frame, modality, fitted, source) -> list[Unprepared]:
        empty = [empty_cells(frame[column]) for column in modality.columns]
        return fitted.unprepared(frame[~np.all(empty, axis=0)])
