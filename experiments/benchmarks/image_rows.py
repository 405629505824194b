"""Images and sentences for `pipeline.py`: drawn files, our settings, and the DataLoader's rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as PillowImage

import mmkeras
from mmkeras.data.datasets import emoji
from mmkeras.data.media.images.opencv import cv2
from mmkeras.progress import ProgressBar

# Format, height and width of the files, and the side of the model's input.
FILES = {
    "png128": ("PNG", 128, 128, 64),
    "emoji": ("PNG", 72, 72, 64),
    "jpeg640": ("JPEG", 480, 640, 224),
    "jpeg1080": ("JPEG", 1080, 1920, 224),
}
_DRAWN = 64  # different pictures; drawing a large one takes longer than reading it
CLASSES = 10
ROTATION, SHIFT = 10.0, 0.1


def make_table(
    folder: Path, rows: int, files: tuple[str, int, int], seed: int
) -> tuple[pd.DataFrame, mmkeras.Schema]:
    """Pictures of discs on a clouded, slightly noisy ground, sentences, and ten classes.

    Args:
        folder: Where the pictures are written, a file a row.
        rows: How many.
        files: Format, height and width.
        seed: Decides all of it.
    """
    rng = np.random.default_rng(seed)
    kind, height, width = files
    paths, drawn = [], []
    with ProgressBar("making images", rows) as progress:
        for row in range(rows):
            path = folder / f"{row:06d}.{kind.lower()}"
            if row < _DRAWN:
                picture = PillowImage.fromarray(draw_image(rng, height, width))
                picture.save(path, kind, quality=90)
                drawn.append(path.read_bytes())
            else:
                path.write_bytes(drawn[row % _DRAWN])
            paths.append(str(path))
            progress.add(1)
    return _with_sentences(paths, rng)


def emoji_table(rows: int, seed: int) -> tuple[pd.DataFrame, mmkeras.Schema]:
    """The same with the pictures of the data set `emoji`, each again and again if need be."""
    pictures = emoji.load()[0]["image"].tolist()
    rng = np.random.default_rng(seed)
    return _with_sentences([pictures[row % len(pictures)] for row in range(rows)], rng)


def _with_sentences(
    paths: Sequence[str], rng: np.random.Generator
) -> tuple[pd.DataFrame, mmkeras.Schema]:
    words = [f"word{number}" for number in range(2000)]
    frequency = 1 / np.arange(1, len(words) + 1)
    frequency /= frequency.sum()
    table = []
    for row, path in enumerate(paths):
        sentence = " ".join(rng.choice(words, rng.integers(5, 21), p=frequency))
        table.append((path, sentence, f"class {row % CLASSES}"))
    schema = mmkeras.Schema([mmkeras.Image("image"), mmkeras.Text("text")], target="label")
    return pd.DataFrame(table, columns=["image", "text", "label"]), schema


def draw_image(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """uint8 `(height, width, 3)`."""
    clouds = PillowImage.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    picture = np.asarray(clouds.resize((width, height), PillowImage.Resampling.BICUBIC), np.float32)
    picture = picture.copy()
    y, x = np.mgrid[:height, :width] / height
    for _ in range(4):
        centre_x, centre_y, radius = rng.uniform((0, 0, 0.05), (1, 1, 0.3))
        disc = (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
        picture[disc] = 0.3 * picture[disc] + 0.7 * rng.integers(0, 256, 3)
    picture += rng.normal(0, 1.5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def bare_epoch(paths: Sequence[str], size: int, threads: int) -> Callable[[], int]:
    """Reading, decoding and scaling alone, by OpenCV as its manual shows it, called from threads.

    JPEGs are decoded at the smallest of their own reduced sizes that is not below `size`.
    """

    def decode(path: str) -> np.ndarray:
        reduced = cv2.IMREAD_COLOR
        with PillowImage.open(path) as image:
            smaller, is_jpeg = min(image.size), image.format == "JPEG"
        for factor, flag in ((2, cv2.IMREAD_REDUCED_COLOR_2), (4, cv2.IMREAD_REDUCED_COLOR_4)):
            if is_jpeg and smaller >= factor * size:
                reduced = flag
        image = cv2.imread(path, reduced)
        halved = min(image.shape[:2]) >= 2 * size
        method = cv2.INTER_AREA if halved else cv2.INTER_LINEAR
        return cv2.cvtColor(
            cv2.resize(image, (size, size), interpolation=method), cv2.COLOR_BGR2RGB
        )

    def epoch() -> int:
        rest = iter(paths)

        def work() -> int:
            return sum(decode(path) is not None for path in rest)

        with ThreadPoolExecutor(threads) as pool:
            return sum(done.result() for done in [pool.submit(work) for _ in range(threads)])

    return epoch


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
