"""Fusion by a weighted sum: F(X) = sum of w_i f_i(X), with learnt weights."""

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
from mmkeras.fusion.parts.projection import (
    build_projections,
    masked_softmax,
    pool_each,
    presence,
    project,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class WeightedSumFusion(Fusion):
    """Projects each modality to one width and adds them up with learnt weights.

        F(X) = sum_i w_i f_i(X),    f_i(X) = A_i pool(X_i) + b_i,    w = softmax(s)

    The scores `s`, one for each modality, are learnt and start equal; the weights are positive
    and add up to 1. For a row with absent modalities the softmax runs over the present ones, so
    that an absent one has weight 0 and the others still add up to 1. A row without any modality
    gives zeros.

    Args:
        dim: The width of the sum.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`; with `return_weights`, also the weights `(batch, modalities)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> vector, weights = WeightedSumFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights.shape
    ((None, 32), (None, 2))

    References:
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (the sum rule for what
          several sources say, without weights)
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
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.scores = self.add_weight(
            shape=(len(tokens_shape),), initializer="zeros", name="scores"
        )
        self.projections = build_projections(
            tokens_shape, self.dim, self.pooling, self.dtype_policy
        )

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        projected = project(self.projections, pool_each(tokens, masks, self.poolings), here)
        weights = ops.cast(masked_softmax(self.scores, here), self.compute_dtype)
        fused = ops.sum(ops.expand_dims(weights, axis=-1) * projected, axis=1)
        return (fused, weights) if return_weights else fused
