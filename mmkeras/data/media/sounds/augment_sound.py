"""Random changes to batches of sounds and spectrograms, as pure functions of a seed."""

from __future__ import annotations

import tensorflow as tf

from mmkeras.data.media.hidden_runs import hidden_runs
from mmkeras.data.share import normal, uniform


def add_noise(
    waves: tf.Tensor, seed: tf.Tensor, snr_db_low: float, spread_db: float = 30.0
) -> tf.Tensor:
    """Adds white noise to each sound, at a signal-to-noise ratio drawn for it.

    The ratio `10 log10(P_signal / P_noise)`, with `P` the mean square over the whole row, is
    uniform between `snr_db_low` and `snr_db_low + spread_db`. A silent row stays silent.

    Args:
        waves: float32, `(batch, samples)`.
        seed: Two integers, `(2,)`.
        snr_db_low: The lowest ratio, in decibels: the loudest noise.
        spread_db: How far above it the highest lies, in decibels.

    Returns:
        float32, `(batch, samples)`. It may exceed [-1, 1].

    Example:
        >>> add_noise(tf.ones((2, 100)), (0, 1), snr_db_low=10.0).shape
        TensorShape([2, 100])
    """
    waves = tf.convert_to_tensor(waves, tf.float32)
    ratio_seed, noise_seed = tf.unstack(tf.random.split(seed, 2))
    draws = uniform((tf.shape(waves)[0], 1), ratio_seed)
    noise = normal(tf.shape(waves), noise_seed)
    signal_power = tf.reduce_mean(tf.square(waves), axis=1, keepdims=True)
    noise_power = tf.reduce_mean(tf.square(noise), axis=1, keepdims=True)
    attenuation = tf.pow(10.0, -(snr_db_low + spread_db * draws) / 10)
    return waves + noise * tf.sqrt(tf.math.divide_no_nan(signal_power, noise_power) * attenuation)


def stretch_sounds(waves: tf.Tensor, seed: tf.Tensor, speed: float) -> tf.Tensor:
    """Plays each sound slower or faster, as a tape: pitch and formants change with the tempo.

    Another voice, therefore. Sample `i` becomes the sound's place `i * f`, by linear
    interpolation, with `f` uniform between `1 - speed` and `1 + speed`: a slower sound loses its
    end, and silence follows a faster one.

    Args:
        waves: float32, `(batch, samples)`.
        seed: Two integers, `(2,)`.
        speed: The largest change, as a share of the tempo.

    Returns:
        float32, `(batch, samples)`.

    References:
        Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
    """
    waves = tf.convert_to_tensor(waves, tf.float32)
    batch, length = tf.unstack(tf.shape(waves))
    factors = uniform((batch, 1), seed, 1 - speed, 1 + speed)
    places = tf.range(tf.cast(length, tf.float32)) * factors
    low = tf.cast(tf.floor(places), tf.int32)
    padded = tf.pad(waves, [(0, 0), (0, 2)])
    first = tf.gather(padded, tf.minimum(low, length), batch_dims=1)
    second = tf.gather(padded, tf.minimum(low + 1, length + 1), batch_dims=1)
    played = first + (second - first) * (places - tf.cast(low, tf.float32))
    return tf.ensure_shape(played, waves.shape)


def shift_sounds(waves: tf.Tensor, seed: tf.Tensor, samples: int) -> tf.Tensor:
    """Moves each sound earlier or later; what leaves is lost, and silence moves in.

    Args:
        waves: float32, `(batch, length)`.
        seed: Two integers, `(2,)`.
        samples: Largest move to either side, in samples. Every whole number up to it is as likely.

    Returns:
        float32, `(batch, length)`.
    """
    waves = tf.convert_to_tensor(waves, tf.float32)
    batch, length = tf.unstack(tf.shape(waves))
    moves = uniform((batch, 1), seed, -samples, samples + 1, dtype=tf.int32)
    sources = tf.range(length) - moves
    moved = tf.gather(waves, tf.clip_by_value(sources, 0, length - 1), batch_dims=1)
    moved = tf.where((sources >= 0) & (sources < length), moved, 0.0)
    return tf.ensure_shape(moved, waves.shape)


def mask_spectrograms(
    features: tf.Tensor,
    seed: tf.Tensor,
    *,
    time_masks: int = 0,
    time_mask: float = 0.2,
    band_masks: int = 0,
    band_mask: float = 0.2,
    deltas: int = 0,
) -> tf.Tensor:
    """SpecAugment: hides stretches of time and runs of bands in each spectrogram.

    A mask's width is a whole number, uniform from 0 to the given share of all frames or bands,
    and its place is uniform among those where it fits. Masks may overlap. Hidden places get 0,
    the mean of standardised features. SpecAugment's third change, time warping, is left out; its
    authors found it to matter least.

    Args:
        features: float32, `(batch, frames, bands * (1 + deltas))`, standardised.
        seed: Two integers, `(2,)`.
        time_masks: How many stretches of time.
        time_mask: The longest, as a share of all frames.
        band_masks: How many runs of bands.
        band_mask: The widest, as a share of all bands.
        deltas: How many blocks of slopes follow the bands; a band is hidden in all of them.

    Returns:
        float32, of the same shape.

    References:
        Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
        Recognition", Interspeech 2019, arXiv:1904.08779.
    """
    features = tf.convert_to_tensor(features, tf.float32)
    batch, frames, width = tf.unstack(tf.shape(features))
    time_seed, band_seed = tf.unstack(tf.random.split(seed, 2))
    if time_masks:
        sizes = tf.fill((batch,), frames)
        hidden = hidden_runs(sizes, frames, time_seed, time_masks, time_mask)
        features = tf.where(hidden[:, :, tf.newaxis], 0.0, features)
    if band_masks:
        bands = width // (1 + deltas)
        hidden = hidden_runs(tf.fill((batch,), bands), bands, band_seed, band_masks, band_mask)
        features = tf.where(tf.tile(hidden, (1, 1 + deltas))[:, tf.newaxis], 0.0, features)
    return features
