"""AN4: short sentences spoken into a microphone, and what was said; a small speech recognition set.

People say their name, address and telephone number, spell words, and read commands. The sounds
themselves are not here: each utterance is a sequence of 13 mel-frequency cepstral coefficients.

- **Source.** cphazen/Machine-Learning-Project-ASR, `an4`, commit
  5e478f0ee6c5b060edf702acdd563948cad5545f: Carnegie Mellon University's AN4 (Census), recorded
  about 1991.
- **Licence.** Free for any use (CMU, the file `LICENSE` beside the data).
- **Rows.** 948 utterances of 74 speakers for training and 130 of 10 others for testing, the
  official split. Validation rows are to be taken by speaker, too: `speaker` is the group.
- **Speech.** 13 coefficients (the first one is the energy), 100 steps per second, of 16 kHz sound
  between 130 and 6,800 Hz in 40 bands. An utterance has 69 to 639 steps. 39 have more than
  the usual limit of 512: set `SequenceSettings(max_length=640)` to cut none.
- **Transcripts.** Capital letters and spaces, at most 57 characters. 99 different words in
  training; the test's 773 words (2,565 characters) have two that are not among them.
- **What to know.** Speakers, microphones and loudness differ: `normalize` takes the utterance's
  own mean and deviation away, as recognisers do.
- **Published**, from the sound itself, with augmentation and a language model: ESPnet's recipe,
  word errors 7.4 %, character errors 3.6 %, sentences with an error 31.5 %.
- **Reached** (`python experiments/speech.py --dataset an4 --seeds 0 1`): word errors 15.5 ± 1.0 %
  without a language, and 7.3 ± 0.1 % with how often one word follows another in the training rows,
  which validation rows chose.

How to cite: A. Acero, Acoustical and Environmental Robustness in Automatic Speech Recognition,
Kluwer 1993.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.data.download import files_folder, many_files_folder
from mmkeras.schema import Schema, Sequence, Text

SPLITS = ("train", "test")
COEFFICIENTS = 13
_SOURCE = (
    "https://raw.githubusercontent.com/cphazen/Machine-Learning-Project-ASR/"
    "5e478f0ee6c5b060edf702acdd563948cad5545f/an4"
)
_LISTS_SHA256 = {
    "an4_train.fileids": "a8a4c7f10776bb7d6804b9f1acd0bb6eedd9978490b514c185cebc216a0efed6",
    "an4_train.transcription": "6eb103966af7ed10c8d44651bc51a0b2ddd052bf430d60efcf3a7e7b9d9f4651",
    "an4_test.fileids": "6860eb5ead0e3219b8aa6510fd1a0f1c0717c560bb18928329728ab2614261ce",
    "an4_test.transcription": "a36c14d7473eeba948ea64aa95be1e4fa42321ae6d535ea91e2381cb16faacfd",
}
# `files_sha256` of all feature files.
_FEATURES_SHA256 = "5d6f0182fe90ce75dcfb8a2f99a2b600906d72f62d0f221d4b47101d90628682"
# "<s> YES </s> (an251-fash-b)"; the marks of beginning and end are not everywhere.
_LINE = re.compile(r"(?:<s>)?(.*?)(?:</s>)?\s*\(([^()]+)\)\s*")


def load(normalize: bool = False, deltas: bool = False) -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the utterances.

    The files are taken from `$MMKERAS_DATA/an4` if that folder exists, and otherwise downloaded
    once into a cache: about 19 MB in 1,082 files, checked against known hashes.

    Args:
        normalize: Whether each coefficient is brought to mean 0 and standard deviation 1 over the
            utterance (cepstral mean and variance normalisation). Nothing but the utterance itself
            is used.
        deltas: Whether the coefficients' slopes over time and the slopes' slopes are added: 39
            features in place of 13.

    Returns:
        A pair `(table, schema)`, training rows first, in the official order. The table's columns:
        `speech`, float32 arrays `(steps, 13 or 39)`; `transcript`, the text to be written;
        `speaker`, the group; `split`, "train" or "test"; and `utterance`, which names the row.

    Raises:
        ValueError: A file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/an4` is incomplete.
        ConnectionError: Nothing is there and the network is not either.
    """
    lists = files_folder("an4/etc", f"{_SOURCE}/etc", _LISTS_SHA256)
    files = {
        f"feat/{file}.mfc": split
        for split in SPLITS
        for file in _lines(lists / f"an4_{split}.fileids")
    }
    folder = many_files_folder(
        "an4", _SOURCE, list(files), sha256=_FEATURES_SHA256, description="AN4 features"
    )
    transcripts = {
        utterance: words
        for split in SPLITS
        for utterance, words in map(_read_line, _lines(lists / f"an4_{split}.transcription"))
    }
    rows = []
    for file, split in files.items():
        features = read_features(folder / file)
        if normalize:
            features = normalized(features)
        utterance = Path(file).stem
        rows.append(
            {
                "speech": with_deltas(features) if deltas else features,
                "transcript": transcripts[utterance],
                "speaker": Path(file).parent.name,
                "split": split,
                "utterance": utterance,
            }
        )
    schema = Schema(
        [Sequence("speech")], Text("transcript", judged_by="wer"), id="utterance", group="speaker"
    )
    return pd.DataFrame(rows), schema


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines()


