"""Images and sentences for `pipeline.py`: drawn files, our settings, and the DataLoader's rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as PillowImage

import mmkeras
from mmkeras.progress import ProgressBar

CLASSES = 10
ROTATION, SHIFT = 10.0, 0.1


def make_table(
    folder: Path, rows: int, side: int, seed: int
) -> tuple[pd.DataFrame, mmkeras.Schema]:
    """Pictures of discs on a clouded, slightly noisy ground, sentences, and ten classes."""
    rng = np.random.default_rng(seed)
    words = [f"word{number}" for number in range(2000)]
    frequency = 1 / np.arange(1, len(words) + 1)
    frequency /= frequency.sum()
    table = []
    with ProgressBar("making images", rows) as progress:
        for row in range(rows):
            path = folder / f"{row:06d}.png"
            PillowImage.fromarray(draw_image(rng, side)).save(path)
            sentence = " ".join(rng.choice(words, rng.integers(5, 21), p=frequency))
            table.append((str(path), sentence, f"class {row % CLASSES}"))
            progress.add(1)
    schema = mmkeras.Schema([mmkeras.Image("image"), mmkeras.Text("text")], target="label")
    return pd.DataFrame(table, columns=["image", "text", "label"]), schema


def draw_image(rng: np.random.Generator, side: int) -> np.ndarray:
    """uint8 `(side, side, 3)`."""
    clouds = PillowImage.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    picture = np.asarray(clouds.resize((side, side), PillowImage.Resampling.BICUBIC), np.float32)
    picture = picture.copy()
    y, x = np.mgrid[:side, :side] / side
    for _ in range(4):
        centre_x, centre_y, radius = rng.uniform((0, 0, 0.05), (1, 1, 0.3))
        disc = (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
        picture[disc] = 0.3 * picture[disc] + 0.7 * rng.integers(0, 256, 3)
    picture += rng.normal(0, 1.5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def settings(size: int) -> dict[str, Any]:
    image = mmkeras.ImageSettings(size=(size, size), flip=True, rotation=ROTATION, shift=SHIFT)
    return {"image": image, "text": mmkeras.TextSettings(representation="tokens")}


def torch_rows(frame: pd.DataFrame, preprocessing: Any, keep: bool) -> Any:
    """The same rows for a DataLoader; `keep` decodes them now and keeps them in memory."""
    from torch_loader import ImageTextRows

    return ImageTextRows(
        frame["image"],
        preprocessing.modalities["text"].token_ids(list(frame["text"])),
        preprocessing.task.encode(frame),
        size=preprocessing.modalities["image"].settings.size[0],
        rotation=ROTATION,
        shift=SHIFT,
        keep=keep,
        threads=os.cpu_count() or 1,
    )


def make_model(preprocessing: Any) -> Any:
    """The corrected model, with the text branch that reads token ids."""
    height, width = preprocessing.modalities["image"].settings.size
    model = mmkeras.image_text_classifier(
        (height, width, 3),
        preprocessing.inputs["text"].vocabulary_size,
        CLASSES,
        text_branch="lstm",
    )
    return mmkeras.compile_model(model, "label")
