"""Fusion by attention over modalities: each row decides how much each modality counts."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    masked_mean,
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
class ModalityAttentionFusion(Fusion):
    """Weighs the modalities by an attention that looks at their contents.

    With `c_i = pool(X_i)` and `w`, `W`, `V_i`, `b_i`, `P_i`, `p_i` learnt:

        d_i = c_i P_i + p_i
        v_i = tanh(h W + c_i V_i + b_i) w
        beta = softmax(v)                  over the modalities
        F(X) = sum_i beta_i d_i

    In the paper `h` is the state of a decoder that writes a sentence word by word. There is none
    here; `h` is the mean of the row's `d_i`, so that a modality's weight still depends on what
    the others say. The paper's `tanh` over the sum and the state is left to the layers behind.

    `w` starts at zero: training begins with equal weights, and does not settle on one modality
    before it has seen what the others are good for.

    The weights differ from row to row; those of `WeightedSumFusion` do not. Absent
    modalities are left out of `h` and of the softmax. A row without any modality gives zeros.

    Args:
        dim: The width of the fused vector, and of the attention.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`; with `return_weights`, also `beta`, `(batch, modalities)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> vector, weights = ModalityAttentionFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights.shape
    ((None, 32), (None, 2))

    References:
        - [Hori et al., 2017](https://arxiv.org/abs/1701.03126) (multimodal attention)
        - [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473) (additive attention)
    """

    has_weights = True

    def __init__(self, dim: int = 64, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("ModalityAttentionFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections, self.to_keys = (
            build_projections(tokens_shape, self.dim, self.pooling, self.dtype_policy)
            for _ in range(2)
        )
        self.to_query = layers.Dense(self.dim, use_bias=False, dtype=self.dtype_policy)
        self.to_query.build((None, self.dim))
        self.to_score = layers.Dense(
            1, use_bias=False, kernel_initializer="zeros", dtype=self.dtype_policy
        )
        self.to_score.build((None, None, self.dim))

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        pooled = pool_each(tokens, masks, self.poolings)
        values = project(self.projections, pooled, here)
        keys = project(self.to_keys, pooled, here)
        query = ops.expand_dims(self.to_query(masked_mean(values, here)), axis=1)
        scores = self.to_score(ops.tanh(query + keys))[..., 0]
        weights = ops.cast(masked_softmax(scores, here), self.compute_dtype)
        fused = ops.sum(ops.expand_dims(weights, axis=-1) * values, axis=1)
        return (fused, weights) if return_weights else fused
