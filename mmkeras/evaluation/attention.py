"""Where a fusion looks: attention weights as maps over the image."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from mmkeras.data.pipeline import Pipeline
from mmkeras.submodels import attention_model


def image_attention(
    model: keras.Model, pipeline: Pipeline, rows: Sequence[int]
) -> np.ndarray | None:
    """How much attention each region of the first image modality gets from the other modalities.

    The weights are averaged over the heads and over the query tokens that count (padding does
    not); where several modalities look at the image, over them too.

    Args:
        model: A model of `build_model`.
        pipeline: The rows.
        rows: Positions of the rows to look at.

    Returns:
        `(rows, grid_height, grid_width)`; `None` where no modality attends to image regions.
    """
    schema = pipeline.preprocessing.schema
    image = next((m.name for m in schema.modalities if m.kind == "image"), None)
    if image is None or not getattr(model.get_layer("fusion"), "has_weights", False):
        return None
    weights_model = attention_model(model)
    directions = [name for name in weights_model.output if name.endswith(f"_to_{image}")]
    if not directions:
        return None
    part = Pipeline(pipeline.frame.iloc[list(rows)], pipeline.preprocessing, batch_size=len(rows))
    inputs = next(part.evaluate().as_numpy_iterator())[0]
    weights = weights_model.predict_on_batch(inputs)
    spec = pipeline.preprocessing.inputs[image]
    grid = model.get_layer(f"{image}_encoder").token_grid(spec.shape)
    maps = []
    for direction in directions:
        scores = np.asarray(weights[direction], np.float64).mean(axis=1)
        counts = _query_mask(model, direction.removesuffix(f"_to_{image}"), inputs, scores)
        total = np.maximum(counts.sum(axis=1), 1)[:, None]
        maps.append((scores * counts[..., None]).sum(axis=1) / total)
    return np.mean(maps, axis=0).reshape(len(rows), *grid)


def _query_mask(model: keras.Model, modality: str, inputs, scores: np.ndarray) -> np.ndarray:
    """Which query tokens count, `(rows, queries)`."""
    name = f"{modality}_mask"
    if name not in {layer.name for layer in model.layers}:
        return np.ones(scores.shape[:2])
    mask = keras.Model(model.input, model.get_layer(name).output).predict_on_batch(inputs)
    return np.asarray(mask, np.float64)
