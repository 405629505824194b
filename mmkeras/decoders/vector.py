"""A decoder that gives features, or a sequence of one length, from the fused vector."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.decoders.parts.decoder import Decoder, no_label_smoothing
from mmkeras.decoders.parts.steps import StepLoss, check_steps


@keras.saving.register_keras_serializable(package="mmkeras")
class VectorDecoder(Decoder):
    """Features from the fused vector `f`, by one linear layer; every step exists.

        y = reshape(W f + b)

    Without an encoder's layers it is linear regression of several outputs.

    Args:
        steps: Steps of an answer; 1 for a vector of features.
        features: Features of a step.

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

    def __init__(self, steps: int, features: int, **kwargs):
        super().__init__(**kwargs)
        self.steps, self.features = check_steps("VectorDecoder", steps, features)

    def build(self, vector_shape, tokens_shape=None):
        self.dense = layers.Dense(self.steps * self.features, dtype=self.dtype_policy)
        self.dense.build(tuple(vector_shape))

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        values = ops.reshape(self.dense(vector), (-1, self.steps, self.features))
        return ops.concatenate([ops.ones_like(values[..., :1]), values], axis=-1)

    def loss(self, label_smoothing=0.0):
        no_label_smoothing(self, label_smoothing)
        return StepLoss(with_lengths=False)

    @property
    def answer_shape(self):
        return (self.steps, 1 + self.features)
