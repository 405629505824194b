"""Bring sounds to one rate, one channel and one length; mix them with noise."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.signal

from mmkeras.data.media.sounds.sound_file import read_sound

if TYPE_CHECKING:
    from mmkeras.data.kinds.audio import AudioSettings


def fit_sound(samples: np.ndarray, rate: int, settings: AudioSettings) -> np.ndarray:
    """Brings a sound to one channel, and to the rate and the length of the settings.

    The channels' mean is resampled by a polyphase filter (`scipy.signal.resample_poly`). There is
    one implementation for every platform, as any two differ audibly near half of the rate.
    A shorter sound is followed by silence; of a longer one the middle is kept.

    Args:
        samples: Floats, `(samples, channels)`, of full scale [-1, 1]; what is beyond is clipped.
        rate: Their rate in hertz.
        settings: The rate and the length to bring them to.

    Returns:
        int16, `(settings.samples,)`: 32767 is 1.

    Example:
        >>> from mmkeras import AudioSettings
        >>> settings = AudioSettings(rate=8000, seconds=0.001, hop=0.001)
        >>> fit_sound(np.ones((4, 2), np.float32), 8000, settings).tolist()
        [32767, 32767, 32767, 32767, 0, 0, 0, 0]
    """
    divisor = math.gcd(int(settings.rate), int(rate))
    up, down = int(settings.rate) // divisor, int(rate) // divisor
    length = -(-len(samples) * up // down)
    first = max(0, (length - settings.samples) // 2)
    # Resample what is kept and what the filter sees around it. Input sample `down * k` stands
    # where output sample `up * k` does, so that a cut there moves nothing.
    reach = 10 * max(up, down) // up + 2
    blocks = max(0, first * down // up - reach) // down
    last = (first + settings.samples) * down // up + reach
    mono = samples[blocks * down : last].mean(axis=1, dtype=np.float64)
    if up != down:
        mono = scipy.signal.resample_poly(mono, up, down, window=_low_pass(max(up, down)))
    kept = mono[first - blocks * up :][: settings.samples]
    fitted = np.zeros(settings.samples, np.int16)
    fitted[: len(kept)] = np.rint(np.clip(kept, -1, 1) * 32767)
    return fitted


@functools.lru_cache(maxsize=8)
def _low_pass(factor: int) -> np.ndarray:
    # resample_poly's own filter. For rates without a common divisor, making it takes far longer
    # than using it.
    return scipy.signal.firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0))


def decode_sound(source: bytes | str, settings: AudioSettings) -> np.ndarray:
    """Decodes a sound and brings it to the settings: `read_sound`, then `fit_sound`.

    Safe to call from several threads.

    Args:
        source: A whole file: a sound, or a video with a sound track; or the path of one, of
            `load_sound_file`.
        settings: The rate and the length to bring it to.

    Returns:
        int16, `(settings.samples,)`: 32767 is 1.

    Raises:
        ValueError: As `read_sound`.
    """
    return fit_sound(*read_sound(source), settings)


def mix_at_snr(signal: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Adds noise to a signal at a signal-to-noise ratio: `10 log10(P_signal / P_noise)`.

    `P` is the mean square, over the whole of each.

    Args:
        signal: Floats of any shape.
        noise: Floats of the same shape. It is scaled; the signal is not.
        snr_db: The ratio in decibels.

    Returns:
        float64, of the signal's shape. It may exceed [-1, 1].

    Raises:
        ValueError: Different shapes, or silence, which has no ratio to anything.

    Example:
        >>> mix_at_snr(np.array([1.0, -1.0]), np.array([3.0, 3.0]), 20.0)
        array([ 1.1, -0.9])
    """
    signal, noise = np.asarray(signal, np.float64), np.asarray(noise, np.float64)
    if signal.shape != noise.shape:
        raise ValueError(
            "The noise must be as long as the signal: cut or repeat it. Received shapes "
            f"{signal.shape} and {noise.shape}."
        )
    powers = np.mean(signal**2), np.mean(noise**2)
    if not min(powers) > 0:
        raise ValueError(
            "A signal-to-noise ratio needs a signal and a noise that are not silent. Received the "
            f"mean squares {powers[0]:g} and {powers[1]:g}."
        )
    return signal + noise * np.sqrt(powers[0] / powers[1] * 10 ** (-snr_db / 10))
