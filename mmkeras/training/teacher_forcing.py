"""Batches for decoders that read the true answer, one step late (teacher forcing)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mmkeras.decoders import Decoder
from mmkeras.models.parts import PREVIOUS


def teacher_forced(decoder: Decoder):
    """Adds to the inputs what the decoder reads: the target, one step late.

    References:
        - [Williams and Zipser, 1989](https://doi.org/10.1162/neco.1989.1.2.270)
    """

    def with_previous(inputs: dict[str, tf.Tensor], targets: tf.Tensor, *weights: Any) -> tuple:
        steps = tf.cast(targets[:, :-1], decoder.previous_dtype)
        first = tf.fill(tf.shape(targets[:, :1]), tf.cast(decoder.start, steps.dtype))
        return {**inputs, PREVIOUS: tf.concat([first, steps], axis=1)}, targets, *weights

    return with_previous
