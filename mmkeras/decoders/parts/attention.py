"""Attention whose keys and values can be kept from one step to the next."""

from __future__ import annotations

from typing import Any

import keras
from keras import backend, layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.transformer import check_heads
from mmkeras.fusion.parts.projection import masked_softmax


@keras.saving.register_keras_serializable(package="mmkeras")
class CachedAttention(ConfiguredLayer):
    """Multi-head attention in two parts: keys and values, and what queries read from them.

        Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V

    with `num_heads` heads of `d = dim / num_heads`. What `keys_values` gives can be stored, so
    that a later query does not compute it again.

    Args:
        num_heads: Attention heads; the queries' width must be a multiple of it.

    Call arguments:
        queries: `(batch, queries, dim)`.
        keys: `(batch, keys, any width)`.
        counts: Boolean, broadcast to `(batch, heads, queries, keys)`: what a query may look at,
            one key at least.

    Returns:
        `(batch, queries, dim)`, and the weights `(batch, heads, queries, keys)`.

    Example:

    >>> import numpy as np
    >>> attention = CachedAttention(num_heads=2)
    >>> attended, weights = attention(np.ones((3, 4, 8)), np.ones((3, 5, 6)), np.array(True))
    >>> tuple(attended.shape), tuple(weights.shape)
    ((3, 4, 8), (3, 2, 4, 5))

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
    """

    def __init__(self, num_heads: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = int(num_heads)

    def build(self, queries_shape, keys_shape):
        dim = queries_shape[-1]
        check_heads(dim, self.num_heads)
        self.head_dim = dim // self.num_heads
        self.query, self.key, self.value, self.out = (
            layers.Dense(dim, dtype=self.dtype_policy) for _ in range(4)
        )
        for layer in (self.query, self.out):
            layer.build(tuple(queries_shape))
        for layer in (self.key, self.value):
            layer.build(tuple(keys_shape))

    def call(self, queries, keys, counts):
        return self.read(queries, self.keys_values(keys), counts)

    def keys_values(self, keys: Any) -> tuple[Any, Any]:
        """Keys and values of each head: `(batch, heads, keys, head_dim)` both."""
        return self._heads(self.key(keys)), self._heads(self.value(keys))

    def read(self, queries: Any, keys_values: tuple[Any, Any], counts: Any) -> tuple[Any, Any]:
        """What queries find among keys and values that `keys_values` gave; as `call` returns."""
        keys, values = keys_values
        scores = ops.matmul(self._heads(self.query(queries)), ops.swapaxes(keys, -1, -2))
        weights = masked_softmax(scores * self.head_dim**-0.5, counts)
        attended = ops.matmul(ops.cast(weights, backend.standardize_dtype(values.dtype)), values)
        attended = ops.swapaxes(attended, 1, 2)
        length = ops.shape(attended)[1]
        return self.out(
            ops.reshape(attended, (-1, length, self.num_heads * self.head_dim))
        ), weights

    def _heads(self, x: Any) -> Any:
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, self.head_dim))
        return ops.swapaxes(x, 1, 2)
