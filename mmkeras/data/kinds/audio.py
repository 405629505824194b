"""What is fitted for sounds: the mean and deviation of each of their bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmkeras.data.kinds.settings import AudioSettings
from mmkeras.schema import Audio, InputSpec

_MOST_SOUNDS = 2000  # evenly drawn; more would move the means by less than their own noise


@dataclass(frozen=True)
class AudioPreprocessor:
    """Fitted state of an audio modality: the mean and deviation of each feature's band."""

    settings: AudioSettings
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        return InputSpec(self.settings.shape)

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Audio, settings: AudioSettings
    ) -> AudioPreprocessor:
        if settings.scaling == "none":
            return cls(settings)
        # These import TensorFlow, which tables without sounds need not wait for.
        from mmkeras.data.media.spectrogram import sound_features
        from mmkeras.data.media.stores import MediaStore

        chosen = np.linspace(0, len(frame) - 1, min(len(frame), _MOST_SOUNDS)).round().astype(int)
        store = MediaStore("audio", frame[modality.column].iloc[chosen], settings, "memory")
        waves = store.values[store.readable]
        if not len(waves):
            raise ValueError(f"No training row has a sound in column {modality.column!r}.")
        total, squares, count = 0.0, 0.0, 0
        for start in range(0, len(waves), 64):
            batch = waves[start : start + 64].astype(np.float32) / 32768
            features = sound_features(batch, settings).numpy().astype(np.float64)
            total = total + features.sum(axis=(0, 1))
            squares = squares + (features**2).sum(axis=(0, 1))
            count += features.shape[0] * features.shape[1]
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        return cls(settings, tuple(mean.tolist()), tuple(np.maximum(deviation, 1e-3).tolist()))
