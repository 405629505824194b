"""A decoder that gives features, or a sequence of one length, from the fused vector."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from mmkeras.decoders.parts.decoder import Decoder, no_label_smoothing
from mmkeras.decoders.parts.steps import StepLoss, check_steps


@keras.saving.register_keras_serializable(package="mmkeras")
class VectorDecoder(Decoder):
    """Features from the fused vector `f`, by a linear layer; every step exists.

        h_0 = f,    h_i = dropout(relu(V_i h_{i-1} + a_i))
        y = reshape(W h + b)

    Without hidden layers, here and in encoders, it is linear regression of several outputs. With
    them it can answer to what several modalities say only together.

    Args:
        steps: Steps of an answer; 1 for a vector of features.
        features: Features of a step.
        units: The width of each hidden layer.
        dropout: Share of units that are dropped after each of them, in training.

    Call arguments:
        vector, tokens, masks, present: See `mmkeras.decoders.Decoder`; the vector alone is read.

    Returns:
        `(batch, steps, 1 + features)`; the first number of a step is 1.

    Example:

    >>> decoder = VectorDecoder(steps=1, features=240)
    >>> decoder(keras.Input((32,)), [keras.Input((9, 8))]).shape
    (None, 1, 241)

    References:
        - [Hotelling, 1936](https://doi.org/10.1093/biomet/28.3-4.321) (one set of numbers from
          another)
    """

    def __init__(
        self,
        steps: int,
        features: int,
        units: Sequence[int] = (),
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.steps, self.features = check_steps("VectorDecoder", steps, features)
        self.units = tuple(int(number) for number in units)
        self.dropout = dropout
        if dropout and not units:
            raise ValueError(
                "`dropout` of VectorDecoder is after its hidden layers. Received: dropout="
                f"{dropout} and no `units`. Give their widths, or use `fusion_dropout`."
            )

    def build(self, vector_shape, tokens_shape=None):
        shape, common = tuple(vector_shape), {"dtype": self.dtype_policy}
        self.hidden: list[layers.Layer] = []
        for width in self.units:
            self.hidden += [
                layers.Dense(width, activation="relu", **common),
                layers.Dropout(self.dropout, **common),
            ]
        self.dense = layers.Dense(self.steps * self.features, **common)
        for layer in (*self.hidden, self.dense):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        for layer in self.hidden:
            vector = layer(vector)
        values = ops.reshape(self.dense(vector), (-1, self.steps, self.features))
        return ops.concatenate([ops.ones_like(values[..., :1]), values], axis=-1)

    def loss(self, label_smoothing=0.0):
        no_label_smoothing(self, label_smoothing)
        return StepLoss(with_lengths=False)

    @property
    def answer_shape(self):
        return (self.steps, 1 + self.features)
