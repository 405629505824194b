"""Sound features, in batches, inside `tf.data`: spectrograms, log-mel energies, MFCC, slopes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from mmkeras.data.kinds.audio import AudioSettings


def sound_features(waves: tf.Tensor, settings: AudioSettings) -> tf.Tensor:
    """Turns sounds into the features that the settings name.

    The numbers are those of librosa's `melspectrogram`, `power_to_db` and `mfcc` with their
    defaults, up to rounding: decibels to 1e-4 within 40 dB of the loudest place and to 0.01
    elsewhere, MFCC to 0.005.

    Args:
        waves: float32, `(batch, samples)`, in [-1, 1], as many as `settings.samples`.
        settings: Which features, and their sizes.

    Returns:
        float32, `(batch, *settings.shape)`: `(batch, samples, 1)` for `"waveform"`, else
        `(batch, frames, bands)`; slopes follow the features along the last axis.

    Raises:
        ValueError: Waves of another shape, or mel bands too narrow for the transform.

    Example:
        >>> from mmkeras import AudioSettings
        >>> settings = AudioSettings(8000, 1.0, features="mfcc", coefficients=13, deltas=1)
        >>> sound_features(tf.zeros((2, 8000)), settings).shape
        TensorShape([2, 101, 26])
    """
    waves = tf.convert_to_tensor(waves, tf.float32)
    if waves.shape.rank != 2 or waves.shape[1] not in (None, settings.samples):
        raise ValueError(
            f"Waves have the shape (batch, {settings.samples}), at {settings.rate} Hz. Received: "
            f"{waves.shape}."
        )
    if settings.features == "waveform":
        return waves[..., tf.newaxis]
    power = power_spectrogram(waves, settings)
    if settings.features != "spectrogram":
        power = tf.matmul(power, mel_filters(settings))
    features = to_decibels(power)
    if settings.features == "mfcc":
        features = mfcc(features, settings.coefficients)
    blocks = [features]
    for _ in range(settings.deltas):
        blocks.append(deltas(blocks[-1]))
    return tf.concat(blocks, axis=-1)


def power_spectrogram(waves: tf.Tensor, settings: AudioSettings) -> tf.Tensor:
    """The power of the short-time Fourier transform.

    `P_{t,k} = |sum_n w_n x_{t h + n} exp(-2 pi i k n / N)|^2`, `n` from `-N/2` to `N/2 - 1`.
    Frame `t` is centred on sample `t h`, with silence beyond the sound's ends. `w` is a periodic
    Hann window of `window_samples`, with zeros on both sides up to the `N = fft_points`.

    Args:
        waves: float32, `(batch, settings.samples)`.
        settings: Window, hop `h` and points.

    Returns:
        float32, `(batch, frames, 1 + N // 2)`; bin `k` is at `k * rate / N` hertz.
    """
    # The window's zeros contribute nothing: cutting frames of its own width, where librosa pads
    # it, gives the same power, as a shift in time turns phases only.
    width, hop, points = settings.window_samples, settings.hop_samples, settings.fft_points
    before = points // 2 - (points - width) // 2
    after = max(0, (settings.frames - 1) * hop + width - before - settings.samples)
    padded = tf.pad(waves, [(0, 0), (before, after)])
    frames = tf.signal.frame(padded, width, hop)[:, : settings.frames]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    spectrum = tf.signal.rfft(frames * window.astype(np.float32), [points])
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    power.set_shape((None, settings.frames, 1 + points // 2))
    return power


@functools.lru_cache(maxsize=16)
def mel_filters(settings: AudioSettings) -> np.ndarray:
    """Triangular filters, evenly spaced on Slaney's mel scale, each of area 1.

    The scale is linear below 1000 Hz, `3 f / 200`, and logarithmic above,
    `15 + 27 ln(f / 1000) / ln(6.4)`. A band rises from its left neighbour's centre to its own and
    falls to its right neighbour's.

    Args:
        settings: Rate, points of the transform, number of bands and their limits.

    Returns:
        float32, `(1 + fft_points // 2, mel_bands)`, read-only.

    Raises:
        ValueError: A band so narrow that it holds none of the transform's frequencies: it would
            be the same for every sound.

    References:
        Slaney, "Auditory Toolbox", version 2, Interval Research Corporation, 1998.
    """
    low, high = settings.low_hz, settings.high_hz or settings.rate / 2
    edges = _mel_to_hz(np.linspace(_hz_to_mel(low), _hz_to_mel(high), settings.mel_bands + 2))
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = np.fft.rfftfreq(settings.fft_points, 1 / settings.rate)[:, np.newaxis]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (right - left))
    empty = np.flatnonzero(filters.max(axis=0) == 0)
    if len(empty):
        band = empty[0]
        raise ValueError(
            f"{len(empty)} of {settings.mel_bands} mel bands hold no frequency of the Fourier "
            f"transform, e.g. band {band} from {left[band]:.0f} to {right[band]:.0f} Hz: the "
            f"transform's lie {settings.rate / settings.fft_points:.1f} Hz apart. Choose fewer "
            f"`mel_bands`, or an `fft_length` above {settings.fft_points}."
        )
    filters = filters.astype(np.float32)
    filters.flags.writeable = False
    return filters


def _hz_to_mel(hertz: float) -> float:
    if hertz < 1000:
        return 3 * hertz / 200
    return 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def _mel_to_hz(mels: np.ndarray) -> np.ndarray:
    above = 1000 * np.exp((np.maximum(mels, 15) - 15) * np.log(6.4) / 27)
    return np.where(mels < 15, 200 * mels / 3, above)


def to_decibels(power: tf.Tensor, range_db: float = 80.0) -> tf.Tensor:
    """`10 log10(max(power, 1e-10))`, with a floor `range_db` below each sound's loudest place.

    Args:
        power: float32, `(batch, frames, bands)`.
        range_db: What lies further below the loudest place is lifted to it: without a floor, the
            rounding noise of digital silence would be among the largest numbers.

    Returns:
        float32, of the same shape, in decibels.
    """
    decibels = tf.math.log(tf.maximum(power, 1e-10)) * (10 / np.log(10))
    loudest = tf.reduce_max(decibels, axis=(1, 2), keepdims=True)
    return tf.maximum(decibels, loudest - range_db)


def scale_each(decibels: tf.Tensor) -> tf.Tensor:
    """Each sound's bands at mean 0 and standard deviation 1 over its frames.

    A microphone's colour is gone then, and much of a voice's. Frames of digital silence, where all
    bands are at the sound's least, do not count, but are scaled with the others.

    Args:
        decibels: float32, `(batch, frames, bands)`.

    Returns:
        float32, of the same shape; zeros where nothing sounds.

    References:
        Viikki and Laurila, "Cepstral domain segmental feature vector normalization for noise
        robust speech recognition", Speech Communication 25, 1998.
    """
    least = tf.reduce_min(decibels, axis=(1, 2), keepdims=True)
    sounds = tf.reduce_any(decibels > least, axis=2, keepdims=True)
    counts = tf.cast(sounds | ~tf.reduce_any(sounds, axis=1, keepdims=True), tf.float32)
    total = tf.reduce_sum(counts, axis=1, keepdims=True)
    centred = decibels - tf.reduce_sum(counts * decibels, axis=1, keepdims=True) / total
    variance = tf.reduce_sum(counts * tf.square(centred), axis=1, keepdims=True) / total
    return centred / tf.maximum(tf.sqrt(variance), 1e-3)


def mfcc(decibels: tf.Tensor, coefficients: int) -> tf.Tensor:
    """Mel-frequency cepstral coefficients: the orthonormal DCT-II of log-mel energies.

    `c_k = a_k sum_m x_m cos(pi k (2 m + 1) / (2 M))` over the `M` bands, with `a_0 = sqrt(1 / M)`
    and `a_k = sqrt(2 / M)` otherwise.

    Args:
        decibels: float32, `(batch, frames, bands)`: log-mel energies, in decibels.
        coefficients: How many are kept, from `c_0` on.

    Returns:
        float32, `(batch, frames, coefficients)`.

    References:
        Davis & Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word
        Recognition in Continuously Spoken Sentences", IEEE Transactions on Acoustics, Speech, and
        Signal Processing 28(4), 1980.
    """
    bands = decibels.shape[-1]
    angles = np.pi * np.outer(2 * np.arange(bands) + 1, np.arange(coefficients)) / (2 * bands)
    cosines = np.cos(angles) * np.sqrt(2 / bands)
    cosines[:, 0] = np.sqrt(1 / bands)
    return tf.matmul(decibels, cosines.astype(np.float32))


def deltas(features: tf.Tensor, reach: int = 4) -> tf.Tensor:
    """The features' slopes over time, by linear regression around each frame.

    `d_t = sum_n n (c_{t+n} - c_{t-n}) / (2 sum_n n^2)`, `n` from 1 to `reach`; the first and the
    last frame are repeated beyond the ends. Applied twice it gives the slopes' slopes.

    Args:
        features: float32, `(batch, frames, bands)`.
        reach: Frames to either side: 4 is a regression over 9 frames.

    Returns:
        float32, of the same shape: change per frame.

    References:
        Furui, "Speaker-Independent Isolated Word Recognition Using Dynamic Features of Speech
        Spectrum", IEEE Transactions on Acoustics, Speech, and Signal Processing 34(1), 1986.

    Example:
        >>> ramp = tf.range(20.0)[tf.newaxis, :, tf.newaxis]
        >>> round(float(deltas(3 * ramp)[0, 10, 0]), 4)
        3.0
    """
    frames = tf.shape(features)[1]
    padded = tf.concat(
        [
            tf.repeat(features[:, :1], reach, axis=1),
            features,
            tf.repeat(features[:, -1:], reach, axis=1),
        ],
        axis=1,
    )
    slopes = tf.add_n(
        [
            n * (padded[:, reach + n : reach + n + frames] - padded[:, reach - n :][:, :frames])
            for n in range(1, reach + 1)
        ]
    ) / (2 * sum(n * n for n in range(1, reach + 1)))
    slopes.set_shape(features.shape)
    return slopes
