"""Embeddings to cluster: encoders that learn, without labels, to agree about each row."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import fitted_pipelines, make_model
from mmkeras.schema import Number, Schema
from mmkeras.training.pretraining.pretrain import ContrastiveSettings, embed, pretrain
from mmkeras.training.seeds import set_seed

# A model has an output; what is trained here is its encoders, and none of it sees this column.
_NO_TARGET = "no target"


def deep_embeddings(
    table: pd.DataFrame,
    schema: Schema,
    settings: Settings,
    contrastive: ContrastiveSettings,
    *,
    seed: int,
    folder: Path,
) -> np.ndarray:
    """Trains contrastive encoders on all rows, without labels, and embeds the rows.

    Args:
        table: The rows.
        schema: Two modalities or more.
        settings: Encoders and preprocessing.
        contrastive: How encoders are trained to agree.
        seed: Of weights and order.
        folder: Where `cache="file"` keeps decoded media.

    Returns:
        Each modality's unit vectors side by side, `(rows, modalities * dim)`; zeros for an absent
        modality.

    Raises:
        ValueError: There is one modality: it has nothing to agree with.
    """
    if len(schema.modalities) < 2:
        raise ValueError(
            "Contrastive encoders learn what modalities share, and there is one: "
            f"{schema.names[0]!r}. Leave out --deep."
        )
    keras.utils.clear_session()
    set_seed(seed)
    rows = table.assign(**{_NO_TARGET: 0.0})
    training = dataclasses.replace(settings.training, batch_size=contrastive.batch_size)
    settings = dataclasses.replace(settings, training=training)
    _, pipelines = fitted_pipelines(
        Splits(rows, rows[:0], rows[:0]),
        Schema(schema.modalities, Number(_NO_TARGET), id=schema.id),
        settings,
        folder,
    )
    rows = pipelines["train"]
    model = make_model(rows.preprocessing, settings)
    label = f"contrastive encoders, seed {seed}"
    vectors = embed(pretrain(model, rows, contrastive, seed=seed, label=label), rows)
    present = ~missing_cells(table, schema)
    return np.concatenate(
        [vectors[name] * present[name].to_numpy()[:, None] for name in schema.names], axis=1
    )
