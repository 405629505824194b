"""Digit strings: three to six spoken digits, their blurred pictures, and the digits in words.

A small set for speech recognition with a second source: what noise hides in the sound, the pictures
may show, and the other way round. It is made of public parts, again on each machine, bit for bit
the same, from one seed.

- **Source.** The Free Spoken Digit Dataset (see `fsdd.py`) and the 10,000 test images of MNIST
  (see `mnist.py`).
- **Licence.** MNIST: freely usable. FSDD, and so the sounds: CC BY-SA 4.0.
- **Rows.** 4,800 strings, 800 by each of six speakers: 4,000 for training, and those of one
  speaker for testing.
- **Sound.** 8 kHz: read it with `AUDIO`, or other settings with `rate=8000`. Recordings of the
  digits, equally loud, with pauses of 50 to 150 ms before, between and after; 1.0 to 5.2 s, 2.5 on
  average. With `noise`, white noise over all of it.
- **Pictures.** One picture of 28×168, a digit every 28 pixels from the left, and nothing but noise
  after the last one; or a list of pictures of 28×28. Each digit is the mean of squares of 4×4
  pixels, with grey values up to 200 above or below, drawn for each pixel.
- **Text.** "three zero seven". The word error rate is the rate of wrong digits.
- **Splits.** A recording is its speaker's, and each image of MNIST belongs to one speaker, too:
  the strings of two speakers share neither. `speaker` is the group, so that validation rows taken
  from the training rows are an unseen speaker's as well. All speakers are men.
- **What to know.** A recording is in 7 strings on average and an image in 2, always of one
  speaker. The digits are drawn independently: there is no grammar to learn, and some strings of
  three digits are in several speakers' rows.
- **Baseline**: of single digits, clean, an unseen speaker's are understood to 70.6 % (logistic
  regression on MFCC statistics, mean over the six speakers).
- **Reached** (`python experiments/speech.py --dataset digit_strings-noise --seeds 0 --validation
  0.2 --weights`; one seed, noise at 0 dB, greedy): digits wrong 29.8 % from the sound and 44.2 %
  from the pictures, in 12 epochs; 32.6 % from both, in 8 (`--epochs 8`): the pictures did not
  help.

How to cite: Z. Jackson et al., Free Spoken Digit Dataset, https://doi.org/10.5281/zenodo.1342401;
Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86(11), 1998.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.datasets import fsdd, mnist
from mmkeras.data.datasets.avmnist_sound import TEST_SPEAKER, choose, equal_level, power
from mmkeras.data.kinds import AudioSettings
from mmkeras.progress import ProgressBar
from mmkeras.schema import Audio, Image, Schema, Text

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHORTEST, LONGEST = 3, 6
# What the longest sound needs, at 80 frames per second.
AUDIO = AudioSettings(rate=fsdd.RATE, seconds=5.2, hop=0.0125, mel_bands=40)
# `content_hash` at seed 0, by `noise`.
CONTENT_SHA256 = {
    None: "4d805259a28376030bb5445622a9a323cd0fca1f9f16caf7565d05f403d4d1e4",
    0.0: "e8c0cd94439b4d6e2eb93d3ce53d6b475886d113d4e7b7eaf0e1b32b7bea1f6f",
}
_PAUSE = (400, 1200)  # samples
_PEAK = 16384
_SIDE, _SQUARE = 28, 4
_GREY = 200


def load(
    noise: float | None = None,
    speaker: str = TEST_SPEAKER,
    several: bool = False,
    strings: int = 800,
    seed: int = 0,
) -> tuple[pd.DataFrame, Schema]:
    """Makes the strings out of FSDD and MNIST, which are found or downloaded (21 and 2 MB).

    Args:
        noise: The signal-to-noise ratio of the sounds, in decibels; `None` for no noise. The same
            strings, recordings and pictures are drawn with and without.
        speaker: Who speaks the test rows, one of `fsdd.SPEAKERS`.
        several: Whether a row's pictures are a list of one per digit, and not one strip.
        strings: How many strings each speaker says.
        seed: Draws the strings, who gets which images, recordings, pauses and noise.

    Returns:
        A pair `(table, schema)`, training rows first. The table's columns: `sound`, int16 arrays
        `(samples,)`, 8,000 samples a second; `pictures`, uint8 arrays `(28, 168)` or lists of
        such of `(28, 28)`; `digits`, the text; `speaker`, the group; `split`, "train" or "test";
        `recordings` and `images`, which FSDD files and places in MNIST's file it is made of; and
        `id`, which names the row ("theo-12").

    Raises:
        ValueError: There is no such speaker, or a file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/fsdd` is incomplete.
        ConnectionError: A file is not there and the network is not either.
    """
    if speaker not in fsdd.SPEAKERS:
        raise ValueError(f"`speaker` is one of {', '.join(fsdd.SPEAKERS)}. Received: {speaker!r}.")
    # NumPy promises that this generator, unlike the newer ones, never changes its numbers. The
    # noise has one of its own, so that nothing else depends on it.
    random, noise_random = np.random.RandomState(seed), np.random.RandomState([seed, 1])
    images, labels = mnist.load_images("test")
    owners = _owners(labels, random)
    rows: list[dict[str, Any]] = []
    with ProgressBar("joining digits", len(fsdd.SPEAKERS) * strings) as progress:
        for number, name in enumerate(fsdd.SPEAKERS):
            said = [r for r in fsdd.recordings() if r.speaker == name]
            spoken = [equal_level(fsdd.read_recording(r.path)) for r in said]
            lengths = random.randint(SHORTEST, LONGEST + 1, strings, dtype=np.int64)
            digits = random.randint(0, 10, lengths.sum(), dtype=np.int64)
            heard = choose(digits, np.array([r.digit for r in said]), random)
            own = np.flatnonzero(owners == number)
            seen = own[choose(digits, labels[own], random)]
            for row, end in enumerate(np.cumsum(lengths)):
                part = slice(end - lengths[row], end)
                sound = _joined([spoken[i] for i in heard[part]], noise, random, noise_random)
                pictures = blurred(images[seen[part]], random)
                rows.append(
                    {
                        "sound": sound,
                        "pictures": list(pictures) if several else _strip(pictures, random),
                        "digits": " ".join(WORDS[digit] for digit in digits[part]),
                        "speaker": name,
                        "split": "test" if name == speaker else "train",
                        "recordings": " ".join(said[i].path.name for i in heard[part]),
                        "images": " ".join(map(str, seen[part])),
                        "id": f"{name}-{row}",
                    }
                )
                progress.add()
    table = pd.DataFrame(rows).sort_values("split", ascending=False, kind="stable")
    schema = Schema(
        [Audio("sound"), Image("pictures", several=several)],
        Text("digits", judged_by="wer"),
        id="id",
        group="speaker",
    )
    return table.reset_index(drop=True), schema


def _owners(labels: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Which speaker each image belongs to: by digit, in random order, dealt out like cards."""
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    owners = np.empty(len(labels), np.int64)
    owners[order] = np.arange(len(labels)) % len(fsdd.SPEAKERS)
    return owners


def _joined(
    spoken: list[np.ndarray],
    noise: float | None,
    random: np.random.RandomState,
    noise_random: np.random.RandomState,
) -> np.ndarray:
    """One sound of several: int16 `(samples,)`, its loudest sample half of full scale."""
    pauses = random.randint(_PAUSE[0], _PAUSE[1] + 1, len(spoken) + 1, dtype=np.int64)
    parts = [np.zeros(pauses[0], np.int64)]
    for samples, pause in zip(spoken, pauses[1:], strict=True):
        parts += [samples, np.zeros(pause, np.int64)]
    sound = np.concatenate(parts).astype(np.float64)
    if noise is not None:
        # Uniform whole numbers: white, and the same on all machines.
        added = noise_random.randint(-4096, 4097, len(sound), dtype=np.int64)
        ratio = power(np.concatenate(spoken)) / power(added)
        sound += added * (np.sqrt(ratio) / 10 ** (noise / 20))
    return np.rint(sound * (_PEAK / np.abs(sound).max())).astype(np.int16)


def blurred(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Images at a quarter of their resolution, with noise; uint8 `(images, 28, 28)`, as given."""
    side = _SIDE // _SQUARE
    squares = images.astype(np.int64).reshape(-1, side, _SQUARE, side, _SQUARE)
    means = squares.sum(axis=(2, 4)) // _SQUARE**2
    coarse = means.repeat(_SQUARE, axis=1).repeat(_SQUARE, axis=2)
    return _noisy(coarse, random)


def _noisy(pixels: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    noise = random.randint(-_GREY, _GREY + 1, pixels.shape, dtype=np.int64)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def _strip(pictures: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Pictures side by side in one of `(28, 168)`, with noise where there are no more."""
    empty = np.zeros((LONGEST - len(pictures), _SIDE, _SIDE), np.int64)
    return np.concatenate([*pictures, *_noisy(empty, random)], axis=1)


def content_hash(table: pd.DataFrame) -> str:
    """SHA-256 of the table's sounds, strips of pictures, texts and names, row by row.

    Returns:
        64 hexadecimal digits; `CONTENT_SHA256` has those of seed 0.
    """
    digest = hashlib.sha256()
    columns = (table[name] for name in ("sound", "pictures", "digits", "id"))
    for sound, pictures, digits, name in zip(*columns, strict=True):
        digest.update(np.ascontiguousarray(sound, "<i2"))
        digest.update(np.ascontiguousarray(pictures, np.uint8))
        digest.update(f"{digits} {name}\n".encode())
    return digest.hexdigest()
