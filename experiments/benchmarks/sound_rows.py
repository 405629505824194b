"""Sounds for `pipeline.py` and `memory.py`: spoken digits or made ones, for us and for PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

import mmkeras
from mmkeras.data.datasets import fsdd
from mmkeras.data.download import provided_dir
from mmkeras.data.media.sounds.spectrogram import mel_filters
from mmkeras.progress import ProgressBar

RATE, SECONDS, MEL_BANDS = 8000, 1.0, 64
CLASSES = 10


def make_table(folder: Path, rows: int, seed: int) -> tuple[pd.DataFrame, mmkeras.Schema]:
    """Recordings of spoken digits if `MMKERAS_DATA` has them (at most 3,000), else made sounds."""
    if provided_dir("fsdd") is not None:
        table, _ = fsdd.load()
        frame = table.sample(min(rows, len(table)), random_state=seed)[["audio", "digit"]]
        return frame, mmkeras.Schema([mmkeras.Audio("audio")], target="digit")
    rng = np.random.default_rng(seed)
    table = []
    with ProgressBar("making sounds", rows) as progress:
        for row in range(rows):
            path = folder / f"{row:06d}.wav"
            # As long as the spoken digits: a few tenths of a second, seldom more than one.
            seconds = float(np.clip(rng.normal(0.43, 0.15), 0.14, 2.3))
            soundfile.write(path, draw_sound(rng, RATE, seconds), RATE, subtype="PCM_16")
            table.append((str(path), str(row % CLASSES)))
            progress.add(1)
    schema = mmkeras.Schema([mmkeras.Audio("audio")], target="digit")
    return pd.DataFrame(table, columns=["audio", "digit"]), schema


def draw_sound(rng: np.random.Generator, rate: int, seconds: float) -> np.ndarray:
    """float64 `(samples,)`: three tones that swell and fade, and a little noise."""
    time = np.arange(round(rate * seconds)) / rate
    sound = rng.normal(0, 0.01, len(time))
    for hertz in rng.uniform(80, 0.4 * rate, 3):
        sound += 0.2 * np.sin(2 * np.pi * hertz * time + rng.uniform(0, 2 * np.pi))
    return sound * np.sin(np.pi * time / seconds)


def settings() -> dict[str, Any]:
    return {"audio": mmkeras.AudioSettings(rate=RATE, seconds=SECONDS, mel_bands=MEL_BANDS)}


def torch_rows(frame: pd.DataFrame, preprocessing: Any, keep: bool) -> Any:
    """The same rows for a DataLoader; `keep` decodes them now and keeps them in memory."""
    from torch_sounds import SoundRows

    fitted = preprocessing.modalities["audio"]
    return SoundRows(
        frame["audio"],
        preprocessing.task.encode(frame),
        rate=fitted.settings.rate,
        samples=fitted.settings.samples,
        window=fitted.settings.window_samples,
        hop=fitted.settings.hop_samples,
        points=fitted.settings.fft_points,
        filters=mel_filters(fitted.settings),
        mean=fitted.mean,
        deviation=fitted.deviation,
        keep=keep,
        threads=os.cpu_count() or 1,
    )
