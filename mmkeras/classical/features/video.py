"""Features of videos: those of images, averaged over the frames, and how they change."""

from __future__ import annotations

import dataclasses

import numpy as np

from mmkeras.classical.features.extractor import Extractor
from mmkeras.classical.features.image import ImageFeatures
from mmkeras.data.kinds import VideoSettings


class VideoFeatures(Extractor):
    """The mean over a clip's frames of `ImageFeatures`, and how much the clip moves.

    The last features say, for each part of a 4×4 grid, the mean absolute difference of a pixel from
    the same one in the frame before.

    Args:
        image: The features of a frame; `ImageFeatures()` by default.

    Example:

    >>> clips = np.random.default_rng(0).integers(0, 256, (3, 4, 64, 64, 3), dtype=np.uint8)
    >>> VideoFeatures().fit(clips).transform(clips).shape
    (3, 2036)
    """

    def __init__(self, image: ImageFeatures | None = None):
        self.image = image

    def settings(self, settings: VideoSettings | None) -> VideoSettings:
        size = (self.image or ImageFeatures()).size
        return dataclasses.replace(settings or VideoSettings(), size=(size, size))

    def fit(self, values: np.ndarray, fitted: object = None) -> VideoFeatures:
        """Learns from clips, uint8 `(rows, frames, size, size, 1 | 3)`."""
        image = self.image or ImageFeatures()
        self.image_ = ImageFeatures(**image.get_params())
        self.image_.fit(values.reshape(-1, *values.shape[2:]))
        self.names_ = [*self.image_.names_, *(f"motion_{place}" for place in range(16))]
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        frames = self.image_.transform(values.reshape(-1, *values.shape[2:]))
        means = frames.reshape(*values.shape[:2], -1).mean(axis=1)
        return np.concatenate([means, motion(values)], axis=1)


def motion(clips: np.ndarray, grid: int = 4) -> np.ndarray:
    """How much each part of a clip changes from frame to frame, float32 `(rows, grid * grid)`.

    Args:
        clips: uint8, `(rows, frames, height, width, channels)`.
        grid: Parts by row and by column.

    Example:

    >>> still = np.zeros((1, 3, 8, 8, 1), np.uint8)
    >>> still[:, 1, :4, :4] = 255
    >>> motion(still, grid=2)
    array([[1., 0., 0., 0.]], dtype=float32)
    """
    if clips.shape[1] < 2:
        return np.zeros((len(clips), grid * grid), np.float32)
    changes = np.abs(np.diff(clips.astype(np.int16), axis=1)).mean(axis=(1, 4)) / 255
    parts = [
        part.mean(axis=(1, 2))
        for band in np.array_split(changes, grid, axis=1)
        for part in np.array_split(band, grid, axis=2)
    ]
    return np.stack(parts, axis=1).astype(np.float32)
