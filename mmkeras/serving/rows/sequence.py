"""Feature sequences from arrays."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mmkeras.data.scaling import MOST_DEVIATIONS
from mmkeras.data.sources import NOT_PADDING
from mmkeras.serving.rows.reader import RowReader


class SequenceReader(RowReader):
    """A column of sequences, float32 `(batch, steps, features)`.

    A shorter one is followed by steps of NaN; one without any other step is no sequence.
    """

    kind = "sequence"

    def specs(self):
        return {self.column: tf.TensorSpec((None, None, self._fitted.features), tf.float32)}

    def absent(self, cells):
        return self._lengths(cells) == 0

    def inputs(self, cells):
        fitted, steps = self._fitted, cells[self.column]
        lengths = self._lengths(cells)
        real = tf.sequence_mask(lengths, tf.shape(steps)[1])
        finite = tf.reduce_all(tf.math.is_finite(steps), axis=2)
        words = f"A sequence of {self.column!r} has a step with NaN or infinite features."
        with tf.control_dependencies([tf.debugging.assert_equal(finite, real, words)]):
            values = tf.cast(steps, tf.float64)
        mean = np.asarray(fitted.mean or (0.0,))
        deviation = np.asarray(fitted.deviation or (1.0,))
        scaled = tf.clip_by_value((values - mean) / deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        scaled = tf.cast(scaled, tf.float32)
        # Encoders take a step of zeros for padding.
        zeros = tf.reduce_all(scaled == 0.0, axis=2, keepdims=True)
        scaled = tf.where(zeros, tf.one_hot(0, fitted.features, NOT_PADDING, 0.0), scaled)
        kept = tf.minimum(lengths, fitted.settings.max_length)
        return fitted.input_maker()(tf.RaggedTensor.from_tensor(scaled, kept), None)

    def _lengths(self, cells) -> tf.Tensor:
        there = ~tf.reduce_all(tf.math.is_nan(cells[self.column]), axis=2)
        ends = tf.cast(there, tf.int64) * tf.range(1, tf.shape(there, tf.int64)[1] + 1)
        return tf.reduce_max(tf.concat([ends, tf.zeros_like(ends[:, :0])], axis=1), axis=1)
