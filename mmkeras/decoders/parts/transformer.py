"""Transformer layers of a decoder: they look at what came before, and at a memory."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.decoders.parts.attention import CachedAttention
from mmkeras.encoders.configured_layer import ConfiguredLayer


@keras.saving.register_keras_serializable(package="mmkeras")
class DecoderLayers(ConfiguredLayer):
    """A transformer decoder's layers over steps that are embedded already.

    In each layer every step attends to itself and to the steps before it (to all without
    `causal`), then to the memory `M`:

        x <- x + Attention(Norm(x), Norm(x)[up to this step])
        x <- x + Attention(Norm(x), M)
        x <- x + W2 relu(W1 Norm(x))

    The normalisation comes before each part; one more follows the last layer. Positions are the
    caller's to add. `step` gives one more step from what earlier ones stored: its cost grows with
    the length, not with its square.

    Args:
        num_heads: Attention heads; the steps' width must be a multiple of it.
        num_layers: Transformer layers.
        ff_dim: The inner width of the feed-forward part.
        dropout: Share of units that are dropped from the steps and after each part, in training.
        causal: Whether steps see none after themselves; without, there is no `step`.

    Call arguments:
        steps: `(batch, steps, dim)`.
        memory: `(batch, memory, any width)`.
        memory_mask: Boolean `(batch, memory)`: what counts, one in each row at least.
        return_weights: Whether to return the weights, too.

    Returns:
        `(batch, steps, dim)`; with `return_weights`, also the attention to the memory, the mean
        over the layers: `(batch, heads, steps, memory)`.

    Example:

    >>> layer = DecoderLayers(num_heads=2, num_layers=3)
    >>> memory, mask = keras.Input((9, 16)), keras.Input((9,), dtype="bool")
    >>> layer(keras.Input((20, 32)), memory, mask).shape
    (None, 20, 32)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Xiong et al., 2020](https://arxiv.org/abs/2002.04745) (normalisation before each part)
    """

    def __init__(
        self,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int = 128,
        dropout: float = 0.0,
        causal: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout
        self.causal = causal

    def build(self, steps_shape, memory_shape):
        steps_shape = tuple(steps_shape)
        common = {"dtype": self.dtype_policy}
        self.attentions, self.crossings, self.inners, self.outers = [], [], [], []
        self.norms: list[Any] = []
        for _ in range(self.num_layers):
            self.attentions.append(CachedAttention(self.num_heads, **common))
            self.attentions[-1].build(steps_shape, steps_shape)
            self.crossings.append(CachedAttention(self.num_heads, **common))
            self.crossings[-1].build(steps_shape, memory_shape)
            self.inners.append(layers.Dense(self.ff_dim, activation="relu", **common))
            self.inners[-1].build(steps_shape)
            self.outers.append(layers.Dense(steps_shape[-1], **common))
            self.outers[-1].build((*steps_shape[:-1], self.ff_dim))
        for _ in range(3 * self.num_layers + 1):
            self.norms.append(layers.LayerNormalization(**common))
            self.norms[-1].build(steps_shape)
        self.drop = layers.Dropout(self.dropout, **common)

    def call(self, steps, memory, memory_mask, training=None, return_weights=False):
        places = ops.arange(ops.shape(steps)[1], dtype="int32")
        before = ops.expand_dims(places, axis=0) <= ops.expand_dims(places, axis=1)
        seen = before if self.causal else ops.ones_like(before)
        there = memory_mask[:, None, None, :]
        x, looks = self.drop(steps), []
        for i in range(self.num_layers):
            normed = self.norms[3 * i](x)
            x = x + self.drop(self.attentions[i](normed, normed, seen)[0])
            crossed, weights = self.crossings[i](self.norms[3 * i + 1](x), memory, there)
            x = x + self.drop(crossed)
            x = x + self.drop(self._forward(i, x))
            looks.append(weights)
        x = self.norms[-1](x)
        return (x, sum(looks) / self.num_layers) if return_weights else x

    def _forward(self, i: int, x: Any) -> Any:
        return self.outers[i](self.inners[i](self.norms[3 * i + 2](x)))

    def of_memory(self, memory: Any) -> list[tuple[Any, Any]]:
        """For each layer the memory's keys and values, which no step changes."""
        return [crossing.keys_values(memory) for crossing in self.crossings]

    def empty_cache(self, rows: Any, length: int) -> list[tuple[Any, Any]]:
        """For each layer room for the keys and values of `length` steps: `(rows, heads, ...)`."""
        shape = (rows, self.num_heads, length, self.attentions[0].head_dim)
        return [
            (ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype))
            for _ in range(self.num_layers)
        ]

    def step(
        self,
        x: Any,
        position: Any,
        cache: list[tuple[Any, Any]],
        of_memory: list[tuple[Any, Any]],
        memory_mask: Any,
    ) -> tuple[Any, list[tuple[Any, Any]]]:
        """One more step of several continuations of each row.

        Args:
            x: The step's embeddings `(batch, beams, dim)`.
            position: Which step it is, from 0.
            cache: What the steps before stored: `(batch * beams, heads, length, head_dim)`.
            of_memory: What `of_memory` gave; the beams of a row share it.
            memory_mask: Boolean `(batch, memory)`.

        Returns:
            `(batch, beams, dim)`, and the cache with this step.
        """
        beams, dim = x.shape[1], x.shape[2]
        places = ops.arange(cache[0][0].shape[2], dtype="int32")
        here = ops.reshape(ops.equal(places, position), (1, 1, -1, 1))
        before = ops.less_equal(places, position)
        there = memory_mask[:, None, None, :]
        written = []
        for i in range(self.num_layers):
            normed = ops.reshape(self.norms[3 * i](x), (-1, 1, dim))
            new = self.attentions[i].keys_values(normed)
            kept = tuple(ops.where(here, n, c) for n, c in zip(new, cache[i], strict=True))
            written.append(kept)
            attended, _ = self.attentions[i].read(normed, kept, before)
            x = x + ops.reshape(attended, (-1, beams, dim))
            x = x + self.crossings[i].read(self.norms[3 * i + 1](x), of_memory[i], there)[0]
            x = x + self._forward(i, x)
        return self.norms[-1](x), written
