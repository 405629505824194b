"""Decode the plainest of sound files, which need no decoder, only a look at the header.

Most sounds of data sets are WAV files of 16-bit samples with a header of 44 bytes, at the rate that
the model reads. All others go through `mmkeras.data.media.sounds.sound`, with the same result.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from mmkeras.data.media.sounds.sound_limits import MAX_SECONDS

if TYPE_CHECKING:
    from mmkeras.data.kinds.audio import AudioSettings

_HEADER = 44


def is_plain_wav(contents: bytes, rate: int) -> bool:
    """Whether a file is a whole WAV of 16-bit samples in one or two channels, with nothing else.

    Args:
        contents: A whole file.
        rate: The rate that it must have, in hertz.
    """
    size = len(contents) - _HEADER
    if size <= 0 or contents[:4] != b"RIFF":
        return False
    for channels in (1, 2):
        block = 2 * channels
        if size % block or size > min(MAX_SECONDS * rate * block, 2**30):
            continue
        expected = b"RIFF" + struct.pack("<I", size + _HEADER - 8) + b"WAVEfmt "
        expected += struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * block, block, 16)
        if contents[:_HEADER] == expected + b"data" + struct.pack("<I", size):
            return True
    return False


def decode_plain_wav(contents: bytes, settings: AudioSettings) -> tuple[np.ndarray, float]:
    """The samples of a file that `is_plain_wav`, as `decode_sound` gives them.

    Returns:
        int16 `(settings.samples,)`; and how long the whole sound is, in seconds.
    """
    channels = contents[22]
    samples = np.frombuffer(contents, "<i2", offset=_HEADER).reshape(-1, channels)
    first = max(0, (len(samples) - settings.samples) // 2)
    kept = samples[first : first + settings.samples]
    # The same steps in the same precision: a mean of numbers in [-1, 1), then full scale 32767.
    mono = (kept / 32768.0).mean(axis=1)
    fitted = np.zeros(settings.samples, np.int16)
    fitted[: len(mono)] = np.rint(mono * 32767.0)
    return fitted, len(samples) / settings.rate
