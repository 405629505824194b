"""Runs of places that SpecAugment hides, of spectrograms and of feature sequences."""

from __future__ import annotations

import tensorflow as tf

from mmkeras.data.share import uniform


def hidden_runs(
    sizes: tf.Tensor, longest: tf.Tensor, seed: tf.Tensor, count: int, share: float
) -> tf.Tensor:
    """Draws which places are hidden.

    A run's width is a whole number, uniform from 0 to a share of the row's size; its place is
    uniform among those where it fits.

    Args:
        sizes: How many places each row has, integers `(batch,)`.
        longest: The largest of them, or more.
        seed: Two integers, `(2,)`.
        count: Runs in each row; they may overlap.
        share: The widest, as a share of the row's size.

    Returns:
        Booleans, `(batch, longest)`: the places that any run hides.
    """
    draws = uniform((2, tf.shape(sizes)[0], count, 1), seed, rows=1)
    size = tf.cast(sizes, tf.float32)[:, tf.newaxis, tf.newaxis]
    widths = tf.floor(draws[0] * (tf.floor(share * size) + 1))
    starts = tf.floor(draws[1] * (size - widths + 1))
    places = tf.range(tf.cast(longest, tf.float32))
    return tf.reduce_any((places >= starts) & (places < starts + widths), axis=1)
