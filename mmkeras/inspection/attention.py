"""Where a fusion looks: attention weights over a modality's tokens, and as maps over the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.fusion import traits
from mmkeras.models.parts import (
    attention_model,
    encoder_layers,
    fusion_inputs,
    fusion_layer,
    token_mask,
)


def attention_to(model: keras.Model, inputs: Mapping[str, Any], modality: str) -> np.ndarray | None:
    """How much attention each token of a modality gets from the other modalities.

    The weights are averaged over the heads and over the query tokens that count (padding does
    not); where several modalities look at this one, over those that the row has, too.

    Args:
        model: A model of `build_model`.
        inputs: Arrays by input name, `(rows, ...)` each.
        modality: The one that is looked at.

    Returns:
        `(rows, tokens)`; `None` where the fusion has no weights of single tokens of this modality,
        or works at each step alone.
    """
    if not traits(fusion_layer(model)).has_weights:
        return None
    weights_model = attention_model(model)
    directions = {
        query: weights_model.output.get(f"{query}_to_{modality}")
        for query in fusion_inputs(model)[0]
    }
    # Weights of a fusion at each step have one axis more, and one token to look at.
    if not any(x is not None and len(x.shape) == 4 for x in directions.values()):
        return None
    weights = weights_model.predict_on_batch(inputs)
    present = inputs.get("present")
    received, there = [], []
    for place, (query, tensor) in enumerate(directions.items()):
        if tensor is None:
            continue
        scores = np.asarray(weights[f"{query}_to_{modality}"], np.float64).mean(axis=1)
        mask = token_mask(model, query, inputs[query])
        counts = np.ones(scores.shape[:2]) if mask is None else mask.astype(np.float64)
        total = np.maximum(counts.sum(axis=1), 1)[:, None]
        received.append((scores * counts[..., None]).sum(axis=1) / total)
        there.append(np.ones(len(scores)) if present is None else np.asarray(present)[:, place])
    there = np.asarray(there, np.float64)[..., None]
    return (np.asarray(received) * there).sum(axis=0) / np.maximum(there.sum(axis=0), 1)


def image_attention(
    model: keras.Model, pipeline: Pipeline, rows: Sequence[int]
) -> dict[str, np.ndarray]:
    """How much attention each region of the images gets from the other modalities.

    Args:
        model: A model of `build_model`.
        pipeline: The rows.
        rows: Kept positions of the rows to look at.

    Returns:
        By image modality, `(rows, grid_height, grid_width)`, of `attention_to`, of several images
        as `example_pictures` shows them; without those whose regions no modality attends to.
    """
    kinds = {m.name: KINDS[m.kind] for m in pipeline.preprocessing.schema.modalities}
    images = [name for name, kind in kinds.items() if kind.is_visual and kind.has_heat_map]
    inputs = inputs_of_rows(pipeline, rows) if images else {}
    maps, encoders = {}, encoder_layers(model)
    for name in images:
        weights = attention_to(model, inputs, name)
        if weights is not None:
            spec = pipeline.preprocessing.inputs[name]
            grid = encoders[name].token_grid(spec.shape)
            found = weights.reshape(len(rows), *grid)
            maps[name] = np.stack([kinds[name].upright(each) for each in found])
    return maps


def inputs_of_rows(pipeline: Pipeline, rows: Sequence[int]) -> dict[str, np.ndarray]:
    """The model's inputs for a few rows of a pipeline, in one batch.

    Args:
        pipeline: The rows.
        rows: Their kept positions.
    """
    part = Pipeline(pipeline.frame.iloc[list(rows)], pipeline.preprocessing, batch_size=len(rows))
    return next(part.evaluate().as_numpy_iterator())[0]
