"""Multiplicative interactions: a full bilinear layer between modalities, pair after pair."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import build_projections, pool_each, presence, project


@keras.saving.register_keras_serializable(package="mmkeras")
class MultiplicativeFusion(Fusion):
    """Relates modalities by a bilinear form with all its lower-order terms.

    For two vectors, with a third-order tensor `W`, matrices `U` and `V` and a bias `b`
    (equation 1 of the paper):

        f(x, z) = z^T W x + z^T U + V x + b

    Each modality is first projected to `dim`, `h_i = P_i pool(X_i) + p_i`, since `W` has
    `dim * dim * dim` weights. More than two modalities are folded one after the other, each step
    with weights of its own, in the order in which they come:

        F(X) = f_m(... f_3(f_2(h_1, h_2), h_3) ..., h_m)

    A projection before a bilinear form limits its rank to `dim`; nothing else is simplified.

    An absent modality is zeros, so that its terms fall away: `f(x, 0) = V x + b`. A step before
    which nothing was present, and that brings nothing either, gives zeros, without `b`; so does
    a row without any modality.

    Args:
        dim: The width of the projections and of the fused vector.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> MultiplicativeFusion(dim=16)([image, text]).shape
    (None, 16)

    References:
        - [Jayakumar et al., 2020](https://openreview.net/forum?id=rylnK6VtDH) (equation 1)
    """

    def __init__(self, dim: int = 32, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("MultiplicativeFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections = build_projections(
            tokens_shape, self.dim, self.pooling, self.dtype_policy
        )
        dim = self.dim
        self.interactions = [
            {
                "W": self.add_weight(shape=(dim, dim, dim), name=f"W_{i}"),
                "U": self.add_weight(shape=(dim, dim), name=f"U_{i}"),
                "V": self.add_weight(shape=(dim, dim), name=f"V_{i}"),
                "b": self.add_weight(shape=(dim,), initializer="zeros", name=f"bias_{i}"),
            }
            for i in range(1, len(tokens_shape))
        ]

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        vectors = pool_each(tokens, masks, self.poolings)
        projected = project(self.projections, vectors, here)
        fused = projected[:, 0]
        for i, step in enumerate(self.interactions, start=1):
            z = projected[:, i]
            matrix = ops.einsum("bi,ijk->bjk", z, step["W"]) + step["V"]
            bias = ops.matmul(z, step["U"]) + step["b"]
            fused = ops.einsum("bj,bjk->bk", fused, matrix) + bias
            started = ops.any(here[:, : i + 1], axis=1, keepdims=True)
            fused = ops.where(started, fused, 0.0)
        return fused
