"""Fusion by a gated sum: F(X) = sum of w_i(X) f_i(X), with weights that each row decides."""

from __future__ import annotations

import keras
from keras import layers, ops

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
class GatedSumFusion(Fusion):
    """Adds up the projected modalities with weights that a gate gives to each row.

        f_i = A_i pool(X_i) + b_i
        w(X) = softmax(G [f_1, ..., f_m] + g)
        F(X) = sum_i w_i(X) f_i

    As in a mixture of experts (Jacobs et al.), with one expert for each modality: the weights are
    positive and add up to 1. `WeightedSumFusion` has the same weights for every row,
    `GatedMultimodalUnit` (Arevalo et al.) has a gate for every feature.

    `G` starts at zero, as in Shazeer et al. (appendix A), so that training begins with the plain
    mean. From random gates training often ended with one modality, whichever the gate had
    preferred first, and the other unheard.

    The softmax runs over the modalities that a row has: an absent one has weight 0, the others
    still add up to 1, and the gate sees zeros in its place. A row without any gives zeros.

    Args:
        dim: The width of the sum.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`; with `return_weights`, also the weights `(batch, modalities)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> vector, weights = GatedSumFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights.shape
    ((None, 32), (None, 2))

    References:
        - [Jacobs et al., 1991](https://doi.org/10.1162/neco.1991.3.1.79) (adaptive mixtures of
          local experts)
        - [Shazeer et al., 2017](https://arxiv.org/abs/1701.06538) (gates that start at zero)
        - [Arevalo et al., 2017](https://arxiv.org/abs/1702.01992) (gates that see all modalities)
    """

    has_weights = True

    def __init__(self, dim: int = 64, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("GatedSumFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections = build_projections(
            tokens_shape, self.dim, self.pooling, self.dtype_policy
        )
        self.gate = layers.Dense(
            len(tokens_shape), kernel_initializer="zeros", dtype=self.dtype_policy
        )
        self.gate.build((None, len(tokens_shape) * self.dim))

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        vectors = pool_each(tokens, masks, self.poolings)
        projected = project(self.projections, vectors, here)
        scores = self.gate(ops.reshape(projected, (-1, len(tokens) * self.dim)))
        weights = ops.cast(masked_softmax(scores, here), self.compute_dtype)
        fused = ops.sum(ops.expand_dims(weights, axis=-1) * projected, axis=1)
        return (fused, weights) if return_weights else fused
