"""A decoder that makes a picture of the fused vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.decoders.parts.decoder import Decoder, no_label_smoothing

# The loss of the mean of each pixel's distribution: minus its log-likelihood, but for constants.
LIKELIHOODS: dict[str, type[keras.losses.Loss]] = {
    "bernoulli": keras.losses.BinaryCrossentropy,
    "laplace": keras.losses.MeanAbsoluteError,
    "gaussian": keras.losses.MeanSquaredError,
}
_SMALLEST, _MOST_DOUBLINGS = 4, 4


@keras.saving.register_keras_serializable(package="mmkeras")
class ImageDecoder(Decoder):
    """A picture from the fused vector, by transposed convolutions that double its sides.

    With `f` the fused vector, `k` the number of doublings and `g` ReLU:

        h_0 = g(reshape(W f + b))                      (height / 2^k, width / 2^k, filters)
        h_i = g(Conv(g(ConvTranspose(h_{i-1}))))       both sides doubled
        picture = sigmoid(Conv(h_k))                   cut to its shape from the middle

    The sides are halved, up to four times, for as long as the shorter one stays at least 4. A
    transposed convolution's window of 4 x 4 is a multiple of its step, 2, so that all pixels are
    covered equally often and no chequerboard shows.

    Args:
        shape: `(height, width, channels)` of the picture.
        filters: Channels at full size; twice as many before each doubling, at most 256.
        refine: Whether a convolution follows each doubling: sharper, and about twice the cost.
        likelihood: How pixels are distributed around the picture given: `"bernoulli"` (the loss is
            the cross-entropy of grey values as probabilities), `"laplace"` (the absolute error,
            for sharp edges: a pixel's median) or `"gaussian"` (the squared error).

    Call arguments:
        vector, tokens, masks, present: See `mmkeras.decoders.Decoder`; the vector alone is read.

    Returns:
        Pictures in `[0, 1]`, `(batch, height, width, channels)`.

    Example:

    >>> decoder = ImageDecoder((16, 15, 1))
    >>> decoder(keras.Input((32,)), [keras.Input((9, 8))]).shape
    (None, 16, 15, 1)

    References:
        - [Dosovitskiy et al., 2015](https://arxiv.org/abs/1411.5928) (pictures from vectors)
        - [Odena et al., 2016](https://distill.pub/2016/deconv-checkerboard/) (chequerboards)
    """

    def __init__(
        self,
        shape: Sequence[int],
        filters: int = 32,
        likelihood: str = "bernoulli",
        refine: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shape = tuple(int(n) for n in shape)
        self.filters = int(filters)
        self.likelihood = likelihood
        self.refine = refine
        if len(self.shape) != 3 or min(self.shape) < 1 or self.filters < 1:
            raise ValueError(
                "ImageDecoder makes pictures of (height, width, channels) with at least 1 filter. "
                f"Received: shape={self.shape} and filters={self.filters}."
            )
        if likelihood not in LIKELIHOODS:
            raise ValueError(
                f"`likelihood` is one of {sorted(LIKELIHOODS)}. Received: {likelihood!r}."
            )

    @property
    def _doublings(self) -> int:
        side, doublings = min(self.shape[:2]), 0
        while doublings < _MOST_DOUBLINGS and side >= 2 * _SMALLEST:
            side, doublings = side // 2, doublings + 1
        return doublings

    def build(self, vector_shape, tokens_shape=None):
        common: dict[str, Any] = {"padding": "same", "dtype": self.dtype_policy}
        doublings = self._doublings
        widths = [min(self.filters * 2**i, 256) for i in range(doublings, -1, -1)]
        self.first_shape = (*(-(-side // 2**doublings) for side in self.shape[:2]), widths[0])
        self.first = layers.Dense(
            self.first_shape[0] * self.first_shape[1] * widths[0],
            activation="relu",
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
        )
        self.first.build(tuple(vector_shape))
        self.convolutions: list[layers.Layer] = []
        shape = (None, *self.first_shape)
        for width in widths[1:]:
            options = {"activation": "relu", "kernel_initializer": "he_normal", **common}
            steps = [layers.Conv2DTranspose(width, 4, strides=2, **options)]
            if self.refine:
                steps.append(layers.Conv2D(width, 3, **options))
            for layer in steps:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
                self.convolutions.append(layer)
        # Logits beyond what float16 holds would have no sigmoid and no likelihood.
        self.last = layers.Conv2D(self.shape[2], 3, padding="same", dtype="float32")
        self.last.build(shape)

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        return ops.cast(ops.sigmoid(self.logits(vector)), self.compute_dtype)

    def logits(self, vector: Any) -> Any:
        """The picture before the sigmoid, in float32, for densities of generative models."""
        x = ops.reshape(self.first(vector), (-1, *self.first_shape))
        for layer in self.convolutions:
            x = layer(x)
        height, width, _ = self.shape
        top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
        return self.last(x)[:, top : top + height, left : left + width]

    def compute_output_spec(self, vector, tokens, **more):
        return keras.KerasTensor((vector.shape[0], *self.shape), self.compute_dtype)

    def loss(self, label_smoothing=0.0):
        no_label_smoothing(self, label_smoothing)
        return LIKELIHOODS[self.likelihood]()

    @property
    def answer_shape(self):
        return self.shape
