"""Features of sounds: statistics of the cepstral coefficients over time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mmkeras.classical.features.extractor import Extractor
from mmkeras.classical.features.sequence import statistic_names, step_statistics
from mmkeras.data.kinds import AudioSettings

_BATCH = 64  # sounds that are transformed at once


class AudioFeatures(Extractor):
    """Mean, deviation, range and course of the MFCC and of their slopes over time.

    Args:
        coefficients: How many coefficients.
        parts: Each feature's mean is also taken in this many equal parts of the sound.

    Example:

    >>> from mmkeras.data.kinds.audio import AudioPreprocessor
    >>> features = AudioFeatures()
    >>> settings = features.settings(AudioSettings(rate=8000, seconds=0.5))
    >>> sounds = np.random.default_rng(0).integers(-999, 999, (3, 4000)).astype(np.int16)
    >>> features.fit(sounds, AudioPreprocessor(settings)).transform(sounds).shape
    (3, 360)

    References:
        - [Davis and Mermelstein, 1980](https://doi.org/10.1109/TASSP.1980.1163420) (MFCC)
    """

    def __init__(self, coefficients: int = 20, parts: int = 4):
        self.coefficients = coefficients
        self.parts = parts

    def settings(self, settings: AudioSettings | None) -> AudioSettings:
        settings = settings or AudioSettings()
        return dataclasses.replace(
            settings,
            features="mfcc",
            scaling="none",
            deltas=1,
            coefficients=self.coefficients,
            mel_bands=max(settings.mel_bands, self.coefficients),
            # So fine that no band is empty, whatever the rate.
            fft_length=max(settings.fft_points, 1024),
        )

    def fit(self, values: np.ndarray, fitted: Any) -> AudioFeatures:
        """Keeps how sounds are transformed; they are int16 `(rows, samples)`."""
        self.settings_ = fitted.settings
        places = range(self.coefficients)
        channels = [f"{name}{place}" for name in ("mfcc", "delta") for place in places]
        self.names_ = statistic_names(channels, self.parts)
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        # Imports TensorFlow, which other kinds need not wait for.
        from mmkeras.data.media.sounds.spectrogram import sound_features

        rows = []
        for start in range(0, len(values), _BATCH):
            waves = values[start : start + _BATCH].astype(np.float32) / 32768
            rows += list(sound_features(waves, self.settings_).numpy())
        return step_statistics(rows, self.parts)
