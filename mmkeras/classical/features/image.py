"""Features of images: histograms of oriented gradients, and of colours."""

from __future__ import annotations

import dataclasses

import numpy as np

from mmkeras.classical.features.extractor import Extractor, balanced
from mmkeras.data.kinds import ImageSettings
from mmkeras.data.media.images.opencv import cv2

_HOG_BINS = 9


class ImageFeatures(Extractor):
    """Histograms of oriented gradients (HOG) for shapes, and of colours, where there are any.

    HOG counts edges by direction (9 of them) in cells of `cell`×`cell` pixels, and scales each
    block of 2×2 cells to length 1 ("L2-Hys"). Colours are counted in `grid`×`grid` parts of the
    image, `bins` shades per channel; the square root of a share makes Euclidean distances those of
    Hellinger. Both are scaled to the same total variance over the training rows. Of several images
    in a cell, the mean is taken.

    Args:
        size: Side of the square that images are brought to, in pixels.
        cell: Side of a cell; half of `size` at most.
        grid: Parts of the image, by row and by column, whose colours are counted by themselves.
        bins: Shades of each channel.

    Example:

    >>> images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    >>> ImageFeatures().fit(images).transform(images).shape  # 7 x 7 x 4 x 9 + 4 x 64
    (5, 2020)

    References:
        - [Dalal and Triggs, 2005](https://doi.org/10.1109/CVPR.2005.177) (HOG)
        - [Swain and Ballard, 1991](https://doi.org/10.1007/BF00130487) (colours)
    """

    def __init__(self, size: int = 64, cell: int = 8, grid: int = 2, bins: int = 4):
        self.size = size
        self.cell = cell
        self.grid = grid
        self.bins = bins

    def settings(self, settings: ImageSettings | None) -> ImageSettings:
        # Of the size it is about how finely images are sampled, which HOG's cells decide.
        settings = settings or ImageSettings()
        return dataclasses.replace(settings, size=(self.size, self.size), scaling="unit")

    def fit(self, values: np.ndarray | list[np.ndarray], fitted: object = None) -> ImageFeatures:
        """Learns how much each of the two varies; images are uint8 `(rows, size, size, 1 | 3)`."""
        if self.size % self.cell or self.size < 2 * self.cell:
            raise ValueError(
                "`size` is a multiple of `cell`, at least twice as much. Received: "
                f"size={self.size} and cell={self.cell}."
            )
        blocks = self._blocks(values)
        self.scales_ = balanced(list(blocks.values()))
        self.names_ = [f"{k}_{place}" for k, b in blocks.items() for place in range(b.shape[1])]
        return self

    def transform(self, values: np.ndarray | list[np.ndarray]) -> np.ndarray:
        blocks = self._blocks(values).values()
        return np.concatenate(
            [block * scale for block, scale in zip(blocks, self.scales_, strict=True)], axis=1
        )

    def _blocks(self, values: np.ndarray | list[np.ndarray]) -> dict[str, np.ndarray]:
        if isinstance(values, list):
            single = self._blocks(np.concatenate(values))
            ends = np.cumsum([len(images) for images in values])[:-1]
            return {
                name: np.stack([part.mean(axis=0) for part in np.split(block, ends)])
                for name, block in single.items()
            }
        blocks = {"hog": hog(values, self.cell)}
        if values.shape[-1] == 3:
            blocks["colour"] = colour_histograms(values, self.grid, self.bins)
        return blocks


def hog(images: np.ndarray, cell: int = 8) -> np.ndarray:
    """Histograms of oriented gradients, by OpenCV.

    Args:
        images: uint8, `(rows, height, width, 1 | 3)`, sides multiples of `cell`.
        cell: Side of a cell in pixels; a block is 2×2 cells, and blocks overlap by a cell.

    Returns:
        float32, `(rows, blocks * 4 * 9)`.
    """
    height, width = images.shape[1:3]
    describer = cv2.HOGDescriptor(
        (width, height), (2 * cell, 2 * cell), (cell, cell), (cell, cell), _HOG_BINS
    )
    return np.stack([describer.compute(np.ascontiguousarray(image)).ravel() for image in images])


def colour_histograms(images: np.ndarray, grid: int = 2, bins: int = 4) -> np.ndarray:
    """Square roots of the share of each colour, in each part of an image.

    Args:
        images: uint8, `(rows, height, width, 3)`.
        grid: Parts by row and by column.
        bins: Shades of each channel.

    Returns:
        float32, `(rows, grid * grid * bins**3)`.
    """
    shades = (images.astype(np.int64) * bins) // 256
    codes = shades @ np.array([bins * bins, bins, 1])
    parts = [
        part.reshape(len(images), -1)
        for band in np.array_split(codes, grid, axis=1)
        for part in np.array_split(band, grid, axis=2)
    ]
    offsets = np.arange(len(images))[:, None] * bins**3
    counts = [
        np.bincount((part + offsets).ravel(), minlength=len(images) * bins**3) / part.shape[1]
        for part in parts
    ]
    shares = np.concatenate([c.reshape(len(images), -1) for c in counts], axis=1)
    return np.sqrt(shares).astype(np.float32)
