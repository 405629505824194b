"""Encoders for sounds: 2-D convolutions over a spectrogram.

Sounds are sequences of frames, too: the encoders of feature sequences also read them. What those
hold to be padding, a frame of exact zeros, the pipeline does not produce, not even for silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from mmkeras.encoders.image import ConvEncoder
from mmkeras.encoders.sequence import check_float_steps


@keras.saving.register_keras_serializable(package="mmkeras")
class SpectrogramEncoder(ConvEncoder):
    """Convolutions and max-pooling over a spectrogram, as over a grey image.

    Every place (a stretch of time and of frequencies) of the last map is one token. The
    constructor's arguments are those of `ConvEncoder`.

    Call arguments:
        inputs: Floats `(batch, frames, bands)` of any sign: log-mel energies or MFCCs, preferably
            standardised. All frames count, silent ones and zeros as well.

    Returns:
        Tokens `(batch, rows * cols, filters[-1])`; rows are times, columns frequencies.

    Example:

    >>> encoder = SpectrogramEncoder(filters=(8, 16))
    >>> encoder(keras.Input((98, 40))).shape
    (None, 240, 16)
    >>> encoder.token_grid((98, 40))
    (24, 10)

    References:
        - [Sainath and Parada, 2015](https://doi.org/10.21437/Interspeech.2015-352) (convolutions
          over time and frequency)
        - [Hershey et al., 2017](https://arxiv.org/abs/1609.09430) (image networks on log-mel
          spectrograms)
    """

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ValueError(
                "SpectrogramEncoder reads spectrograms of shape (batch, frames, bands). Received: "
                f"inputs of shape {tuple(input_shape)}. It adds the channel axis itself."
            )
        super().build((*input_shape, 1))

    def call(self, inputs, training=None):
        check_float_steps("SpectrogramEncoder", inputs)
        return super().call(ops.expand_dims(inputs, axis=-1), training=training)

    def token_mask(self, inputs) -> None:
        """All of a spectrogram's tokens count."""
        return None

    def token_grid(self, input_shape: Sequence[int | None]) -> tuple[int | None, int | None]:
        """Times and frequencies of the map whose places are the tokens.

        Args:
            input_shape: `(frames, bands)` of a spectrogram; `None` where it varies.

        Returns:
            `(rows, cols)`; token `i` is the place `(i // cols, i % cols)`.
        """
        if len(input_shape) != 2:
            raise ValueError(
                "`token_grid` takes one spectrogram's shape (frames, bands), without the batch. "
                f"Received: {tuple(input_shape)}."
            )
        return self._last_map(input_shape)
