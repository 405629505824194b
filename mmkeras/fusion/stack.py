"""Fusion by stacking: every modality's vector at one width, each in a place of its own."""

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
class StackFusion(Fusion):
    """Projects each modality to one width and stacks the vectors on a new axis.

        S(X) = stack_i(W_i pool(X_i) + b_i),    of shape (batch, modalities, dim)
        F(X) = flatten(S(X))

    MultiBench stacks vectors that have one width already; the projection makes it so for any.
    Unlike in a concatenation of the pooled tokens, every modality gets an equal share of the
    vector, however wide its encoder. Since a model's head reads vectors, the stack is flattened;
    `keras.ops.reshape(vector, (-1, modalities, dim))` undoes it.

    An absent modality's part is zeros.

    Args:
        dim: The width of each modality's part.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, modalities * dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> StackFusion(dim=32)([image, text]).shape
    (None, 64)

    References:
        - [Liang et al., 2021](https://arxiv.org/abs/2107.07502) (MultiBench)
    """

    def __init__(self, dim: int = 64, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("StackFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections = build_projections(
            tokens_shape, self.dim, self.pooling, self.dtype_policy
        )

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        vectors = pool_each(tokens, masks, self.poolings)
        stacked = project(self.projections, vectors, presence(tokens, present))
        return ops.reshape(stacked, (-1, len(tokens) * self.dim))
