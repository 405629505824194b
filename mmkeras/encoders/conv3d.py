"""Encoder for videos: convolutions over time and space."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.image import check_pixels
from mmkeras.encoders.video import check_videos


@keras.saving.register_keras_serializable(package="mmkeras")
class Conv3DEncoder(ConfiguredLayer):
    """Convolutions over time and space; every place of the last map is one token.

    Each block is (3-D convolution, optional batch normalisation, ReLU), then max-pooling, then
    optional spatial dropout. The first block's pooling leaves time as it is, so that movement is
    not lost at once; the others halve all three axes, as far as there is something to halve.

    Args:
        filters: The number of channels of each block; as many blocks as numbers.
        kernel_size: The side of a convolution's window, in frames and in pixels.
        batch_norm: Whether to normalise over the batch (in training) after each convolution.
        dropout: Share of whole channels that are dropped after each block, in training.

    Call arguments:
        inputs: Floats in [0, 1], `(batch, frames, height, width, channels)`, of known sizes.

    Returns:
        Tokens `(batch, frames * rows * cols, filters[-1])` of the last map, frame by frame and row
        by row.

    Example:

    >>> encoder = Conv3DEncoder(filters=(8, 16))
    >>> encoder(keras.Input((10, 32, 32, 3))).shape
    (None, 320, 16)
    >>> encoder.token_grid((10, 32, 32, 3))
    (5, 8, 8)

    References:
        - [Tran et al., 2015](https://arxiv.org/abs/1412.0767) (C3D)
    """

    def __init__(
        self,
        filters: Sequence[int] = (16, 32, 64),
        kernel_size: int = 3,
        batch_norm: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not filters:
            raise ValueError("`filters` needs one number per block. Received: no number.")
        self.filters = tuple(int(number) for number in filters)
        self.kernel_size = int(kernel_size)
        self.batch_norm = batch_norm
        self.dropout = dropout

    def build(self, input_shape):
        check_videos("Conv3DEncoder", input_shape)
        if input_shape[1] is None:
            raise ValueError(
                "Conv3DEncoder needs a known number of frames. Received: inputs of shape "
                f"{tuple(input_shape)}. FrameEncoder ('frames') reads any number."
            )
        common = {"data_format": "channels_last", "dtype": self.dtype_policy}
        # TensorFlow has no 3-D pooling of float16 on CPUs; a maximum is the same number in both.
        half = self.compute_dtype == "float16"
        pooling = {**common, "dtype": "float32"} if half else common
        self.steps = []
        for filters, pool in zip(self.filters, self._pools(input_shape[1:4]), strict=True):
            conv = layers.Conv3D(
                filters,
                self.kernel_size,
                padding="same",
                use_bias=not self.batch_norm,
                kernel_initializer="he_normal",
                **common,
            )
            self.steps.append(conv)
            if self.batch_norm:
                self.steps.append(layers.BatchNormalization(momentum=0.9, dtype=self.dtype_policy))
            self.steps.append(layers.ReLU(dtype=self.dtype_policy))
            self.steps.append(layers.MaxPooling3D(pool, **pooling))
            if self.dropout:
                self.steps.append(layers.SpatialDropout3D(self.dropout, **common))
        self.steps.append(layers.Reshape((-1, self.filters[-1]), dtype=self.dtype_policy))
        shape = tuple(input_shape)
        for step in self.steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)

    def _pools(self, sizes: Sequence[int]) -> list[tuple[int, ...]]:
        pools = []
        for index in range(len(self.filters)):
            wanted = (1 if index == 0 else 2, 2, 2)
            pools.append(tuple(min(pool, size) for pool, size in zip(wanted, sizes, strict=True)))
            sizes = [size // pool for size, pool in zip(sizes, pools[-1], strict=True)]
        return pools

    def call(self, inputs, training=None):
        check_pixels("Conv3DEncoder", inputs, "frames")
        x = inputs
        for step in self.steps:
            x = step(x)
        return x

    def token_mask(self, inputs) -> None:
        """All of a video's tokens count."""
        return None

    def token_grid(self, input_shape: Sequence[int]) -> tuple[int, int, int]:
        """Frames, rows and columns of the map whose places are the tokens.

        Args:
            input_shape: `(frames, height, width, channels)` of a video.
        """
        if len(input_shape) != 4:
            raise ValueError(
                "`token_grid` takes one video's shape (frames, height, width, channels), without "
                f"the batch. Received: {tuple(input_shape)}."
            )
        frames, height, width = input_shape[:3]
        for pool in self._pools((frames, height, width)):
            frames, height, width = frames // pool[0], height // pool[1], width // pool[2]
        return frames, height, width
