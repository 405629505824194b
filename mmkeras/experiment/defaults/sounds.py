"""Sounds: how finely they are read."""

from __future__ import annotations

import pandas as pd

from mmkeras.data.kinds import KINDS, AudioSettings
from mmkeras.experiment.defaults.choice import Choice
from mmkeras.schema import Audio, Schema

_FRAMES = 128  # about so many steps of time


def choose_audio(frame: pd.DataFrame, modality: Audio, schema: Schema) -> Choice:
    """The length of nearly all training sounds, in steps of time that are not too many."""
    seconds = KINDS["audio"].with_length(AudioSettings(), frame[modality.column]).seconds
    hop = min(0.05, max(0.010, round(seconds / _FRAMES, 3)))
    seconds = round(max(1, round(seconds / hop)) * hop, 6)
    reason = (
        f"audio {modality.name!r}: sounds of up to {seconds:.2g} s -> log-mel energies every "
        f"{1000 * hop:.0f} ms"
    )
    settings = {
        "seconds": seconds,
        "hop": hop,
        "window": max(0.025, 2 * hop),
        "shift": min(0.05, seconds / 10),
        "time_masks": 1,
        "band_masks": 1,
    }
    options = {"filters": (16, 32, 64, 64), "convs_per_block": 1, "batch_norm": True}
    return Choice(reason, settings, "cnn", options, flat=seconds < 2)
