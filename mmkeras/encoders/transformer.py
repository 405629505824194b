"""Transformer layers: what every encoder with self-attention puts over its embedded tokens."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer


def check_heads(dim: int, num_heads: int, what: str = "dim") -> None:
    """Raises a `ValueError` unless each head gets an equal part of a token."""
    if dim % num_heads:
        raise ValueError(
            f"`{what}` must be a multiple of `num_heads`. Received: {what}={dim} and "
            f"num_heads={num_heads}."
        )


@keras.saving.register_keras_serializable(package="mmkeras")
class TransformerLayers(ConfiguredLayer):
    """A transformer encoder's layers over tokens that are embedded already.

    In each layer every token of a row attends to all tokens of the same row:

        x <- x + Attention(Norm(x) Wq, Norm(x) Wk, Norm(x) Wv)
        x <- x + W2 relu(W1 Norm(x))
        Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V

    with `num_heads` heads of `d = dim / num_heads`, and masked tokens never among the keys. The
    normalisation comes before each part, not after it, which trains without warm-up; one more
    follows the last layer. Positions are the caller's to add.

    Args:
        num_heads: Attention heads; the tokens' width must be a multiple of it.
        num_layers: Transformer layers.
        ff_dim: The inner width of the feed-forward part.
        dropout: Share of units that are dropped from the tokens and after each part, in training.

    Call arguments:
        tokens: `(batch, tokens, dim)`.
        key_mask: Optional, boolean `(batch, tokens)`: which tokens can be attended to. Tokens come
            out for the others, too, but mean nothing.

    Returns:
        Tokens `(batch, tokens, dim)`, finite also in rows of masked tokens alone.

    Example:

    >>> TransformerLayers(num_heads=2, num_layers=3)(keras.Input((20, 32))).shape
    (None, 20, 32)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Xiong et al., 2020](https://arxiv.org/abs/2002.04745) (normalisation before each part)
    """

    def __init__(
        self,
        num_heads: int = 4,
        num_layers: int = 1,
        ff_dim: int = 128,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout

    def build(self, tokens_shape):
        tokens_shape = tuple(tokens_shape)
        if len(tokens_shape) != 3 or tokens_shape[-1] is None:
            raise ValueError(
                "TransformerLayers reads tokens of shape (batch, tokens, dim), dim known. "
                f"Received: tokens of shape {tokens_shape}."
            )
        dim = tokens_shape[-1]
        check_heads(dim, self.num_heads)
        common = {"dtype": self.dtype_policy}
        self.attentions, self.feed_forwards = [], []
        self.attention_norms: list[layers.Layer] = []
        self.ff_norms: list[layers.Layer] = []
        for _ in range(self.num_layers):
            attention = layers.MultiHeadAttention(self.num_heads, dim // self.num_heads, **common)
            attention.build(tokens_shape, tokens_shape)
            inner = layers.Dense(self.ff_dim, activation="relu", **common)
            inner.build(tokens_shape)
            outer = layers.Dense(dim, **common)
            outer.build((*tokens_shape[:2], self.ff_dim))
            self.attentions.append(attention)
            self.feed_forwards.append([inner, outer])
            for norms in (self.attention_norms, self.ff_norms):
                norms.append(layers.LayerNormalization(**common))
                norms[-1].build(tokens_shape)
        self.last_norm = layers.LayerNormalization(**common)
        self.last_norm.build(tokens_shape)
        self.drop = layers.Dropout(self.dropout, **common)

    def call(self, tokens, key_mask=None, training=None):
        keys = None
        if key_mask is not None:
            # A row of padding alone has no key. It attends to its padding, which the mask hides
            # from everything that follows; a softmax over nothing would be NaN on some backends.
            empty = ops.logical_not(ops.any(key_mask, axis=1, keepdims=True))
            keys = ops.expand_dims(ops.logical_or(key_mask, empty), axis=1)
        x = self.drop(tokens)
        for attention, attention_norm, (inner, outer), ff_norm in zip(
            self.attentions, self.attention_norms, self.feed_forwards, self.ff_norms, strict=True
        ):
            normed = attention_norm(x)
            x = x + self.drop(attention(normed, normed, attention_mask=keys))
            x = x + self.drop(outer(inner(ff_norm(x))))
        return self.last_norm(x)
