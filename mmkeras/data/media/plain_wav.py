"""Decode the plainest of sound files inside TensorFlow's graph, where no Python slows it down.

Most sounds of data sets are WAV files of 16-bit samples with a header of 44 bytes, at the rate that
the model reads. They need no decoder, only a look at the header; several are read at once, which
Python's lock would prevent. All others go through `mmkeras.data.media.sound`, with the same result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from mmkeras.data.media.sound_file import MAX_SECONDS

if TYPE_CHECKING:
    from mmkeras.data.kinds.audio import AudioSettings

_HEADER = 44


def _word(letters: bytes) -> int:
    return int.from_bytes(letters, "little")


def is_plain_wav(contents: tf.Tensor, rate: int) -> tf.Tensor:
    """Whether a file is a whole WAV of 16-bit samples in one or two channels, with nothing else.

    Args:
        contents: A string scalar.
        rate: The rate that it must have, in hertz.

    Returns:
        A boolean scalar.
    """
    size = tf.strings.length(contents)
    header = tf.io.decode_raw(contents, tf.int32, fixed_length=_HEADER)
    plain = tf.constant(False)
    for channels in (1, 2):
        block = 2 * channels
        expected = [
            *(_word(b"RIFF"), size - 8, _word(b"WAVE")),
            *(_word(b"fmt "), 16, 1 | channels << 16, rate, rate * block, block | 16 << 16),
            *(_word(b"data"), size - _HEADER),
        ]
        whole = tf.equal((size - _HEADER) % block, 0)
        whole &= size - _HEADER <= min(MAX_SECONDS * rate * block, 2**30)
        plain |= whole & tf.reduce_all(tf.equal(header, tf.stack(expected)))
    return plain & (size > _HEADER)


def decode_plain_wav(contents: tf.Tensor, settings: AudioSettings) -> tf.Tensor:
    """The samples of a file that `is_plain_wav`, as `decode_sound` gives them.

    Returns:
        int16 `(settings.samples,)`.
    """
    header = tf.io.decode_raw(contents, tf.int16, fixed_length=_HEADER)
    channels = tf.cast(header[11], tf.int32)
    size = tf.strings.length(contents) - _HEADER
    samples = tf.io.decode_raw(tf.strings.substr(contents, _HEADER, size), tf.int16)
    first = tf.maximum(0, (size // (2 * channels) - settings.samples) // 2)
    kept = tf.reshape(samples, (-1, channels))[first : first + settings.samples]
    # The same steps in the same precision: a mean of numbers in [-1, 1), then full scale 32767.
    mono = tf.reduce_mean(tf.cast(kept, tf.float64) / 32768.0, axis=1)
    mono = tf.cast(tf.round(mono * 32767.0), tf.int16)
    return tf.pad(mono, [[0, settings.samples - tf.shape(mono)[0]]])
