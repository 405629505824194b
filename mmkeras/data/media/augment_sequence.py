"""Random changes to batches of feature sequences, as pure functions of a seed."""

from __future__ import annotations

import tensorflow as tf

from mmkeras.data.media.hidden_runs import hidden_runs


def stretch_sequences(
    steps: tf.RaggedTensor, seed: tf.Tensor, speed: float, max_length: int
) -> tf.RaggedTensor:
    """Makes each sequence longer or shorter, by linear interpolation between its steps.

    A sequence of `n` steps gets `round(n * f)`, with `f` uniform between `1 - speed` and
    `1 + speed`, but at least one step and at most `max_length`. Its first and last step stay what
    they are.

    Args:
        steps: float32, `(batch, None, features)`.
        seed: Two integers, `(2,)`.
        speed: The largest change, as a share of the length.
        max_length: The most steps.

    Returns:
        float32, `(batch, None, features)`.

    Example:
        >>> steps = tf.ragged.constant([[[0.0], [1.0], [2.0]]], ragged_rank=1)
        >>> stretch_sequences(steps, (1, 0), speed=0.9, max_length=5).to_list()
        [[[0.0], [0.5], [1.0], [1.5], [2.0]]]

    References:
        Ko et al., "Audio augmentation for speech recognition", Interspeech 2015 (there, of sounds).
    """
    before = tf.cast(steps.row_lengths(), tf.float32)
    factors = tf.random.stateless_uniform(tf.shape(before), seed, 1 - speed, 1 + speed)
    after = tf.clip_by_value(tf.round(before * factors), 1.0, float(max_length))
    after = tf.where(before > 0, after, 0.0)
    lengths = tf.cast(after, tf.int64)
    # Of every new step, where it lies among the old ones of its row.
    rates = tf.math.divide_no_nan(before - 1, after - 1)
    rows = tf.repeat(tf.range(tf.shape(lengths)[0]), lengths)
    places = tf.cast(tf.ragged.range(lengths).flat_values, tf.float32) * tf.gather(rates, rows)
    low = tf.floor(places)
    first = tf.gather(steps.row_starts(), rows)
    last = tf.gather(steps.row_limits(), rows) - 1
    low_places = tf.minimum(first + tf.cast(low, tf.int64), last)
    high = tf.gather(steps.values, tf.minimum(low_places + 1, last))
    low_steps = tf.gather(steps.values, low_places)
    values = low_steps + (high - low_steps) * (places - low)[:, tf.newaxis]
    return tf.RaggedTensor.from_row_lengths(values, lengths)


def mask_sequences(
    features: tf.Tensor,
    lengths: tf.Tensor,
    seed: tf.Tensor,
    *,
    time_masks: int = 0,
    time_mask: float = 0.05,
    feature_masks: int = 0,
    feature_mask: float = 0.2,
) -> tf.Tensor:
    """SpecAugment: hides stretches of steps and runs of features in each sequence.

    A mask's width is a whole number, uniform from 0 to the given share of the sequence's own
    steps, or of all features; its place is uniform among those where it fits. Masks may overlap.
    Hidden places get 0, the mean of standardised features.

    Args:
        features: float32, `(batch, steps, features)`.
        lengths: How many steps of each sequence are not padding, integers `(batch,)`.
        seed: Two integers, `(2,)`.
        time_masks: How many stretches of steps.
        time_mask: The longest, as a share of the sequence's steps.
        feature_masks: How many runs of features.
        feature_mask: The widest, as a share of all features.

    Returns:
        float32, of the same shape.

    References:
        Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
        Recognition", Interspeech 2019, arXiv:1904.08779.
    """
    batch, steps, width = tf.unstack(tf.shape(features))
    time_seed, feature_seed = tf.unstack(tf.random.split(seed, 2))
    if time_masks:
        hidden = hidden_runs(lengths, steps, time_seed, time_masks, time_mask)
        features = tf.where(hidden[:, :, tf.newaxis], 0.0, features)
    if feature_masks:
        widths = tf.fill((batch,), width)
        hidden = hidden_runs(widths, width, feature_seed, feature_masks, feature_mask)
        features = tf.where(hidden[:, tf.newaxis], 0.0, features)
    return features
