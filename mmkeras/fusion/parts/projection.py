"""From each modality's tokens to vectors of one width, and what may be done with the present ones.

The first steps of every fusion that makes each modality one vector: pool, project, and put zeros
where a modality is absent (a projection of zeros is its bias, so that comes last).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers, ops

from mmkeras.fusion.parts.pooling import pool, pooled_dim


def presence(tokens: Sequence[Any], present: Any | None) -> Any:
    """Boolean `(batch, modalities)`: `present`, or True everywhere where there is none."""
    if present is None:
        return ops.ones((ops.shape(tokens[0])[0], len(tokens)), dtype="bool")
    return ops.cast(present, "bool")


def pool_each(tokens: Sequence[Any], masks: Sequence[Any], poolings: Sequence[str]) -> list[Any]:
    """One vector `(batch, pooled_dim)` for each modality.

    `clear_absent` gives the tokens and masks, `resolve_poolings` the poolings.
    """
    return [pool(x, mask, how) for x, mask, how in zip(tokens, masks, poolings, strict=True)]


def build_projections(
    tokens_shape: Sequence[Sequence[int | None]],
    dim: int,
    pooling: str,
    dtype: Any,
    **options: Any,
) -> list[layers.Dense]:
    """A built dense layer for each modality, from its pooled tokens to the width `dim`.

    Args:
        tokens_shape: The shapes of the modalities' tokens.
        dim: The common width.
        pooling: How a modality's tokens become one vector.
        dtype: The fusion's `dtype_policy`.
        **options: Further arguments of `keras.layers.Dense`.
    """
    projections = []
    for shape in tokens_shape:
        projection = layers.Dense(dim, dtype=dtype, **options)
        projection.build((None, pooled_dim(shape, pooling)))
        projections.append(projection)
    return projections


def project(projections: Sequence[Any], vectors: Sequence[Any], here: Any) -> Any:
    """All modalities at one width, zeros where one is absent.

    Args:
        projections: A layer for each modality.
        vectors: A `(batch, features)` for each modality.
        here: Boolean `(batch, modalities)`.

    Returns:
        `(batch, modalities, dim)`.
    """
    projected = [layer(x) for layer, x in zip(projections, vectors, strict=True)]
    return ops.where(ops.expand_dims(here, axis=-1), ops.stack(projected, axis=1), 0.0)


def masked_softmax(scores: Any, mask: Any) -> Any:
    """A softmax over the last axis that runs over the True places only.

    Args:
        scores: `(..., n)`.
        mask: Boolean, of a shape that broadcasts with that of `scores`.

    Returns:
        float32 `(..., n)`, zero where the mask is False, and everywhere in a row without a True.
    """
    # Not `ops.softmax`, which warns where there is a single key; nothing unusual here.
    scores = ops.where(mask, ops.cast(scores, "float32"), -1e9)
    largest = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    exponentials = ops.where(mask, ops.exp(scores - largest), 0.0)
    # Where the mask has a True, the sum is 1 at least.
    return exponentials / ops.maximum(ops.sum(exponentials, axis=-1, keepdims=True), 1.0)


def zero_empty_rows(vector: Any, here: Any) -> Any:
    """`vector`, `(batch, dim)`, with zeros in the rows that have no modality at all."""
    return ops.where(ops.any(here, axis=1, keepdims=True), vector, 0.0)


def append_one(x: Any) -> Any:
    """`[x; 1]` along the last axis."""
    return ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
