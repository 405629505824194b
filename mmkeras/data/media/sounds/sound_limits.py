"""How large and how long sounds may be, and the numbers that they are decoded to."""

from __future__ import annotations

import numpy as np

MAX_RATE = 768_000
MAX_SECONDS = 4 * 3600
# 2 GiB once decoded. A few kilobytes of FLAC can hold hours of silence.
MAX_VALUES = 2**29


def check_rate(rate: int) -> None:
    """Refuses rates that no sound has."""
    if not 1 <= rate <= MAX_RATE:
        raise ValueError(
            f"The sound's header announces {rate} samples per second. Expected 1 to {MAX_RATE}."
        )


def check_length(count: int, channels: int, rate: int) -> None:
    """Refuses sounds that are larger than what is read, before they are decoded."""
    if count > MAX_SECONDS * rate or count * channels > MAX_VALUES:
        raise ValueError(
            f"The sound has {count} samples of {channels} channel(s), {count / rate:.0f} seconds. "
            f"At most {MAX_SECONDS} seconds and {MAX_VALUES} values are read: cut it into shorter "
            "files."
        )


def to_float(samples: np.ndarray) -> np.ndarray:
    """Integers of a sound as float32 in [-1, 1); floats as they are."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) / np.float32(2 ** (8 * samples.itemsize - 1))
    return np.ascontiguousarray(samples, np.float32)
