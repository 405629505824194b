"""Encoders for feature sequences: self-attention over the steps, and dense layers on each step.

The recurrent ones and the convolutions are in `recurrent.py` and `temporal_conv.py`.

All of them hold a step whose features are all exactly zero to be
padding, wherever it is (as `keras.layers.Masking` does). The token of such a step is zeros and
its mask is False; more padding changes no other token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.transformer import TransformerLayers, check_heads


def check_sequences(class_name: str, shape: Sequence[int | None]) -> None:
    """Raises a `ValueError` unless the shape is `(batch, steps, features)`, features known."""
    if len(shape) != 3 or shape[-1] is None:
        raise ValueError(
            f"{class_name} reads sequences of shape (batch, steps, features), features known. "
            f"Received: inputs of shape {tuple(shape)}. One number per step needs an axis of its "
            "own: `x[..., None]`."
        )


def check_float_steps(class_name: str, inputs: Any) -> None:
    """Raises a `ValueError` unless the inputs are floats."""
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if "float" not in dtype:
        raise ValueError(
            f"{class_name} reads floats. Received: inputs of dtype {dtype}. Cast numbers to "
            "'float32'; token ids are a text's and go to a text encoder."
        )


def step_mask(inputs: Any) -> Any:
    """True where a step has a feature other than zero: `(batch, steps)`."""
    return ops.any(ops.not_equal(inputs, 0), axis=-1)


def zero_padding(x: Any, mask: Any) -> Any:
    """Zeros where the mask is False."""
    return ops.where(ops.expand_dims(mask, axis=-1), x, 0.0)


@keras.saving.register_keras_serializable(package="mmkeras")
class SequenceAttentionEncoder(ConfiguredLayer):
    """A transformer encoder over projected steps and learnt positions; each step is one token.

    Every step attends to all steps of the same row, as `TransformerLayers` describes; padding is
    never attended to.

    Args:
        dim: The width of a token; a multiple of `num_heads`.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        ff_dim: The inner width of the feed-forward part.
        dropout: Share of units that are dropped after the projection and after each part, in
            training.
        max_length: The longest sequence, in steps; `None` for the length of the inputs, which
            must then be a known one.

    Call arguments:
        inputs: Floats `(batch, steps, features)`; a step of zeros alone is padding.

    Returns:
        Tokens `(batch, steps, dim)`.

    Example:

    >>> SequenceAttentionEncoder(dim=32)(keras.Input((None, 7))).shape
    (None, None, 32)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Gehring et al., 2017](https://arxiv.org/abs/1705.03122) (learnt positions)
    """

    def __init__(
        self,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 1,
        ff_dim: int = 128,
        dropout: float = 0.0,
        max_length: int | None = 512,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(dim, num_heads)
        self.dim = int(dim)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout
        self.max_length = None if max_length is None else int(max_length)

    def build(self, input_shape):
        check_sequences("SequenceAttentionEncoder", input_shape)
        self.num_positions = self.max_length or input_shape[1]
        if self.num_positions is None:
            raise ValueError(
                "SequenceAttentionEncoder with max_length=None needs inputs of a known length. "
                f"Received: inputs of shape {tuple(input_shape)}. Give `max_length`, in steps."
            )
        self._check_length(input_shape[1])
        common = {"dtype": self.dtype_policy}
        self.project = layers.Dense(self.dim, **common)
        self.project.build(input_shape)
        self.positions = layers.Embedding(self.num_positions, self.dim, **common)
        self.positions.build((input_shape[1],))
        self.transformer = TransformerLayers(
            self.num_heads, self.num_layers, self.ff_dim, self.dropout, **common
        )
        self.transformer.build((*input_shape[:2], self.dim))

    def _check_length(self, length: int | None) -> None:
        if isinstance(length, int) and length > self.num_positions:
            raise ValueError(
                f"SequenceAttentionEncoder has positions for {self.num_positions} steps. Received: "
                f"sequences of {length}. Truncate them, or give a larger `max_length`."
            )

    def call(self, inputs, training=None):
        check_float_steps("SequenceAttentionEncoder", inputs)
        self._check_length(inputs.shape[1])
        mask = self.token_mask(inputs)
        positions = self.positions(ops.arange(ops.shape(inputs)[1], dtype="int32"))
        return zero_padding(self.transformer(self.project(inputs) + positions, key_mask=mask), mask)

    def token_mask(self, inputs):
        """True where a step is not padding: `(batch, steps)`."""
        return step_mask(inputs)


@keras.saving.register_keras_serializable(package="mmkeras")
class FrameMLPEncoder(ConfiguredLayer):
    """The same dense layers with ReLU on each step alone; each step is one token.

    What follows must relate the steps to each other, if anything is to: tokens in another order
    are the same tokens.

    Args:
        units: The width of each dense layer.
        dropout: Share of units that are dropped after each dense layer, in training.
        linear: Whether a step's token also has the step itself, behind the last layer's output: a
            linear model of it is then a special case of what follows ("wide and deep").

    Call arguments:
        inputs: Floats `(batch, steps, features)`; a step of zeros alone is padding.

    Returns:
        Tokens `(batch, steps, units[-1])`; with `linear`, `features` more.

    Example:

    >>> FrameMLPEncoder(units=(16, 8))(keras.Input((None, 7))).shape
    (None, None, 8)

    References:
        - [Zaheer et al., 2017](https://arxiv.org/abs/1703.06114) (a network of each element, then
          a pooling)
        - [Cheng et al., 2016](https://arxiv.org/abs/1606.07792) (a linear model beside a deep one)
    """

    def __init__(
        self,
        units: Sequence[int] = (64, 64),
        dropout: float = 0.0,
        linear: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not units:
            raise ValueError("`units` needs one number per dense layer. Received: no number.")
        self.units = tuple(int(number) for number in units)
        self.dropout = dropout
        self.linear = linear

    def build(self, input_shape):
        check_sequences("FrameMLPEncoder", input_shape)
        shape = tuple(input_shape)
        self.dense = []
        for units in self.units:
            self.dense.append(layers.Dense(units, activation="relu", dtype=self.dtype_policy))
            self.dense[-1].build(shape)
            shape = (*shape[:2], units)
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def call(self, inputs, training=None):
        check_float_steps("FrameMLPEncoder", inputs)
        x = inputs
        for dense in self.dense:
            x = self.drop(dense(x))
        if self.linear:
            x = ops.concatenate([x, ops.cast(inputs, x.dtype)], axis=-1)
        return zero_padding(x, self.token_mask(inputs))

    def token_mask(self, inputs):
        """True where a step is not padding: `(batch, steps)`."""
        return step_mask(inputs)
