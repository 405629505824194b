"""Encoders for a row's numeric and encoded columns: an MLP, and a transformer over the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.transformer import TransformerLayers, check_heads


def check_vectors(class_name: str, shape: Sequence[int | None]) -> None:
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            f"{class_name} reads vectors of shape (batch, features), features known. "
            f"Received: inputs of shape {tuple(shape)}."
        )


def check_floats(class_name: str, inputs: Any) -> None:
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if "float" not in dtype:
        raise ValueError(
            f"{class_name} reads floats. Received: inputs of dtype {dtype}. Cast numbers to "
            "'float32', and give categories as one-hot columns."
        )


@keras.saving.register_keras_serializable(package="mmkeras")
class MLPEncoder(ConfiguredLayer):
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
            raise ValueError("`units` needs one number per dense layer. Received: no number.")
        self.units = tuple(int(number) for number in units)
        self.dropout = dropout

    def build(self, input_shape):
        check_vectors(type(self).__name__, input_shape)
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
        check_floats(type(self).__name__, inputs)
        x = inputs
        for step in self.steps:
            x = step(x)
        return ops.expand_dims(x, axis=1)

    def token_mask(self, inputs) -> None:
        """The one token always counts."""
        return None


@keras.saving.register_keras_serializable(package="mmkeras")
class FTTransformerEncoder(ConfiguredLayer):
    """A transformer over a row's columns: each column is one token, behind a [CLS] token.

    The feature tokenizer makes token `j` from the part `x_j` of the input that holds column `j`:

        T_j = b_j + x_j W_j

    A number has one weight vector, that its value scales; a one-hot category picks a row of `W_j`,
    as an embedding does. Then every column attends to all columns, as `TransformerLayers`
    describes (with ReLU, where the paper has ReGLU). The paper predicts from the [CLS] token; here
    it is the first of the tokens that the fusion sees.

    Args:
        groups: The width of each column's part in the input, in order: 1 for a number, 2 for a
            number and whether it is missing, k for one of k categories.
        dim: The width of a token; a multiple of `num_heads`.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        ff_dim: The inner width of the feed-forward part.
        dropout: Share of units that are dropped from the tokens and after each part, in training.

    Call arguments:
        inputs: Floats `(batch, sum(groups))`.

    Returns:
        Tokens `(batch, 1 + columns, dim)`; [CLS] is the first.

    Example:

    >>> encoder = FTTransformerEncoder(groups=(1, 2, 4), dim=16)
    >>> encoder(keras.Input((7,))).shape
    (None, 4, 16)

    References:
        - [Gorishniy et al., 2021](https://arxiv.org/abs/2106.11959)
        - [Devlin et al., 2019](https://arxiv.org/abs/1810.04805) (the [CLS] token)
    """

    def __init__(
        self,
        groups: Sequence[int],
        dim: int = 32,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int = 64,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.groups = tuple(int(width) for width in groups)
        if not self.groups or min(self.groups) < 1:
            raise ValueError(
                "`groups` needs each column's width in the input, at least 1. Received: "
                f"{self.groups}."
            )
        check_heads(dim, num_heads)
        self.dim = int(dim)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout

    def build(self, input_shape):
        check_vectors("FTTransformerEncoder", input_shape)
        width, columns = sum(self.groups), len(self.groups)
        if input_shape[-1] != width:
            raise ValueError(
                f"The `groups` of FTTransformerEncoder add up to {width} floats: {self.groups}. "
                f"Received: inputs of shape {tuple(input_shape)}. Give the width of each column's "
                "part in the input, in order."
            )
        # As in the paper: uniform, with the width of a token.
        bound = self.dim**-0.5
        uniform = keras.initializers.RandomUniform
        self.kernel = self.add_weight(
            shape=(width, self.dim), initializer=uniform(-bound, bound), name="kernel"
        )
        self.bias = self.add_weight(
            shape=(columns, self.dim), initializer=uniform(-bound, bound), name="bias"
        )
        self.cls = self.add_weight(
            shape=(1, self.dim), initializer=uniform(-bound, bound), name="cls"
        )
        # Which column each float belongs to: (width, columns, 1) of 0 and 1.
        self.membership = np.repeat(np.eye(columns, dtype="float32"), self.groups, axis=0)[
            ..., None
        ]
        self.transformer = TransformerLayers(
            self.num_heads, self.num_layers, self.ff_dim, self.dropout, dtype=self.dtype_policy
        )
        self.transformer.build((input_shape[0], 1 + columns, self.dim))

    def tokenize(self, inputs: Any) -> Any:
        """The tokens `T_j` before the transformer, without [CLS]: `(batch, columns, dim)`."""
        columns = len(self.groups)
        # All columns' matrices on the diagonal of one, so that one product makes all tokens.
        membership = ops.cast(self.membership, self.compute_dtype)
        blocks = membership * ops.expand_dims(self.kernel, axis=1)
        tokens = ops.matmul(inputs, ops.reshape(blocks, (-1, columns * self.dim)))
        return ops.reshape(tokens, (-1, columns, self.dim)) + self.bias

    def call(self, inputs, training=None):
        check_floats("FTTransformerEncoder", inputs)
        tokens = self.tokenize(inputs)
        cls = ops.tile(ops.expand_dims(self.cls, axis=0), (ops.shape(inputs)[0], 1, 1))
        return self.transformer(ops.concatenate([cls, tokens], axis=1))

    def token_mask(self, inputs) -> None:
        """All columns count."""
        return None
