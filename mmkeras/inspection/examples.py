"""The test rows that a report shows: which ones, their pictures, and what is said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import matplotlib
import numpy as np
import PIL.Image

from mmkeras.data.kinds.settings import AudioSettings, ImageSettings
from mmkeras.data.media.spectrogram import sound_features
from mmkeras.data.media.stores import MediaStore, decoded_images
from mmkeras.data.pipeline import Pipeline
from mmkeras.tasks import Task

_EXAMPLES = 12
_PICTURE_SIZE = 96


def telling_rows(
    task: Task, targets: np.ndarray, outputs: np.ndarray, examples: int = _EXAMPLES
) -> list[int]:
    """Positions of the surest right answers and of the worst mistakes, half and half if possible.

    Args:
        task: The fitted task.
        targets, outputs: In the target's own unit, `(examples, outputs)`.
        examples: How many.
    """
    right, wrong = task.right_and_wrong(targets, outputs)
    half = examples // 2
    wrong = wrong[: max(half, examples - len(right))]
    right = right[: examples - len(wrong)]
    return list(dict.fromkeys([*right.tolist(), *wrong.tolist()]))


def caption(pipeline: Pipeline, row: int) -> str:
    """What stands under a row's picture: its text, else numbers, else its id; and the step."""
    schema = pipeline.preprocessing.schema
    cells = pipeline.examples.iloc[row]
    task = pipeline.preprocessing.fitted_target
    step = f", step {cells['step']}" if task is not None and task.per_step else ""
    for modality in schema.modalities:
        if modality.kind == "text":
            text = cells[modality.column]
            return (text if isinstance(text, str) else "(no text)") + step
    for modality in schema.modalities:
        if modality.kind == "tabular":
            return ", ".join(f"{column} {cells[column]}" for column in modality.columns[:4])
    return ("" if schema.id is None else str(cells[schema.id])) + step


def example_images(pipeline: Pipeline, rows: Sequence[int]) -> np.ndarray | None:
    """The rows' first image modality, large enough to look at: uint8, with 1 or 3 channels."""
    for modality in pipeline.preprocessing.schema.modalities:
        if modality.kind == "image":
            own = pipeline.preprocessing.modalities[modality.name].settings
            settings = ImageSettings(
                size=(_PICTURE_SIZE, _PICTURE_SIZE),
                channels=own.channels,
                resize=own.resize,
                background=own.background,
            )
            return decoded_images(pipeline.examples[modality.column].iloc[list(rows)], settings)[0]
    return None


def example_pictures(pipeline: Pipeline, rows: Sequence[int]) -> np.ndarray | None:
    """All that can be seen of the rows, side by side: images, middle frames, spectrograms.

    A spectrogram has time from left to right and high frequencies at the top.
    """
    parts = []
    images = example_images(pipeline, rows)
    if images is not None:
        parts.append(images)
    for modality in pipeline.preprocessing.schema.modalities:
        if modality.kind not in ("video", "audio"):
            continue
        settings = pipeline.preprocessing.modalities[modality.name].settings
        column = pipeline.examples[modality.column].iloc[list(rows)]
        values = MediaStore(modality.kind, column, settings, "memory").values
        if modality.kind == "video":
            parts.append(_resized(values[:, values.shape[1] // 2]))
        else:
            parts.append(_spectrograms(values, settings))
    if not parts:
        return None
    if len(parts) > 1:
        gap = np.full((len(rows), _PICTURE_SIZE, 4, 3), 255, np.uint8)
        coloured = [np.broadcast_to(part, (*part.shape[:3], 3)) for part in parts]
        parts = [piece for part in coloured for piece in (part, gap)][:-1]
    return np.concatenate(parts, axis=2)


def _spectrograms(samples: np.ndarray, settings: AudioSettings) -> np.ndarray:
    # Whatever the model reads of a sound, this is what people can read.
    if settings.features in ("log_mel", "mfcc"):
        shown = dataclasses.replace(settings, features="log_mel", deltas=0)
    else:
        # 40 bands of a window of 64 ms hold a Fourier bin each, whatever the rate.
        shown = AudioSettings(
            rate=settings.rate, seconds=settings.seconds, window=0.064, mel_bands=40
        )
    decibels = sound_features(samples.astype(np.float32) / 32768, shown).numpy()
    highest = decibels.max(axis=(1, 2), keepdims=True)
    share = np.clip((decibels - highest + 80.0) / 80.0, 0, 1)
    colours = matplotlib.colormaps["magma"](share.transpose(0, 2, 1)[:, ::-1])[..., :3]
    return _resized(np.round(colours * 255).astype(np.uint8))


def _resized(pictures: np.ndarray) -> np.ndarray:
    size = (_PICTURE_SIZE, _PICTURE_SIZE)
    one = pictures.shape[-1] == 1
    resized = [
        np.asarray(PIL.Image.fromarray(p[..., 0] if one else p).resize(size)) for p in pictures
    ]
    return np.stack(resized)[..., None] if one else np.stack(resized)
