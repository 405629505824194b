"""Oriented gradients and colours of an image, cell by cell: features that need no training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.image import check_pixels

_EPSILON = 1e-4  # a gradient of this size is none
_SHARPNESS = 4


@keras.saving.register_keras_serializable(package="mmkeras")
class OrientedGradientsEncoder(ConfiguredLayer):
    """Histograms of oriented gradients and of colours of an image's cells; a cell is one token.

    A pixel's gradient g (central differences, of the channel where it is largest) counts in
    `orientations` bins by its direction, softly, so that gradients reach the pixels:

        h_b = |g| max(0, cos(θ - θ_b))^4,

    averaged over each quarter of a cell, and divided by the root of the mean energy of the quarter
    and those around it, which takes contrast out. Opposite directions are different bins, and their
    sums, which do not tell black on white from white on black, stand beside them. Colours are
    counted in `shades` of each channel together, softly too; the square root of a share makes
    distances those of Hellinger. Nothing of this is learnt: a thousand images are enough for what
    comes after, where convolutions that are learnt know them by heart.

    Args:
        grid: Cells along each side, at most as many as pixels.
        orientations: Bins, an even number.
        shades: Of each channel.
        dim: The width of a token: a dense layer for all cells; 0 for none.
        dropout: Share of a token's features that are dropped in training.

    Call arguments:
        inputs: Floats in [0, 1], `(batch, height, width, channels)`.

    Returns:
        Tokens `(batch, grid * grid, dim)`.

    Example:

    >>> encoder = OrientedGradientsEncoder(grid=4, dim=32)
    >>> encoder(keras.Input((40, 40, 3))).shape
    (None, 16, 32)

    References:
        - [Dalal and Triggs, 2005](https://doi.org/10.1109/CVPR.2005.177)
        - [Felzenszwalb et al., 2010](https://doi.org/10.1109/TPAMI.2009.167) (directions and their
          sums)
        - [Swain and Ballard, 1991](https://doi.org/10.1007/BF00130487) (colours)
    """

    def __init__(
        self,
        grid: int = 4,
        orientations: int = 16,
        shades: int = 4,
        dim: int = 32,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if grid < 1 or orientations < 2 or orientations % 2 or shades < 2 or dim < 0:
            raise ValueError(
                "`grid` is at least 1, `orientations` even, `shades` at least 2, `dim` not "
                f"negative. Received: {grid}, {orientations}, {shades} and {dim}."
            )
        self.grid, self.orientations, self.dim = int(grid), int(orientations), int(dim)
        self.shades, self.dropout = int(shades), dropout

    def build(self, input_shape):
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                f"{type(self).__name__} reads images of shape (batch, height, width, channels), "
                f"all but batch known. Received: inputs of shape {tuple(input_shape)}."
            )
        rows, columns = self.token_grid(input_shape)
        # Products of matrices that average over cells, whatever the sides divide by.
        sides = [(side, cells) for side, cells in
                 zip(input_shape[1:3], (rows, columns), strict=True)]  # fmt: skip
        self._cells = [_averages(side, cells) for side, cells in sides]
        self._quarters = [_averages(side, 2 * cells) for side, cells in sides]
        self.width = 4 * self.orientations * 3 // 2 + self.shades ** input_shape[-1]
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.dense = None
        if self.dim:
            self.dense = layers.Dense(self.dim, activation="relu", dtype=self.dtype_policy)
            self.dense.build((None, rows * columns, self.width))

    @property
    def is_frozen(self) -> bool:
        """Whether its tokens are the same in every epoch."""
        return self.dense is None and not self.dropout

    def call(self, inputs, training=None):
        check_pixels(type(self).__name__, inputs)
        down, across = _differences(inputs, 1), _differences(inputs, 2)
        size = ops.square(down) + ops.square(across)
        # Of the channel with the largest gradient; of equal ones their mean.
        largest = ops.cast(ops.equal(size, ops.max(size, axis=-1, keepdims=True)), size.dtype)
        largest = largest / ops.sum(largest, axis=-1, keepdims=True)
        down, across = (ops.sum(x * largest, axis=-1, keepdims=True) for x in (down, across))
        length = ops.sqrt(ops.square(down) + ops.square(across) + _EPSILON**2)
        angles = np.arange(self.orientations) * 2 * math.pi / self.orientations
        cosine = across * _constant(np.cos(angles), down) + down * _constant(np.sin(angles), down)
        towards = ops.power(ops.relu(cosine / length), _SHARPNESS)
        directions = _averaged((length - _EPSILON) * towards, self._quarters)
        half = self.orientations // 2
        edges = ops.concatenate(
            [directions, directions[..., :half] + directions[..., half:]], axis=-1
        )
        energy = ops.sum(ops.square(directions), axis=-1, keepdims=True)
        around = ops.average_pool(energy, 3, 1, padding="same", data_format="channels_last")
        # Numbers of about 1.
        edges = edges / ops.sqrt(around + _EPSILON) * math.sqrt(self.orientations)
        counts = _averaged(self._colours(inputs), self._cells)
        colours = ops.sqrt(counts + _EPSILON) * math.sqrt(counts.shape[-1])
        x = ops.concatenate([_four_in_one(edges), colours], axis=-1)
        x = ops.reshape(x, (-1, x.shape[1] * x.shape[2], self.width))
        x = self.drop(x, training=training)
        return x if self.dense is None else self.dense(x)

    def _colours(self, x: Any) -> Any:
        """How much each pixel is of each combination of shades: `(..., shades ** channels)`."""
        centres = _constant((np.arange(self.shades) + 0.5) / self.shades, x)
        shares = ops.relu(1 - self.shades * ops.abs(ops.expand_dims(x, -1) - centres))
        shares = shares / ops.maximum(ops.sum(shares, axis=-1, keepdims=True), _EPSILON)
        found = shares[..., 0, :]
        for channel in range(1, x.shape[-1]):
            found = ops.expand_dims(found, -1) * ops.expand_dims(shares[..., channel, :], -2)
            found = ops.reshape(found, (*ops.shape(found)[:-2], self.shades ** (channel + 1)))
        return found

    def compute_output_shape(self, input_shape):
        rows, columns = self.token_grid(input_shape)
        return input_shape[0], rows * columns, self.dim or self.width

    def token_mask(self, inputs) -> None:
        """All of an image's tokens count."""
        return None

    def token_grid(self, input_shape: Sequence[int | None]) -> tuple[int, int]:
        """Rows and columns of tokens of images `(height, width, channels)`."""
        height, width = tuple(input_shape)[-3:-1]
        return min(self.grid, height or self.grid), min(self.grid, width or self.grid)


def _differences(x: Any, axis: int) -> Any:
    """Half of the difference of the pixels on both sides; at the edge the edge counts twice."""
    size = x.shape[axis]
    places = np.arange(size)
    after = ops.take(x, np.minimum(places + 1, size - 1), axis=axis)
    before = ops.take(x, np.maximum(places - 1, 0), axis=axis)
    return (after - before) / 2


def _averaged(x: Any, over: Sequence[np.ndarray]) -> Any:
    """Means over the cells of a grid: `(batch, rows, columns, channels)`."""
    rows, columns = (ops.cast(matrix, x.dtype) for matrix in over)
    return ops.einsum("rh,bhwc,kw->brkc", rows, x, columns)


def _four_in_one(x: Any) -> Any:
    """Each 2 × 2 places side by side: `(batch, rows / 2, columns / 2, 4 * channels)`."""
    parts = [x[:, down::2, across::2] for down in (0, 1) for across in (0, 1)]
    return ops.concatenate(parts, axis=-1)


def _averages(side: int, cells: int) -> np.ndarray:
    """A matrix `(cells, side)` that averages pixels over cells, parts of pixels by their share."""
    edges = np.linspace(0, side, cells + 1)
    pixels = np.arange(side)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    shares = np.clip(high - low, 0, None)
    return shares / shares.sum(axis=1, keepdims=True)


def _constant(values: np.ndarray, like: Any) -> Any:
    return ops.cast(values, like.dtype)
