"""Encoders of patches: a transformer over the squares that an image or a spectrogram is cut into.

Patches are cut by reshaping, not by a strided convolution. The numbers are the same, and
vectorized over the weights of several models a convolution would be slow on CPUs.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.image import check_pixels
from mmkeras.encoders.sequence import check_float_steps
from mmkeras.encoders.transformer import TransformerLayers, check_heads


@keras.saving.register_keras_serializable(package="mmkeras")
class PatchEncoder(ConfiguredLayer):
    """A vision transformer: each square patch of the image is one token.

    The pixels of patch `i`, row by row, are the vector `p_i`. Each is projected and gets its
    place's learnt position; then all patches attend to each other:

        z_i = p_i E + e + position_i
        tokens = TransformerLayers(z_1, ..., z_n)

    That is the paper's model without its class token: what follows pools the tokens. A side that
    is not a multiple of `patch_size` is filled up with zeros at the bottom or at the right.

    Args:
        patch_size: Side of a patch, in pixels.
        dim: The width of a token; a multiple of `num_heads`.
        num_heads: Attention heads.
        num_layers: Transformer layers; with 0 the tokens are `z_i`.
        ff_dim: The inner width of the feed-forward part.
        dropout: Share of units that are dropped from `z_i` and after each part, in training.

    Call arguments:
        inputs: Floats in [0, 1], `(batch, height, width, channels)`, all of one size.

    Returns:
        Tokens `(batch, rows * cols, dim)`.

    Example:

    >>> encoder = PatchEncoder(patch_size=8, dim=32)
    >>> encoder(keras.Input((36, 32, 3))).shape
    (None, 20, 32)
    >>> encoder.token_grid((36, 32, 3))
    (5, 4)

    References:
        - [Dosovitskiy et al., 2021](https://arxiv.org/abs/2010.11929) (equations 1 to 4)
    """

    def __init__(
        self,
        patch_size: int = 8,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int = 128,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if patch_size < 1:
            raise ValueError(f"`patch_size` must be at least 1 pixel. Received: {patch_size}.")
        if num_layers < 0:
            raise ValueError(f"`num_layers` must be 0 or more. Received: {num_layers}.")
        check_heads(dim, num_heads)
        self.patch_size = int(patch_size)
        self.dim = int(dim)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout

    def build(self, input_shape):
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "PatchEncoder reads images of shape (batch, height, width, channels), all of one "
                "size, since each patch has a position of its own. Received: inputs of shape "
                f"{tuple(input_shape)}. Resize images to one size (`ImageSettings.size`); one "
                "without a channel axis gets it with `images[..., None]`."
            )
        self.input_spec = layers.InputSpec(shape=(None, *input_shape[1:]))
        rows, cols = PatchEncoder.token_grid(self, input_shape[1:])
        # Both are known: images are of one size.
        self.grid: tuple[int, int] = (int(rows or 0), int(cols or 0))
        count = self.grid[0] * self.grid[1]
        self.project = layers.Dense(self.dim, dtype=self.dtype_policy)
        self.project.build((None, count, self.patch_size**2 * input_shape[3]))
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.positions = self.add_weight((count, self.dim), small, name="positions")
        self.transformer = layers.Dropout(self.dropout, dtype=self.dtype_policy)
        if self.num_layers:
            self.transformer = TransformerLayers(
                self.num_heads, self.num_layers, self.ff_dim, self.dropout, dtype=self.dtype_policy
            )
        self.transformer.build((None, count, self.dim))

    def call(self, inputs, training=None):
        check_pixels("PatchEncoder", inputs)
        return self.transformer(self.project(self._cut(inputs)) + self.positions, training=training)

    def _cut(self, images):
        side, (rows, cols) = self.patch_size, self.grid
        height, width, channels = images.shape[1:]
        bottom, right = rows * side - height, cols * side - width
        if bottom or right:
            images = ops.pad(images, ((0, 0), (0, bottom), (0, right), (0, 0)))
        strips = ops.reshape(images, (-1, rows, side, cols, side * channels))
        patches = ops.transpose(strips, (0, 1, 3, 2, 4))
        return ops.reshape(patches, (-1, rows * cols, side * side * channels))

    def token_mask(self, inputs) -> None:
        """All of an image's patches count."""
        return None

    def token_grid(self, input_shape: Sequence[int | None]) -> tuple[int | None, int | None]:
        """Rows and columns of patches.

        Args:
            input_shape: `(height, width, channels)` of an image; `None` where it varies.

        Returns:
            `(rows, cols)`; token `i` is the patch `(i // cols, i % cols)`.
        """
        if len(input_shape) != 3:
            raise ValueError(
                "`token_grid` takes one image's shape (height, width, channels), without the "
                f"batch. Received: {tuple(input_shape)}."
            )
        side = self.patch_size
        rows, cols = (None if size is None else -(-size // side) for size in input_shape[:2])
        return rows, cols


@keras.saving.register_keras_serializable(package="mmkeras")
class SpectrogramPatchEncoder(PatchEncoder):
    """A transformer over the patches of a spectrogram, as over those of a grey image.

    A patch is `patch_size` frames of `patch_size` bands. Unlike the paper's, patches do not
    overlap. The constructor's arguments are those of `PatchEncoder`.

    Call arguments:
        inputs: Floats `(batch, frames, bands)` of any sign, all of one length: log-mel energies
            or MFCCs, preferably standardised. All frames count, silent ones and zeros as well.

    Returns:
        Tokens `(batch, rows * cols, dim)`; rows are times, columns frequencies.

    Example:

    >>> encoder = SpectrogramPatchEncoder(patch_size=8, dim=32)
    >>> encoder(keras.Input((98, 40))).shape
    (None, 65, 32)
    >>> encoder.token_grid((98, 40))
    (13, 5)

    References:
        - [Gong et al., 2021](https://arxiv.org/abs/2104.01778)
    """

    def build(self, input_shape):
        if len(input_shape) != 3 or None in input_shape[1:]:
            raise ValueError(
                "SpectrogramPatchEncoder reads spectrograms of shape (batch, frames, bands), all "
                "of one length, since each patch has a position of its own. Received: inputs of "
                f"shape {tuple(input_shape)}. Cut or pad sounds to one length "
                "(`AudioSettings.seconds`), or use 'cnn'."
            )
        super().build((*input_shape, 1))
        self.input_spec = layers.InputSpec(shape=(None, *input_shape[1:]))

    def call(self, inputs, training=None):
        check_float_steps("SpectrogramPatchEncoder", inputs)
        return super().call(ops.expand_dims(inputs, axis=-1), training=training)

    def token_grid(self, input_shape: Sequence[int | None]) -> tuple[int | None, int | None]:
        """Times and frequencies of the patches; see `PatchEncoder.token_grid`."""
        if len(input_shape) != 2:
            raise ValueError(
                "`token_grid` takes one spectrogram's shape (frames, bands), without the batch. "
                f"Received: {tuple(input_shape)}."
            )
        return super().token_grid((*input_shape, 1))
