"""Free Spoken Digit Dataset: recordings of spoken digits, and the digit.

- **Source.** Jakobovski/free-spoken-digit-dataset, `recordings`, commit
  26eb9aaf76e81b692f806f9140c2d2777410d7a1.
- **Licence.** CC BY-SA 4.0.
- **Rows.** 3,000 WAV files of 0.14 to 2.28 s (20 longer than 1 s), 8 kHz, 16 bits, mono: ten
  digits, 50 times by each of six speakers (all men; two American, two German, one Belgian, one
  Greek accent).
- **Classes.** Ten digits, 300 recordings each.
- **Split.** The official one: recordings 0 to 4 of each speaker and digit are the test rows (300).
- **What to know.** One speaker's recordings of a digit were made in a row and resemble each other,
  and all six speakers are in both parts of the official split. How well a *new* speaker is
  understood shows a split by `speaker`: pass `group="speaker"` in the schema.

How to cite: Z. Jackson et al., Free Spoken Digit Dataset, https://doi.org/10.5281/zenodo.1342401.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmkeras.data.download import many_files_folder
from mmkeras.schema import Audio, Label, Schema

_SOURCE = (
    "https://raw.githubusercontent.com/Jakobovski/free-spoken-digit-dataset/"
    "26eb9aaf76e81b692f806f9140c2d2777410d7a1/recordings"
)
# Of the lines "name sha256" of all recordings, sorted by name.
_RECORDINGS_SHA256 = "dbd573d7cafe79c4b49f65718115e1304e24e067fa39eff18a660dc6cb9c360f"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
PER_DIGIT = 50
OFFICIAL_TEST = 5
RATE = 8000


class Recording(NamedTuple):
    """A file, the digit it says, who says it, and the how-manieth time, from 0."""

    path: Path
    digit: int
    speaker: str
    index: int


def load() -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the recordings.

    The files are taken from `$MMKERAS_DATA/fsdd/recordings` if that folder exists, and otherwise
    downloaded once into a cache: about 21 MB, checked against a known hash.

    Returns:
        A pair `(table, schema)`. The table's columns: `audio`, the path of a WAV file; `digit`,
        the class ("0" to "9"); `speaker`; `index`, 0 to 49; `split`, "train" or "test"; and
        `recording`, the file's name, which names the row.

    Raises:
        FileNotFoundError: `$MMKERAS_DATA/fsdd` is incomplete.
        ValueError: A file is not the one that it should be.
        ConnectionError: Nothing is there and the network is not either.
    """
    table = pd.DataFrame(
        {
            "audio": str(recording.path),
            "digit": str(recording.digit),
            "speaker": recording.speaker,
            "index": recording.index,
            "split": "test" if recording.index < OFFICIAL_TEST else "train",
            "recording": recording.path.name,
        }
        for recording in recordings()
    )
    return table, Schema([Audio("audio")], Label("digit"), id="recording")


def recordings() -> list[Recording]:
    """All 3,000 recordings, by digit, speaker and index; found or downloaded as by `load`."""
    names = [
        (f"{digit}_{speaker}_{index}.wav", digit, speaker, index)
        for digit in range(10)
        for speaker in SPEAKERS
        for index in range(PER_DIGIT)
    ]
    folder = many_files_folder(
        "fsdd/recordings",
        _SOURCE,
        [name for name, *_ in names],
        sha256=_RECORDINGS_SHA256,
        description="spoken digits",
    )
    return [Recording(folder / name, *values) for name, *values in names]


def read_recording(path: Path) -> np.ndarray:
    """The samples of a recording: int16 `(samples,)`, 8,000 per second.

    Raises:
        ValueError: The file has another format than the data set's.
    """
    try:
        with wave.open(str(path)) as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a WAV file of 16-bit samples: {error}.") from error
    if form != (RATE, 1, 2):
        raise ValueError(
            f"{path} should have {RATE} Hz, 1 channel and 2 bytes per sample. Received: {form}."
        )
    return samples.astype(np.int16, copy=False)
