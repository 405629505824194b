"""Fusion by concatenation: every modality's pooled tokens, side by side."""

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
from mmkeras.fusion.parts.projection import pool_each


@keras.saving.register_keras_serializable(package="mmkeras")
class ConcatFusion(Fusion):
    """Pools each modality's tokens to a vector and concatenates the vectors.

        F(X) = [pool(X_1), pool(X_2), ..., pool(X_n)]

    An absent modality's part is zeros. It has no weights to learn and exposes none.

    Args:
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, sum of the modalities' dims)`, twice that for `"mean_max"`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> ConcatFusion()([image, text]).shape
    (None, 12)

    References:
        - [Ngiam et al., 2011](https://icml.cc/2011/papers/399_icmlpaper.pdf)
        - [Baltrušaitis et al., 2019](https://arxiv.org/abs/1705.09406) (a survey of fusions)
    """

    def __init__(self, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("ConcatFusion", tokens_shape)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        pooled = pool_each(tokens, masks, self.poolings)
        return ops.concatenate(pooled, axis=-1)
