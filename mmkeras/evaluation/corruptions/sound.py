"""Corruptions of sounds: noise, silence for a stretch of time, a band of frequencies removed.

All take int16 `(rows, samples)` and return the same. What does not fit int16 is clipped.

References:
    Park et al., "SpecAugment: A simple data augmentation method for automatic speech
    recognition", Interspeech 2019, https://arxiv.org/abs/1904.08779 (the masks; here of the sound
    itself, as the model's features are made afterwards)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft

from mmkeras.data.media.sounds.sound import mix_at_snr

# Samples that are transformed at a time.
_BLOCK = 1 << 22


def noise(
    sounds: np.ndarray, snr_db: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Adds white noise at a signal-to-noise ratio: `10 log10(P_signal / P_noise)`.

    `P` is the mean square over the whole row, the silence behind a short sound included. A silent
    row stays silent.

    Args:
        sounds: The sounds.
        snr_db: The ratio in decibels.
        random: Where the noise is drawn from.
        fitted: Not read.
    """
    _check(sounds)
    result = np.zeros(sounds.shape, np.int16)
    for sound, noisy in zip(sounds, result, strict=True):
        white = random.standard_normal(len(sound), np.float32)
        if sound.any():
            noisy[:] = _to_int16(mix_at_snr(sound, white, snr_db))
    return result


def time_mask(
    sounds: np.ndarray, share: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Silences one stretch of each row, at a place drawn for it.

    It lies wholly inside the row and silences what a shorter one of the same draw silences.

    Args:
        sounds: The sounds.
        share: The stretch's length, as a share of the row's samples.
        random: Where the places are drawn from.
        fitted: Not read.
    """
    _check(sounds)
    hidden = _stretches(len(sounds), sounds.shape[1], share, random)
    return np.where(hidden, np.int16(0), sounds)


def frequency_mask(
    sounds: np.ndarray, share: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Removes one band of frequencies from each row, at a place drawn for it.

    The row's Fourier transform is set to 0 in the band and transformed back. A band lies wholly
    between 0 and half of the sampling rate, and removes what a narrower one of the same draw
    removes.

    Args:
        sounds: The sounds.
        share: The band's width, as a share of half of the sampling rate.
        random: Where the places are drawn from.
        fitted: Not read.
    """
    _check(sounds)
    length = sounds.shape[1]
    hidden = _stretches(len(sounds), length // 2 + 1, share, random)
    result = np.empty(sounds.shape, np.int16)
    rows = max(1, _BLOCK // length)
    for start in range(0, len(sounds), rows):
        block = slice(start, start + rows)
        spectrum = scipy.fft.rfft(sounds[block].astype(np.float32), axis=1)
        spectrum[hidden[block]] = 0
        result[block] = _to_int16(scipy.fft.irfft(spectrum, length, axis=1))
    return result


def _stretches(rows: int, size: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Booleans `(rows, size)`, true in one stretch of each row."""
    width = round(share * size)
    starts = np.floor(random.random((rows, 1)) * (size - width + 1))
    return (np.arange(size) >= starts) & (np.arange(size) < starts + width)


def _to_int16(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def _check(sounds: np.ndarray) -> None:
    if sounds.dtype != np.int16 or sounds.ndim != 2:
        raise ValueError(
            "Sounds are int16 (rows, samples): decode them first. Received: "
            f"{sounds.dtype} of shape {sounds.shape}."
        )
