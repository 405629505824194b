"""What is fitted for images: the mean and deviation of their channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmkeras.data.kinds.settings import ImageSettings
from mmkeras.schema import Image, InputSpec


@dataclass(frozen=True)
class ImagePreprocessor:
    """Fitted state of an image modality: the channels' mean and deviation in [0, 1]."""

    settings: ImageSettings
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        return InputSpec((*self.settings.size, self.settings.channels))

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Image, settings: ImageSettings
    ) -> ImagePreprocessor:
        if settings.scaling == "unit":
            return cls(settings)
        # Imports TensorFlow, which tables without images need not wait for.
        from mmkeras.data.media.stores import decoded_images

        images, readable = decoded_images(frame[modality.column], settings)
        pixels = images[readable].reshape(-1, settings.channels) / np.float32(255)
        if not len(pixels):
            raise ValueError(f"No training row has an image in column {modality.column!r}.")
        deviation = np.maximum(pixels.std(axis=0, dtype=np.float64), 1e-6)
        mean = pixels.mean(axis=0, dtype=np.float64)
        return cls(settings, tuple(mean.tolist()), tuple(deviation.tolist()))
