"""Random convolutions of a sequence: fixed filters, and how often and how much each answers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.sequence import check_float_steps, check_sequences, step_mask, zero_padding

_SHARPNESS = 4.0  # of the step from "does not answer" to "answers", in standard deviations


@keras.saving.register_keras_serializable(package="mmkeras")
class RandomConvolutionEncoder(ConfiguredLayer):
    """Fixed random filters at several distances between steps; what they answer is one token.

    Filter k is a convolution of `kernel_size` steps, `d` apart, over some of the features, with
    weights that sum to zero in each. Its answers z over the sequence, normalised over training
    batches, become two numbers,

        share_k = mean_t sigmoid(4 (z_kt - b_k)),    peak_k = max_t z_kt,

    the share of steps at which it answers more than a random threshold (a soft form of the
    "proportion of positive values", so that gradients reach the inputs), and its strongest answer.
    Filters do not see the level of a feature, so that each feature's mean and standard deviation
    over the steps stand beside them. All are normalised, and one dense layer of them is the token.
    Filters and thresholds are drawn once and never learnt, which is why a few dozen sequences are
    enough: only the dense layer can fit them by heart.

    Args:
        dim: The token's width; 0 leaves the dense layer out: `2 * (kernels + features)` numbers.
        kernels: How many filters.
        kernel_size: Steps that a filter reads.
        max_length: Of the longest sequence: distances between a filter's steps double from 1 up to
            where it reads all of it.
        dropout: Share of the filters' numbers that are dropped in training.
        seed: Decides the filters.

    Call arguments:
        inputs: Floats `(batch, steps, features)`; a step of zeros alone is padding.

    Returns:
        Tokens `(batch, 1, dim)`.

    Example:

    >>> RandomConvolutionEncoder(dim=32, kernels=64)(keras.Input((None, 6))).shape
    (None, 1, 32)

    References:
        - [Dempster, Petitjean and Webb, 2020](https://arxiv.org/abs/1910.13051) (ROCKET)
        - [Dempster, Schmidt and Webb, 2021](https://arxiv.org/abs/2012.08791) (MiniRocket)
    """

    def __init__(
        self,
        dim: int = 128,
        kernels: int = 512,
        kernel_size: int = 9,
        max_length: int = 128,
        dropout: float = 0.3,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kernels < 1 or kernel_size < 2 or max_length < 1 or dim < 0:
            raise ValueError(
                "`kernels` and `max_length` are at least 1, `kernel_size` at least 2, `dim` not "
                f"negative. Received: {kernels}, {max_length}, {kernel_size} and {dim}."
            )
        self.dim, self.kernels, self.kernel_size = int(dim), int(kernels), int(kernel_size)
        self.max_length, self.dropout, self.seed = int(max_length), dropout, int(seed)

    @property
    def dilations(self) -> tuple[int, ...]:
        """The distances between a filter's steps; filters are spread evenly over them."""
        most = max(1, (self.max_length - 1) // (self.kernel_size - 1))
        doubled = [2**power for power in range(most.bit_length())]
        return tuple(doubled[: self.kernels])

    def build(self, input_shape):
        check_sequences(type(self).__name__, input_shape)
        features = input_shape[-1]
        random = np.random.default_rng(self.seed)
        counts = np.bincount(np.arange(self.kernels) % len(self.dilations))
        self.filters = []
        for dilation, count in zip(self.dilations, counts, strict=True):
            drawn = random.normal(size=(self.kernel_size, features, count))
            drawn -= drawn.mean(axis=0)
            # Of many features each filter reads a few: one, two, four, ... of them.
            read = np.minimum(features, 2.0 ** random.uniform(0, np.log2(features) + 1, count))
            ranks = random.random((features, count)).argsort(axis=0).argsort(axis=0)
            drawn *= ranks < read.astype(int)
            self.filters.append(self._fixed(f"filters_{dilation}", drawn.reshape(-1, count)))
        self.thresholds = self._fixed("thresholds", random.normal(size=self.kernels))
        # Filters are fixed: what few batches have seen is soon true.
        common = {"center": False, "scale": False, "momentum": 0.9, "dtype": self.dtype_policy}
        self.answer_norm = layers.BatchNormalization(name="answer_norm", **common)
        self.answer_norm.build((None, None, self.kernels))
        self.norm = layers.BatchNormalization(name="norm", **common)
        self.width = 2 * (self.kernels + features)
        self.norm.build((None, self.width))
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.dense = None
        if self.dim:
            self.dense = layers.Dense(self.dim, activation="relu", dtype=self.dtype_policy)
            self.dense.build((None, self.width))

    def _fixed(self, name: str, values: np.ndarray) -> Any:
        return self.add_weight(
            name=name,
            shape=values.shape,
            initializer=lambda shape, dtype=None: ops.cast(values, dtype or "float32"),
            trainable=False,
        )

    def call(self, inputs, training=None):
        check_float_steps(type(self).__name__, inputs)
        mask = step_mask(inputs)
        answers = [
            self._answers(inputs, weights, dilation)
            for weights, dilation in zip(self.filters, self.dilations, strict=True)
        ]
        z = self.answer_norm(ops.concatenate(answers, axis=-1), training=training, mask=mask)
        over = ops.sigmoid(_SHARPNESS * (z - ops.cast(self.thresholds, z.dtype)))
        steps = ops.maximum(ops.sum(ops.cast(mask, z.dtype), axis=1), 1)[:, None]
        share = ops.sum(zero_padding(over, mask), axis=1) / steps
        lowest = ops.cast(-1e4, z.dtype)
        peak = ops.max(ops.where(ops.expand_dims(mask, -1), z, lowest), axis=1)
        peak = ops.where(ops.any(mask, axis=1, keepdims=True), peak, 0)
        level = ops.sum(zero_padding(inputs, mask), axis=1) / steps
        apart = zero_padding(inputs - ops.expand_dims(level, 1), mask)
        spread = ops.sqrt(ops.sum(ops.square(apart), axis=1) / steps + 1e-6)
        numbers = ops.concatenate([share, peak, level, spread], axis=-1)
        x = self.norm(numbers, training=training)
        x = self.drop(x, training=training)
        return ops.expand_dims(x if self.dense is None else self.dense(x), axis=1)

    def _answers(self, inputs, weights, dilation: int):
        """A convolution as one product of matrices, which is faster than one with gaps."""
        reach = (self.kernel_size - 1) * dilation
        before = reach // 2
        padded = ops.pad(inputs, [[0, 0], [before, reach - before], [0, 0]])
        length = ops.shape(inputs)[1]
        steps = [
            padded[:, place * dilation : place * dilation + length]
            for place in range(self.kernel_size)
        ]
        return ops.matmul(ops.concatenate(steps, axis=-1), ops.cast(weights, inputs.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape[0], 1, self.dim or 2 * (self.kernels + input_shape[-1])

    def token_mask(self, inputs):
        """True where a row has a step that is not padding: `(batch, 1)`."""
        return ops.any(step_mask(inputs), axis=1, keepdims=True)
