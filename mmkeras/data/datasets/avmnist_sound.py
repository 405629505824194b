"""The sounds of AV-MNIST: a spoken digit at a random moment of a second, in a babble of voices.

Everything is a whole number except for elementwise float64 arithmetic that IEEE 754 fixes to the
last bit (multiplication, division, square root), so that all machines make the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmkeras.data.datasets import fsdd
from mmkeras.data.datasets.mnist import SPLITS
from mmkeras.progress import ProgressBar

SAMPLES = fsdd.RATE
TALKERS = 6
# The last by name, so not chosen for a result. One training speaker, lucas, has the same accent.
TEST_SPEAKER = "yweweler"
# The root mean square to which recordings are brought, and a finished sound's loudest sample.
_LEVEL = 1000
_PEAK = 16384


def recording_split(recording: fsdd.Recording, speakers: bool) -> str | None:
    """Which split may use a recording; `None` for none.

    FSDD's official test recordings, 0 to 4, are the test split's, 5 to 9 validation's, the others
    training's. With `speakers`, the test split has all of `TEST_SPEAKER`'s recordings and no
    others.

    Example:

    >>> recording_split(fsdd.Recording("3_theo_7.wav", 3, "theo", 7), speakers=False)
    'validation'
    """
    if speakers and recording.speaker == TEST_SPEAKER:
        return "test"
    if recording.index < fsdd.OFFICIAL_TEST:
        return None if speakers else "test"
    return "validation" if recording.index < 2 * fsdd.OFFICIAL_TEST else "train"


def make_sounds(
    digits: np.ndarray,
    splits: np.ndarray,
    recordings: Sequence[fsdd.Recording],
    speakers: bool,
    random: np.random.RandomState,
) -> tuple[np.ndarray, list[fsdd.Recording]]:
    """A sound for every row.

    Args:
        digits: What each row says, integers `(rows,)`.
        splits: Each row's split, `(rows,)`. A split is made of its own recordings only, the
            voices in the background included.
        recordings: All recordings.
        speakers: As for `recording_split`.
        random: Draws everything that is drawn.

    Returns:
        A pair `(sounds, heard)`: int16 `(rows, 8000)`, and the recording of each row's digit.
    """
    sounds = np.empty((len(digits), SAMPLES), np.int16)
    heard = np.empty(len(digits), object)
    with ProgressBar("mixing sounds", len(digits)) as progress:
        for split in SPLITS:
            pool = [r for r in recordings if recording_split(r, speakers) == split]
            spoken = [equal_level(fsdd.read_recording(r.path)) for r in pool]
            crowd = np.concatenate([spoken[i] for i in random.permutation(len(pool))])
            places = np.flatnonzero(splits == split)
            chosen = choose(digits[places], np.array([r.digit for r in pool]), random)
            # Without a type the numbers drawn would depend on the operating system.
            starts = random.randint(0, len(crowd) - SAMPLES + 1, (len(places), TALKERS), np.int64)
            for place, choice, begins in zip(places, chosen, starts, strict=True):
                babble = sum(crowd[begin : begin + SAMPLES] for begin in begins)
                moment = random.randint(0, SAMPLES - len(spoken[choice]) + 1, dtype=np.int64)
                sounds[place] = mix(spoken[choice], babble, moment)
                heard[place] = pool[choice]
                progress.add()
    return sounds, list(heard)


def choose(wanted: np.ndarray, spoken: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """A recording of each wanted digit: all of a digit's, in random order, before any twice."""
    chosen = np.empty(len(wanted), np.int64)
    for digit in np.unique(wanted):
        places, choices = np.flatnonzero(wanted == digit), np.flatnonzero(spoken == digit)
        rounds = -(-len(places) // len(choices))
        order = np.concatenate([random.permutation(choices) for _ in range(rounds)])
        chosen[places] = order[: len(places)]
    return chosen


def equal_level(samples: np.ndarray) -> np.ndarray:
    """A recording, cut to its middle second, at the root mean square that all are brought to.

    Args:
        samples: int16 `(samples,)`.

    Returns:
        int64 `(at most 8000,)`.
    """
    cut = max(0, len(samples) - SAMPLES) // 2
    samples = samples[cut : cut + SAMPLES].astype(np.int64)
    return np.rint(samples * (_LEVEL / np.sqrt(power(samples)))).astype(np.int64)


def mix(speech: np.ndarray, babble: np.ndarray, moment: int) -> np.ndarray:
    """Speech in equally loud babble: the signal-to-noise ratio is 0 dB.

    The speech's power is its mean over its own length, the babble's that over the whole second.

    Args:
        speech: Integers `(at most 8000,)`.
        babble: Integers `(8000,)`.
        moment: At which sample the speech begins.

    Returns:
        int16 `(8000,)`, its loudest sample 16,384 (half of full scale).
    """
    sound = babble * np.sqrt(power(speech) / power(babble))
    sound[moment : moment + len(speech)] += speech
    return np.rint(sound * (_PEAK / np.abs(sound).max())).astype(np.int16)


def power(samples: np.ndarray) -> float:
    """The mean square of whole numbers."""
    # A sum of integers: exact, in whatever order a machine adds.
    return int(np.sum(samples**2)) / len(samples)
