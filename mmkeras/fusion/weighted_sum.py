"""Fusion by a weighted sum: F(X) = sum of w_i f_i(X), with learnt weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pool,
    pooled_dim,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class WeightedSumFusion(layers.Layer):
    """Projects each modality to one width and adds them up with learnt weights.

        F(X) = sum_i w_i f_i(X),    f_i(X) = A_i pool(X_i) + b_i,    w = softmax(s)

    The scores `s`, one for each modality, are learnt and start equal; the weights are positive
    and add up to 1. For a row with absent modalities the softmax runs over the present ones, so
    that an absent one has weight 0 and the others still add up to 1. A row without any modality
    gives zeros.

    Args:
        dim: The width of the sum.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.pooling.pool`.

    Call arguments:
        tokens: List of `(batch, tokens, dim)`, one for each modality.
        masks: `None`, or a list of boolean `(batch, tokens)` or `None`.
        present: `None`, or boolean `(batch, modalities)`.
        return_weights: Whether to return the weights too.

    Returns:
        `(batch, dim)`; with `return_weights`, also the weights `(batch, modalities)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> vector, weights = WeightedSumFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights.shape
    ((None, 32), (None, 2))

    References:
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (weighted sums of what
          several sources say)
        - [Peters et al., 2018](https://arxiv.org/abs/1802.05365) (softmax-normalised learnt
          weights, equation 1)
    """

    has_weights = True

    def __init__(self, dim: int = 64, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("WeightedSumFusion", tokens_shape)
        self.scores = self.add_weight(
            shape=(len(tokens_shape),), initializer="zeros", name="scores"
        )
        self.projections = []
        for shape in tokens_shape:
            projection = layers.Dense(self.dim, dtype=self.dtype_policy)
            projection.build((None, pooled_dim(shape, self.pooling)))
            self.projections.append(projection)

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        cleared, masks = clear_absent(tokens, masks, present)
        projected = [
            projection(pool(x, mask, self.pooling))
            for projection, x, mask in zip(self.projections, cleared, masks, strict=True)
        ]
        weights = self._weights(ops.shape(tokens[0])[0], present)
        fused = ops.sum(ops.expand_dims(weights, -1) * ops.stack(projected, axis=1), axis=1)
        return (fused, weights) if return_weights else fused

    def _weights(self, batch_size, present):
        scores = ops.broadcast_to(
            ops.expand_dims(ops.cast(self.scores, "float32"), 0), (batch_size, self.scores.shape[0])
        )
        if present is None:
            return ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        present = ops.cast(present, "bool")
        weights = ops.softmax(ops.where(present, scores, -1e9), axis=-1)
        return ops.cast(ops.where(present, weights, 0.0), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dim": self.dim, "pooling": self.pooling}
