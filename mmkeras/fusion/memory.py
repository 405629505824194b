"""Memory fusion of aligned sequences: one LSTM per modality, and a memory of what moves all."""

from __future__ import annotations

import itertools

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import check_aligned, clear_absent


@keras.saving.register_keras_serializable(package="mmkeras")
class MemoryFusion(Fusion):
    """The memory fusion network: LSTMs side by side, and a gated memory that watches their cells.

    With `c_i[t]` and `h_i[t]` the cell and the output of modality `i`'s own LSTM, `c[t]` all
    cells side by side, and each `D` a network of its own with one hidden layer of ReLU:

        s[t] = [c[t-1], c[t]]
        a[t] = softmax(D_a(s[t]))                        (delta-memory attention)
        e[t] = a[t] * s[t]
        u[t] = sigmoid(D_r([e[t], u[t-1]])) * u[t-1]     (what the memory retains)
             + sigmoid(D_w([e[t], u[t-1]])) * tanh(D_u(e[t]))     (what is written to it)
        F(X) = [h_1[T], ..., h_m[T], u[T]]

    The attention's softmax runs over all features of all cells, at the step and the one before, so
    that it picks which changes of which modalities belong together. The gates look at the memory,
    too, as in the authors' code. Dropout is on the tokens, not inside the networks.

    At a step that is padding in a modality, its LSTM waits and its cell has no part in the
    softmax; for an absent modality that is so at all steps, and `h_i` stays zero. A step that is
    padding in all modalities changes nothing at all. A row without any step gives zeros.

    Args:
        dim: The width of each LSTM, of the memory, and of the networks' hidden layers.
        return_sequences: Whether to give a vector for each step, zeros where it is padding in
            all modalities.
        dropout: Share of the tokens' features that are dropped, in training.

    Returns:
        `(batch, (modalities + 1) * dim)`; with `return_sequences`,
        `(batch, steps, (modalities + 1) * dim)`.

    Example:

    >>> text, audio = keras.Input((50, 8)), keras.Input((50, 4))
    >>> MemoryFusion(dim=16)([text, audio]).shape
    (None, 48)

    References:
        - [Zadeh et al., 2018](https://arxiv.org/abs/1802.00927)
    """

    aligned = True

    def __init__(
        self, dim: int = 32, return_sequences: bool = False, dropout: float = 0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.return_sequences = return_sequences
        self.dropout = dropout

    def build(self, tokens_shape):
        check_aligned("MemoryFusion", tokens_shape)
        dims = [shape[2] for shape in tokens_shape]
        cell = _MemoryCell(self.dim, dims, dtype=self.dtype_policy)
        self.recurrence = layers.RNN(
            cell, return_sequences=self.return_sequences, dtype=self.dtype_policy
        )
        self.recurrence.build((None, None, sum(dims) + len(dims)))
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        counts = [
            ops.ones_like(x[:, :, :1])
            if mask is None
            else ops.expand_dims(ops.cast(mask, x.dtype), -1)
            for x, mask in zip(tokens, masks, strict=True)
        ]
        x = self.drop(ops.concatenate(tokens, axis=-1), training=training)
        fused = self.recurrence(ops.concatenate([x, *counts], axis=-1))
        if self.return_sequences:
            # The cell holds its state over padding, and that is what comes out there.
            any_count = ops.any(ops.concatenate(counts, axis=-1) > 0, axis=-1, keepdims=True)
            fused = ops.where(any_count, fused, 0.0)
        return fused


class _MemoryCell(layers.Layer):
    """One step, of inputs `[x_1, ..., x_m, one number per modality: whether its step counts]`."""

    def __init__(self, dim: int, dims: list[int], **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.dims = dims
        cells = len(dims) * dim
        self.state_size = [cells, cells, dim]
        self.output_size = cells + dim

    def build(self, input_shape):
        common = {"dtype": self.dtype_policy}
        self.lstms = []
        for width in self.dims:
            self.lstms.append(layers.LSTMCell(self.dim, **common))
            self.lstms[-1].build((None, width))
        both_cells = 2 * len(self.dims) * self.dim

        def network(inputs, outputs, activation):
            first = layers.Dense(self.dim, activation="relu", **common)
            first.build((None, inputs))
            second = layers.Dense(outputs, activation=activation, **common)
            second.build((None, self.dim))
            return [first, second]

        self.attention = network(both_cells, both_cells, None)
        self.candidate = network(both_cells, self.dim, "tanh")
        self.retain = network(both_cells + self.dim, self.dim, "sigmoid")
        self.write = network(both_cells + self.dim, self.dim, "sigmoid")

    def call(self, inputs, states, training=None):
        *xs, counts = ops.split(inputs, list(itertools.accumulate(self.dims)), axis=-1)
        counts = counts > 0
        old_outputs, old_cells, memory = states
        outputs, cells = [], []
        for i, (lstm, x) in enumerate(zip(self.lstms, xs, strict=True)):
            own = slice(i * self.dim, (i + 1) * self.dim)
            old = [old_outputs[:, own], old_cells[:, own]]
            _, new = lstm(x, old)
            outputs.append(ops.where(counts[:, i : i + 1], new[0], old[0]))
            cells.append(ops.where(counts[:, i : i + 1], new[1], old[1]))
        outputs, cells = ops.concatenate(outputs, axis=-1), ops.concatenate(cells, axis=-1)
        memory = self._remember(old_cells, cells, memory, counts)
        return ops.concatenate([outputs, memory], axis=-1), [outputs, cells, memory]

    def _remember(self, old_cells, cells, memory, counts):
        both = ops.concatenate([old_cells, cells], axis=-1)
        counting = ops.tile(ops.repeat(counts, self.dim, axis=-1), (1, 2))
        scores = ops.cast(_apply(self.attention, both), "float32")
        attention = ops.softmax(ops.where(counting, scores, -1e9), axis=-1)
        attended = ops.where(counting, ops.cast(attention, both.dtype) * both, 0.0)
        with_memory = ops.concatenate([attended, memory], axis=-1)
        kept = _apply(self.retain, with_memory) * memory
        written = _apply(self.write, with_memory) * _apply(self.candidate, attended)
        return ops.where(ops.any(counts, axis=-1, keepdims=True), kept + written, memory)


def _apply(network, x):
    for layer in network:
        x = layer(x)
    return x
