"""Gated multimodal units: every feature of the fused vector has a gate between the modalities."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pooled_dim,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import build_projections, pool_each, presence, project


@keras.saving.register_keras_serializable(package="mmkeras")
class GatedMultimodalUnit(Fusion):
    """Lets gates that see all modalities decide, feature by feature, what each contributes.

    With `x_i = pool(X_i)`, for two modalities (figure 2b of the paper and its equations):

        h_1 = tanh(W_1 x_1),    h_2 = tanh(W_2 x_2)
        z = sigmoid(W_z [x_1, x_2])
        F(X) = z * h_1 + (1 - z) * h_2

    and for more (figure 2a), with a gate for each modality:

        h_i = tanh(W_i x_i),    z_i = sigmoid(W_zi [x_1, ..., x_m])
        F(X) = sum_i z_i * h_i

    There are no biases, as in the paper. Gates see `x_i`, as there; in its code `W_i x_i`.

    An absent modality has `x_i = 0` in the gates' input and a gate of 0. Of two modalities the
    one that is left takes the whole, as the gates of two add up to 1: `F(X) = h_1`, weight 1. A
    row without any gives zeros.

    Args:
        dim: The width of the fused vector.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`; with `return_weights`, also `(batch, modalities)`: each modality's gate,
        its mean over the features. They add up to 1 for two modalities only.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> vector, weights = GatedMultimodalUnit(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights.shape
    ((None, 32), (None, 2))

    References:
        - [Arevalo et al., 2017](https://arxiv.org/abs/1702.01992)
    """

    has_weights = True

    def __init__(self, dim: int = 64, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("GatedMultimodalUnit", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections = build_projections(
            tokens_shape,
            self.dim,
            self.pooling,
            self.dtype_policy,
            activation="tanh",
            use_bias=False,
        )
        self.number_of_gates = 1 if len(tokens_shape) == 2 else len(tokens_shape)
        self.gate = layers.Dense(
            self.number_of_gates * self.dim,
            activation="sigmoid",
            use_bias=False,
            dtype=self.dtype_policy,
        )
        self.gate.build((None, sum(pooled_dim(shape, self.pooling) for shape in tokens_shape)))

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        vectors = pool_each(tokens, masks, self.poolings)
        hidden = project(self.projections, vectors, here)
        gates = self.gate(ops.concatenate(vectors, axis=-1))
        gates = ops.reshape(gates, (-1, self.number_of_gates, self.dim))
        counts = ops.expand_dims(here, axis=-1)
        if len(tokens) == 2:
            gates = ops.concatenate([gates, 1.0 - gates], axis=1)
            gates = ops.where(ops.all(counts, axis=1, keepdims=True), gates, 1.0)
        gates = ops.where(counts, gates, 0.0)
        fused = ops.sum(gates * hidden, axis=1)
        return (fused, ops.mean(gates, axis=-1)) if return_weights else fused
