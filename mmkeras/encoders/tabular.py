"""Encoders for numbers: a multi-layer perceptron over a row's numeric and encoded columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mmkeras")
class MLPEncoder(layers.Layer):
    """Dense layers with ReLU; the last one's output is the modality's one token.

    Args:
        units: The width of each dense layer.
        dropout: Share of units that are dropped after each dense layer, in training.

    Call arguments:
        inputs: Floats `(batch, features)`.

    Returns:
        Tokens `(batch, 1, units[-1])`.

    Example:

    >>> MLPEncoder(units=(16, 8))(keras.Input((5,))).shape
    (None, 1, 8)

    References:
        - [Rumelhart, Hinton and Williams, 1986](https://doi.org/10.1038/323533a0)
    """

    def __init__(self, units: Sequence[int] = (64, 64), dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        if not units:
            raise ValueError("`units` needs one number a dense layer. Received: no number.")
        self.units = tuple(int(number) for number in units)
        self.dropout = dropout

    def build(self, input_shape):
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} reads vectors of shape (batch, features), features known. "
                f"Received: inputs of shape {tuple(input_shape)}."
            )
        self.steps = []
        for units in self.units:
            self.steps.append(layers.Dense(units, activation="relu", dtype=self.dtype_policy))
            if self.dropout:
                self.steps.append(layers.Dropout(self.dropout, dtype=self.dtype_policy))
        shape = tuple(input_shape)
        for step in self.steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)

    def call(self, inputs, training=None):
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if "float" not in dtype:
            raise ValueError(
                f"{type(self).__name__} reads floats. Received: inputs of dtype {dtype}. Cast "
                "numbers to 'float32', and give categories as one-hot columns."
            )
        x = inputs
        for step in self.steps:
            x = step(x)
        return ops.expand_dims(x, axis=1)

    def token_mask(self, inputs) -> None:
        """The one token always counts."""
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}
