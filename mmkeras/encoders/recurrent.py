"""Recurrent encoder for feature sequences: LSTM or GRU."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.sequence import check_float_steps, check_sequences, step_mask, zero_padding

CELLS = {"lstm": layers.LSTM, "gru": layers.GRU}


@keras.saving.register_keras_serializable(package="mmkeras")
class RecurrentEncoder(ConfiguredLayer):
    """LSTM or GRU layers, in one or both directions; each step is one token.

    Padding is left out before the recurrence and put back after it, in both directions, also in
    the middle of a sequence. The recurrence itself sees padding at the end only, which cuDNN's
    kernels insist on.

    Args:
        cell: `"lstm"` or `"gru"`.
        units: The width of the state, in each direction.
        num_layers: Recurrent layers; each reads the one before.
        bidirectional: Whether each layer also reads from the end; those outputs are appended.
        dropout: Share of units that are dropped before each layer and after the last (not inside
            the recurrence), in training.

    Call arguments:
        inputs: Floats `(batch, steps, features)`; a step of zeros alone is padding.

    Returns:
        Tokens `(batch, steps, units)`, or `2 * units` wide when bidirectional.

    Example:

    >>> RecurrentEncoder("gru", units=32)(keras.Input((None, 7))).shape
    (None, None, 64)

    References:
        - [Hochreiter and Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735) (LSTM)
        - [Cho et al., 2014](https://arxiv.org/abs/1406.1078) (GRU, here as Keras has it by
          default, with the reset gate after the matrix product)
        - [Graves and Schmidhuber, 2005](https://doi.org/10.1016/j.neunet.2005.06.042) (both
          directions)
        - [Zaremba et al., 2014](https://arxiv.org/abs/1409.2329) (dropout outside the recurrence)
    """

    def __init__(
        self,
        cell: str = "lstm",
        units: int = 64,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"`cell` must be one of {sorted(CELLS)}. Received: {cell!r}.")
        if num_layers < 1:
            raise ValueError(f"`num_layers` must be at least 1. Received: {num_layers}.")
        self.cell = cell
        self.units = int(units)
        self.num_layers = int(num_layers)
        self.bidirectional = bidirectional
        self.dropout = dropout

    def build(self, input_shape):
        check_sequences("RecurrentEncoder", input_shape)
        common = {"dtype": self.dtype_policy}
        shape = tuple(input_shape)
        self.recurrences = []
        for _ in range(self.num_layers):
            recurrence = CELLS[self.cell](self.units, return_sequences=True, **common)
            if self.bidirectional:
                recurrence = layers.Bidirectional(recurrence, **common)
            recurrence.build(shape)
            shape = (*shape[:2], self.units * (2 if self.bidirectional else 1))
            self.recurrences.append(recurrence)
        self.drop = layers.Dropout(self.dropout, **common)

    def call(self, inputs, training=None):
        check_float_steps("RecurrentEncoder", inputs)
        mask = self.token_mask(inputs)
        length = ops.shape(inputs)[1]
        places = ops.arange(length, dtype="int32")
        order = ops.argsort(ops.where(mask, places, places + length), axis=1)
        real = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        # A row of padding alone is read as if it were steps, since cuDNN refuses a row that is
        # wholly masked; its output is zeroed below.
        reads = ops.less(places, ops.where(ops.equal(real, 0), length, real))
        x = ops.take_along_axis(inputs, ops.expand_dims(order, axis=-1), axis=1)
        for recurrence in self.recurrences:
            x = recurrence(self.drop(x), mask=reads)
        back = ops.expand_dims(ops.argsort(order, axis=1), axis=-1)
        return zero_padding(ops.take_along_axis(self.drop(x), back, axis=1), mask)

    def token_mask(self, inputs):
        """True where a step is not padding: `(batch, steps)`."""
        return step_mask(inputs)
