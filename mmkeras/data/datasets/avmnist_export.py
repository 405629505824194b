"""Writes AV-MNIST in the files that MultiBench's loader reads.

MultiBench (Liang et al., 2021), `datasets/avmnist/get_data.py`, reads from one folder

- `image/train_data.npy`, `image/test_data.npy`: `(rows, 784)`, 0 to 255; divided by 255 in place,
  which needs floats: float32 here;
- `audio/train_data.npy`, `audio/test_data.npy`: `(rows, 112, 112)`, 0 to 255: here the log-mel
  spectrogram, float32, `(windows, bands)`, 0 for 80 dB below the sound's loudest and 255 for it;
- `train_labels.npy`, `test_labels.npy`: `(rows,)`, the digits, int64.

It takes the last 5,000 of 60,000 training rows for validation, and so are the rows written:
training first, then validation. With `full` its code runs as it is. For `small` change three
numbers in it: 60000 into 8000, 10000 into 2000 and 55000 into 7000.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mmkeras.data.datasets import avmnist
from mmkeras.files import write_json
from mmkeras.progress import ProgressBar

_FLOOR_DB = 80.0
_CHUNK = 256


@dataclass(frozen=True)
class ExportConfig:
    """What to write where.

    Args:
        out: The folder.
        layout: Whose files: MultiBench's.
        variant: small (10,000 rows, 0.5 GB) or full (70,000 rows, 3.7 GB).
        speakers: Keep a speaker for the test rows.
        seed: Draws the split, the pairs and the noise.
    """

    out: Path
    layout: Literal["multibench"] = "multibench"
    variant: Literal["small", "full"] = "small"
    speakers: bool = False
    seed: int = 0


def main(arguments: list[str] | None = None) -> None:
    """The command line of `python -m mmkeras.data.datasets.avmnist`."""
    import tyro

    config = tyro.cli(ExportConfig, args=arguments, description=__doc__)
    try:
        table, _ = avmnist.load(config.variant, config.speakers, config.seed)
        digest = avmnist.content_hash(table)
        print(f"{len(table):,} rows, sha256 {digest}")
        if config.seed == 0:
            check_hash(digest, config.variant, config.speakers)
        export_multibench(table, config.out)
        about = {"variant": config.variant, "speakers": config.speakers, "seed": config.seed}
        write_json(config.out / "avmnist.json", {**about, "sha256": digest})
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"written to {config.out}")


def check_hash(digest: str, variant: str, speakers: bool) -> None:
    """Raises a ValueError if the rows of seed 0 are not those that they should be."""
    expected = avmnist.CONTENT_SHA256[variant, speakers]
    if expected is not None and digest != expected:
        raise ValueError(
            f"The rows have sha256 {digest}, expected {expected}: this machine makes another data "
            "set, whose figures cannot be compared. Please report the versions of NumPy and Python."
        )


def export_multibench(table: pd.DataFrame, folder: Path) -> None:
    """Writes MultiBench's six files, each under a temporary name until it is complete.

    Args:
        table: What `avmnist.load` gave.
        folder: Made if it is not there; files of the same names are replaced.
    """
    test = table["split"] == "test"
    # MultiBench splits the last training rows off for validation.
    order = np.argsort(table["split"][~test] == "validation", kind="stable")
    parts = {"train": table[~test].iloc[order], "test": table[test]}
    for content in ("image", "audio"):
        (folder / content).mkdir(parents=True, exist_ok=True)
    with ProgressBar("writing rows", len(table)) as progress:
        for part, rows in parts.items():
            count = len(rows)
            image_path, audio_path = (
                folder / content / f"{part}_data.npy" for content in ("image", "audio")
            )
            with (
                _new_array(image_path, "<f4", (count, 28 * 28)) as write_images,
                _new_array(audio_path, "<f4", (count, *avmnist.AUDIO.shape)) as write_sounds,
                _new_array(folder / f"{part}_labels.npy", "<i8", (count,)) as write_labels,
            ):
                write_labels(rows["digit"].astype(np.int64))
                for start in range(0, count, _CHUNK):
                    chunk = rows.iloc[start : start + _CHUNK]
                    write_images(np.stack(list(chunk["image"])))
                    write_sounds(_spectrograms(np.stack(list(chunk["audio"]))))
                    progress.add(len(chunk))


def _spectrograms(sounds: np.ndarray) -> np.ndarray:
    """float32 `(rows, 112, 112)`, 0 to 255, of int16 sounds `(rows, 8000)`."""
    from mmkeras.data.media.sounds.spectrogram import sound_features

    decibels = np.asarray(sound_features(sounds.astype(np.float32) / 32768, avmnist.AUDIO))
    decibels = decibels - decibels.max(axis=(1, 2), keepdims=True)
    return np.clip(1 + decibels / _FLOOR_DB, 0, 1) * 255


@contextmanager
def _new_array(
    path: Path, dtype: str, shape: tuple[int, ...]
) -> Iterator[Callable[[np.ndarray], None]]:
    """A `.npy` file to be written from its first row to its last: yields what appends rows."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            header = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            yield lambda rows: file.write(np.ascontiguousarray(rows, dtype))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
