"""Sounds from the bytes of WAV files."""

from __future__ import annotations

import tensorflow as tf

from mmkeras.serving.rows.reader import RowReader


class AudioReader(RowReader):
    """A column of WAV files of 16-bit samples at the model's own rate, `(batch,)`.

    An empty string is no sound.
    """

    kind = "audio"

    def specs(self):
        return {self.column: tf.TensorSpec((None,), tf.string)}

    def absent(self, cells):
        return tf.strings.length(cells[self.column]) == 0

    def inputs(self, cells):
        settings = self._fitted.settings
        spec = tf.TensorSpec((settings.samples,), tf.int16)
        samples = tf.map_fn(self._decoded, cells[self.column], fn_output_signature=spec)
        return self._fitted.input_maker()(samples, None)

    def _decoded(self, contents: tf.Tensor) -> tf.Tensor:
        length = self._fitted.settings.samples
        samples = tf.cond(
            tf.strings.length(contents) == 0,
            lambda: tf.zeros(length, tf.int16),
            lambda: self._fitted_wav(contents),
        )
        return tf.ensure_shape(samples, (length,))

    def _fitted_wav(self, contents: tf.Tensor) -> tf.Tensor:
        """One channel of the settings' length: silence behind a short one, a long one's middle."""
        settings = self._fitted.settings
        samples, rate = tf.audio.decode_wav(contents)
        words = f"A sound of {self.column!r} is a WAV file of {settings.rate} samples a second."
        with tf.control_dependencies([tf.debugging.assert_equal(rate, settings.rate, words)]):
            samples = tf.cast(samples, tf.float64)
        first = tf.maximum(0, (tf.shape(samples)[0] - settings.samples) // 2)
        kept = tf.reduce_mean(samples[first : first + settings.samples], axis=1)
        whole = tf.cast(tf.round(kept * 32767.0), tf.int16)
        return tf.pad(whole, [[0, settings.samples - tf.size(whole)]])
