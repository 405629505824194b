"""Rows for a conversion: any modality of a schema becomes the target, the label is kept aside."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD

from mmkeras.classical.features.modality_features import ModalityFeatures
from mmkeras.data.tables.cells import empty_cells, label_names, missing_cells
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.rows import Rows, open_table
from mmkeras.schema import MODALITIES, Image, Label, Modality, Schema, Sequence, Tabular, Text
from mmkeras.studies.conversion.conversion_config import ConvertConfig
from mmkeras.tasks import TASKS

# Features that are more than this are made fewer, so that each counts.
_MOST_FEATURES = 100


@dataclass(frozen=True, eq=False)
class ConversionRows(Rows):
    """The rows of a conversion; the schema has the sources as inputs and what is made as target.

    Args:
        label: The column of classes; `None` where there is none.
        made: The modality that is made, as the table has it.
    """

    label: str | None
    made: Modality

    @property
    def made_as_input(self) -> Modality:
        """The modality that is made, as the input of a classifier."""
        return _as_input(self.made)

    def labels(self, part: pd.DataFrame) -> np.ndarray:
        """The class of each row, as text."""
        return label_names(part[self.label]).to_numpy(str)


def conversion_rows(config: ConvertConfig) -> ConversionRows:
    """Opens the rows; the same configuration gives the same rows in every process.

    Rows without the modality that is made, or without any source, are left out.

    Raises:
        ValueError: There is no such modality or label, or the modality cannot be made.
    """
    table, schema, messages = open_table(config.data, config.settings, need_target=False)
    modalities = _modalities(schema)
    made, sources = _chosen(config, modalities)
    label = _label(config, table, schema, (made, *sources))
    lacking = missing_cells(table, Schema((made, *sources))).to_numpy()
    keep = ~lacking[:, 0] & ~lacking[:, 1:].all(axis=1)
    if isinstance(made, Tabular):
        keep &= ~np.any([empty_cells(table[column]) for column in made.columns], axis=0)
    if label is not None:
        keep &= ~empty_cells(table[label])
    if not keep.all():
        messages.append(
            f"{(~keep).sum():,} rows without {made.name}, any source, or label left out"
        )
        table = table[keep]
    if not len(table):
        raise ValueError(f"No row has {made.name!r}, a source and, where there are any, a label.")
    splits = config.data.split(
        table,
        Schema(sources, None if label is None else Label(label), schema.id, schema.group),
        validation=config.validation,
        test=config.test,
        seed=config.split_seed,
    )
    target, splits = _target(made, splits, config.as_features)
    own = Schema(sources, target, schema.id, schema.group)
    config.settings.preprocessing(own)  # settings without effect are refused before any work
    return ConversionRows(table, own, splits, messages, label, made)


def _modalities(schema: Schema) -> dict[str, Modality]:
    """All that can be converted: the inputs, and a target that could be one."""
    found: dict[str, Modality] = {modality.name: modality for modality in schema.modalities}
    if schema.target is not None and schema.target.kind in MODALITIES:
        found[schema.target.name] = schema.target
    return found


def _chosen(
    config: ConvertConfig, modalities: dict[str, Modality]
) -> tuple[Modality, tuple[Modality, ...]]:
    """The modality that is made, and those that it is made of."""
    names = list(modalities)
    wrong = [name for name in (*config.sources, config.to) if name and name not in modalities]
    if wrong or not config.to:
        received = f"--to {config.to or 'nothing'}, --from {' '.join(config.sources) or 'all'}"
        raise ValueError(f"--from and --to name modalities, some of {names}. Received: {received}.")
    if config.to in config.sources:
        raise ValueError(f"{config.to!r} cannot be made of itself. Leave it out of --from.")
    made = modalities[config.to]
    if made.kind not in TASKS and not (isinstance(made, Tabular) and made.columns == made.numeric):
        raise ValueError(
            f"{made.name!r} ({made.kind}) cannot be made: only texts, images, sequences and "
            "tabular modalities of numbers can."
        )
    if isinstance(made, Image) and made.several:
        raise ValueError(f"{made.name!r} has several images per row; one image can be made.")
    sources = config.sources or tuple(name for name in names if name != config.to)
    if not sources:
        raise ValueError(f"{made.name!r} is the only modality: there is nothing to make it of.")
    return made, tuple(_as_input(modalities[name]) for name in sources)


def _as_input(modality: Modality) -> Modality:
    """Without what only a target may have."""
    return dataclasses.replace(modality, judged_by="") if isinstance(modality, Text) else modality


def _label(
    config: ConvertConfig, table: pd.DataFrame, schema: Schema, used: tuple[Modality, ...]
) -> str | None:
    """The column of classes, if there is one."""
    label = config.label
    if label is None and isinstance(schema.target, Label):
        label = schema.target.column
    inputs = {column for modality in used for column in modality.columns}
    if label is not None and (label not in table.columns or label in inputs):
        what = "is converted" if label in inputs else f"is not one of {list(table.columns)}"
        raise ValueError(f"--label {label}: this column {what}.")
    if label is None and config.imputes:
        raise ValueError("--impute needs classes: name their column with --label.")
    return label


def _target(made: Modality, splits: Splits, as_features: bool) -> tuple[Any, Splits]:
    """The schema's target, and the parts with its column."""
    if as_features:
        features = VectorFeatures([made], splits.train)
        vectors = {name: features(part) for name, part in splits.items()}
    elif isinstance(made, Tabular):
        vectors = {name: part[list(made.columns)].to_numpy() for name, part in splits.items()}
    elif isinstance(made, Text) and not made.judged_by:
        return dataclasses.replace(made, judged_by="chrf"), splits
    else:
        return made, splits
    column = f"{made.name} as one vector"
    parts = {
        name: part.assign(
            **{column: pd.Series(list(vectors[name].astype(np.float32)), part.index, object)}
        )
        for name, part in splits.items()
    }
    return Sequence(made.name, column=column), Splits(**parts)


class VectorFeatures:
    """Modalities' features, as classical models have them, fitted on training rows.

    More than 100 become 100 by a truncated singular value decomposition.

    Args:
        modalities: The modalities.
        train: The training rows.
    """

    def __init__(self, modalities: Iterable[Modality], train: pd.DataFrame):
        self._features = ModalityFeatures(Schema(tuple(map(_as_input, modalities))))
        values = self._features.fit_transform(train)
        self._fewer = None
        most = min(_MOST_FEATURES, len(train) - 1)
        if values.shape[1] > most:
            self._fewer = TruncatedSVD(most, random_state=0).fit(values)

    def __call__(self, rows: pd.DataFrame) -> np.ndarray:
        """Float64 `(rows, features)`."""
        if not len(rows):
            return np.zeros((0, 1))
        values = self._features.transform(rows)
        if self._fewer is not None:
            return self._fewer.transform(values)
        return values.toarray() if hasattr(values, "toarray") else np.asarray(values)
