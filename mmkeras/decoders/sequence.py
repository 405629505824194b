"""A decoder that gives a sequence of steps, each of which looks at all modalities' tokens."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.decoders.parts.decoder import TransformerDecoder, no_label_smoothing
from mmkeras.decoders.parts.memory import Memory
from mmkeras.decoders.parts.steps import StepLoss, check_steps
from mmkeras.decoders.parts.transformer import DecoderLayers


@keras.saving.register_keras_serializable(package="mmkeras")
class SequenceDecoder(TransformerDecoder):
    """Features step by step, and for each step whether the sequence goes on so far.

    With `M` the memory (the fused vector and all tokens, `Memory`) and `q_t` a learnt embedding
    of each step, the steps look at each other and at the memory, layer after layer:

        x = DecoderLayers(q + W f + b, M), not causal
        y_t = V x_t + c;  P(step t exists) = sigmoid(u x_t + d)

    All steps are given at once: no error of one step is carried to the next.

    Args:
        steps: The most steps of an answer.
        features: Features of a step.
        dim, num_heads, num_layers, ff_dim, dropout: Of the steps and the layers over them. See
            `TransformerDecoder`.

    Call arguments:
        vector, tokens, masks, present: See `mmkeras.decoders.Decoder`.

    Returns:
        `(batch, steps, 1 + features)`: for each step the probability that it exists, and its
        features. The sequence ends before the first step that is less likely than not.

    Example:

    >>> decoder = SequenceDecoder(steps=20, features=3)
    >>> decoder(keras.Input((32,)), [keras.Input((9, 8))]).shape
    (None, 20, 4)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Carion et al., 2020](https://arxiv.org/abs/2005.12872) (learnt queries, all at once)
    """

    def __init__(
        self,
        steps: int,
        features: int,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.steps, self.features = check_steps("SequenceDecoder", steps, features)

    def build(self, vector_shape, tokens_shape):
        common = {"dtype": self.dtype_policy}
        self.memory = Memory(self.dim, **common)
        self.memory.build(vector_shape, tokens_shape)
        self.first = layers.Dense(self.dim, **common)
        self.first.build(tuple(vector_shape))
        self.queries = self.add_weight(
            shape=(self.steps, self.dim), initializer="random_normal", name="queries"
        )
        steps_shape = (None, self.steps, self.dim)
        self.transformer = DecoderLayers(causal=False, **self.layer_options)
        self.transformer.build(steps_shape, (None, None, self.dim))
        self.last = layers.Dense(self.features, **common)
        self.last.build(steps_shape)
        self.exists = layers.Dense(1, activation="sigmoid", **common)
        self.exists.build(steps_shape)

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        memory, mask = self.memory(vector, tokens, masks, present)
        x = ops.cast(self.queries, self.compute_dtype) + ops.expand_dims(self.first(vector), 1)
        x = self.transformer(x, memory, mask, training=training)
        return ops.concatenate([self.exists(x), self.last(x)], axis=-1)

    def loss(self, label_smoothing=0.0):
        no_label_smoothing(self, label_smoothing)
        return StepLoss(with_lengths=True)

    @property
    def answer_shape(self):
        return (self.steps, 1 + self.features)
