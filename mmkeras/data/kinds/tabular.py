"""Tables of numbers and categories: settings, what is fitted, and batches of vectors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmkeras.data.kinds.base import Kind
from mmkeras.data.kinds.protocols import Source
from mmkeras.data.tables.cells import label_names, to_numbers
from mmkeras.schema import InputSpec, Tabular


@dataclass(frozen=True)
class TabularSettings:
    """How numbers and categories become inputs.

    Args:
        max_categories: Up to this many categories of a column, the most frequent ones, get an input
            of their own; the others, and those never seen in training, share one.
    """

    max_categories: int = 100


@dataclass(frozen=True)
class TabularPreprocessor:
    """Fitted state of a tabular modality.

    The input vector is, column by column: for a number its z-score (0 where missing) and, if a
    training row lacked it, a 1 where it is missing; for a category a one-hot code whose first
    place means "missing or not seen in training".
    """

    settings: TabularSettings
    mean: dict[str, float]
    deviation: dict[str, float]
    indicated: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    @property
    def spec(self) -> InputSpec:
        groups = [1 + (column in self.indicated) for column in self.mean]
        groups += [1 + len(names) for names in self.categories.values()]
        return InputSpec((sum(groups),), groups=tuple(groups))

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Tabular, settings: TabularSettings
    ) -> TabularPreprocessor:
        mean, deviation, indicated = {}, {}, []
        for column in modality.numeric:
            values = to_numbers(frame[column])
            known = values[~np.isnan(values)]
            if not len(known):
                raise ValueError(f"Column {column!r} is empty in every training row; leave it out.")
            mean[column] = float(known.mean())
            deviation[column] = float(known.std()) or 1.0
            if len(known) < len(values):
                indicated.append(column)
        categories = {}
        for column in modality.categorical:
            counts = Counter(name for name in label_names(frame[column]) if name is not None)
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            categories[column] = tuple(name for name, _ in ranked[: settings.max_categories])
        return cls(settings, mean, deviation, tuple(indicated), categories)

    def vectors(self, frame: pd.DataFrame) -> np.ndarray:
        """Input vectors, float32 `(rows, width)`."""
        parts = []
        for column, mean in self.mean.items():
            values = to_numbers(frame[column])
            missing = np.isnan(values)
            parts.append(np.where(missing, 0.0, (values - mean) / self.deviation[column])[:, None])
            if column in self.indicated:
                parts.append(missing[:, None])
        for column, names in self.categories.items():
            place = {name: 1 + position for position, name in enumerate(names)}
            codes = [place.get(name, 0) for name in label_names(frame[column])]
            parts.append(np.eye(1 + len(names))[np.array(codes, np.int64)])
        return np.concatenate(parts, axis=1).astype(np.float32)


class TabularKind(Kind[TabularSettings, TabularPreprocessor]):
    """Several columns of numbers and categories, read as such in any column."""

    name, noun = "tabular", "table"
    settings, preprocessor = TabularSettings, TabularPreprocessor
    is_table = True

    def column_roles(self, modality: Tabular) -> dict[str, str]:
        roles = dict.fromkeys(modality.numeric, "number")
        return roles | {column: "label" for column in modality.categorical if column not in roles}

    def source(self, rows, modality, fitted, store) -> Source:
        from mmkeras.data.sources import TensorSource

        return TensorSource(fitted.vectors(rows.frame))

    def raw_values(self, frame, modality, fitted, source) -> pd.DataFrame:
        return frame[list(modality.columns)]

    def inputs_of(self, values, fitted, length) -> np.ndarray:
        return fitted.vectors(values)
