"""A transformer layer whose queries and keys are different tokens."""

from __future__ import annotations

import keras
from keras import layers

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.transformer import check_heads
from mmkeras.fusion.parts.masked_attention import attend


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossTransformerLayer(ConfiguredLayer):
    """Tokens attend to other tokens, then each passes through a small network.

        x <- x + Attention(Norm(x) Wq, Norm(y) Wk, Norm(y) Wv)
        x <- x + W2 relu(W1 Norm(x))
        Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V

    with `num_heads` heads of `d = dim / num_heads`, and each `Norm` with weights of its own.
    Where the mask leaves no key in a row, the attention adds nothing to it.

    Args:
        num_heads: Attention heads; the width of `x` must be a multiple of it.
        ff_dim: The inner width of the feed-forward part.
        dropout: Share of units that are dropped after each part, in training.

    Call arguments:
        tokens: `x`, `(batch, tokens, dim)`.
        keys: `y`, `(batch, keys, any width)`.
        key_mask: Optional, boolean `(batch, keys)`: which of them can be attended to.
        return_weights: Whether to return the attention weights too.

    Returns:
        `(batch, tokens, dim)`; with `return_weights`, also `(batch, num_heads, tokens, keys)`.

    Example:

    >>> text, image = keras.Input((3, 32)), keras.Input((16, 32))
    >>> CrossTransformerLayer(num_heads=2)(text, image).shape
    (None, 3, 32)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Tsai et al., 2019](https://aclanthology.org/P19-1656/) (between modalities)
    """

    def __init__(self, num_heads: int = 4, ff_dim: int = 128, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = int(num_heads)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout

    def build(self, tokens_shape, keys_shape):
        tokens_shape, keys_shape = tuple(tokens_shape), tuple(keys_shape)
        dim = tokens_shape[-1]
        check_heads(dim, self.num_heads)
        common = {"dtype": self.dtype_policy}
        self.attention = layers.MultiHeadAttention(self.num_heads, dim // self.num_heads, **common)
        self.attention.build(tokens_shape, keys_shape)
        self.inner = layers.Dense(self.ff_dim, activation="relu", **common)
        self.inner.build(tokens_shape)
        self.outer = layers.Dense(dim, **common)
        self.outer.build((*tokens_shape[:2], self.ff_dim))
        self.query_norm, self.key_norm, self.ff_norm = (
            layers.LayerNormalization(**common) for _ in range(3)
        )
        self.query_norm.build(tokens_shape)
        self.key_norm.build(keys_shape)
        self.ff_norm.build(tokens_shape)
        self.drop = layers.Dropout(self.dropout, **common)

    def call(self, tokens, keys, key_mask=None, training=None, return_weights=False):
        attended, weights = attend(
            self.attention, self.query_norm(tokens), self.key_norm(keys), key_mask, return_weights
        )
        x = tokens + self.drop(attended, training=training)
        x = x + self.drop(self.outer(self.inner(self.ff_norm(x))), training=training)
        return (x, weights) if return_weights else x