def _read_line(line: str) -> tuple[str, str]:
    """A line's utterance and what is said in it.

    >>> _read_line("<s> ERASE C Q </s> (an407-fcaw-b)")
    ('an407-fcaw-b', 'ERASE C Q')
    """
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"A line should be a transcript and (its name). Received: {line!r}.")
    return found[2], found[1].strip()


def read_features(path: Path) -> np.ndarray:
    """A file of cepstra: how many numbers there are, then the numbers, all big-endian.

    Returns:
        float32 `(steps, 13)`.

    Raises:
        ValueError: The file is cut short or has another format.
    """
    data = path.read_bytes()
    numbers = int.from_bytes(data[:4], "big")
    if len(data) != 4 + 4 * numbers or not numbers or numbers % COEFFICIENTS:
        raise ValueError(
            f"{path} should begin with the count of its numbers, some times {COEFFICIENTS}, and "
            f"have 4 bytes for each. Received: {numbers:,} and {len(data):,} bytes."
        )
    return np.frombuffer(data, ">f4", offset=4).reshape(-1, COEFFICIENTS).astype(np.float32)


def normalized(features: np.ndarray) -> np.ndarray:
    """Each feature at mean 0 and standard deviation 1 over the steps; float32 `(steps, features)`.

    A feature that does not change becomes 0.

    Example:

    >>> normalized(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    exact = features.astype(np.float64)
    centred = exact - exact.mean(axis=0)
    deviation = exact.std(axis=0)
    return (centred / np.where(deviation > 1e-8, deviation, 1.0)).astype(np.float32)


def with_deltas(features: np.ndarray) -> np.ndarray:
    """Features, their slopes, and the slopes' slopes; float32 `(steps, 3 * features)`."""
    slopes = slope(features)
    return np.concatenate([features, slopes, slope(slopes)], axis=1).astype(np.float32)


def slope(features: np.ndarray) -> np.ndarray:
    """How features change per step: the line fitted to two steps before and two after.

    ``d[t] = (x[t+1] - x[t-1] + 2 (x[t+2] - x[t-2])) / 10``. Before the first step and after the
    last, they are repeated.

    Args:
        features: `(steps, features)`.

    Returns:
        `(steps, features)`.

    Example:

    >>> slope(np.arange(6.0)[:, np.newaxis]).ravel().tolist()  # less at both ends
    [0.5, 0.8, 1.0, 1.0, 0.8, 0.5]

    References:
        S. Young et al., The HTK Book, section "Delta, Acceleration and Third Differential
        Coefficients".
    """
    padded = np.pad(features, ((2, 2), (0, 0)), mode="edge")
    near = padded[3:-1] - padded[1:-3]
    far = padded[4:] - padded[:-4]
    return (near + 2 * far) / 10
