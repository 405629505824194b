"""Emoji scenes: two to six emoji on a photograph, and the box of the one that a phrase names.

A small set for grounding in which the test asks for things that were never seen in training. It is
made of public parts, again on each machine, bit for bit the same, from one seed.

- **Source.** The emoji's pictures and descriptions (see `emoji.py`), and the two photographs that
  come with scikit-learn (`china.jpg`, `flower.jpg`).
- **Licence.** Emoji: Apache-2.0 and MIT. Photographs: CC BY 2.0, by Ashutosh Khanduala ("china")
  and dany13 ("flower").
- **Rows.** 3,000 scenes for training, 300 for validation and 500 for testing, of 128×128 pixels.
  Training has a row for each object of a scene (11,969), validation and test one for each scene.
- **Scenes.** A random part of a photograph, 128×128, mirrored or not. On it 2 to 6 emoji, the
  longer side of each 24 to 48 pixels, anywhere, none over another (where they do not fit, all
  sizes and places are drawn anew). Each is cut to what is not transparent of it: the box is what
  can be seen.
- **Phrase.** The description of one of them: "grinning face". The others are other emoji, not
  variants of it: no scene has a man and a woman cook.
- **Split.** The 1,609 emoji are parted by their base (`emoji_names.base_emoji`): seven tenths for
  training, one for validation, two for testing. The emoji of a scene are all of its own split's,
  so that those of the test were never seen, neither named nor beside others. Training has the
  left half of the photographs, validation the third quarter, the test the last.
- **Reference.** `python experiments/ground.py --dataset emoji_scenes`, three seeds: 43.3 % of test
  boxes overlap with the true one by half or more (95 % interval 39.3 to 47.2), 1.53 times chance
  (1.40 to 1.67); the middle of 47.5 % is in the true box.
- **What to know.** Chance, among the objects, is the mean of 1 / their number, 28 % for the test; a
  place at random is hardly ever right. There are two photographs, of which the test has a part
  that training has not: trees, which are taken for objects. Words of test phrases ("face",
  "flag") are in training phrases; what can be found of an unseen emoji is what its words have in
  common with seen ones.

How to cite: Noto Emoji, https://github.com/googlefonts/noto-emoji; gemoji,
https://github.com/github/gemoji; scikit-learn, https://scikit-learn.org.
"""

from __future__ import annotations

import functools
import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import PIL.Image

from mmkeras.data.datasets import emoji
from mmkeras.data.datasets.emoji_names import base_emoji
from mmkeras.progress import ProgressBar
from mmkeras.schema import Boxes, Image, Schema, Text

SIDE = 128
SMALLEST, LARGEST = 24, 48
FEWEST, MOST = 2, 6
# `content_hash` at seed 0, where Pillow decodes the photographs as its own packages do.
CONTENT_SHA256 = "0c69096d2c5be0539ce9563b39428a627286a0de342bfd48c0626a9c5507b308"


class _Split(NamedTuple):
    """How many scenes, tenths of the emoji, and which quarters of the photographs."""

    rows: int
    tenths: int
    quarters: tuple[int, int]


SPLITS = {
    "train": _Split(3000, 7, (0, 2)),
    "validation": _Split(300, 1, (2, 3)),
    "test": _Split(500, 2, (3, 4)),
}
_VISIBLE = 32  # of 255; what is more transparent does not count for the box


def load(share: float = 1.0, seed: int = 0) -> tuple[pd.DataFrame, Schema]:
    """Makes the scenes out of the emoji, which are found or downloaded (7 MB).

    Args:
        share: How many of the scenes are made, as a share of all.
        seed: Draws the split of the emoji, and the scenes.

    Returns:
        A pair `(table, schema)`, training rows first, then validation, then test. The table's
        columns: `picture`, uint8 arrays `(128, 128, 3)`; `phrase`; `place`, a list of one box;
        `objects`, a list of the boxes of all emoji in the scene with their descriptions, in the
        order in which they were put there; `split`; `scene`, the group ("test-12"); and `id`, the
        scene and which of its objects is named ("test-12/3"). A box is
        `{"box": [left, top, width, height]}` in pixels, with `"label"` in `objects`.

    Raises:
        ValueError: `share` is not in (0, 1], or a file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/emoji` is incomplete.
        ConnectionError: Nothing is there and the network is not either.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` is above 0 and at most 1. Received: {share}.")
    # NumPy promises that this generator, unlike the newer ones, never changes its numbers.
    random = np.random.RandomState(seed)
    pools = _pools(random)
    backgrounds = _photographs()
    counts = {split: max(1, round(share * SPLITS[split].rows)) for split in SPLITS}
    rows = []
    with ProgressBar("making scenes", sum(counts.values())) as progress:
        for split, count in counts.items():
            for row in range(count):
                background = backgrounds[random.randint(len(backgrounds), dtype=np.int64)]
                picture = _background(background, SPLITS[split].quarters, random)
                objects = _paste(picture, pools[split], random)
                named = range(len(objects))
                if split != "train":
                    named = [random.randint(len(objects), dtype=np.int64)]
                rows += [
                    {
                        "picture": picture,
                        "phrase": objects[place]["label"],
                        "place": [{"box": objects[place]["box"]}],
                        "objects": objects,
                        "split": split,
                        "scene": f"{split}-{row}",
                        "id": f"{split}-{row}/{place}",
                    }
                    for place in named
                ]
                progress.add()
    modalities = [Image("picture"), Text("phrase")]
    schema = Schema(modalities, Boxes("place"), id="id", group="scene")
    return pd.DataFrame(rows), schema


class _Emoji(NamedTuple):
    description: str
    base: str
    path: str


def _pools(random: np.random.RandomState) -> dict[str, list[_Emoji]]:
    """The emoji of each split; all that have one base are in the same."""
    table, _ = emoji.load()
    each = [_Emoji(row.description, base_emoji(row.emoji), row.image) for row in table.itertuples()]
    bases = sorted({one.base for one in each})
    turns = np.repeat(list(SPLITS), [split.tenths for split in SPLITS.values()])
    order = random.permutation(len(bases))
    splits = {bases[place]: turns[turn % len(turns)] for turn, place in enumerate(order)}
    return {split: [one for one in each if splits[one.base] == split] for split in SPLITS}


def _photographs() -> list[np.ndarray]:
    """scikit-learn's photographs, uint8 `(427, 640, 3)`."""
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def _background(
    photograph: np.ndarray, quarters: tuple[int, int], random: np.random.RandomState
) -> np.ndarray:
    """A part of a photograph, uint8 `(128, 128, 3)`, from some of its quarters (of the width)."""
    height, width, _ = photograph.shape
    first, end = (width * quarter // 4 for quarter in quarters)
    top = random.randint(0, height - SIDE + 1, dtype=np.int64)
    left = random.randint(first, end - SIDE + 1, dtype=np.int64)
    part = photograph[top : top + SIDE, left : left + SIDE]
    return (part[:, ::-1] if random.randint(2, dtype=np.int64) else part).copy()


def _paste(
    picture: np.ndarray, pool: list[_Emoji], random: np.random.RandomState
) -> list[dict[str, object]]:
    """Puts emoji into a picture, and says where each is."""
    count = random.randint(FEWEST, MOST + 1, dtype=np.int64)
    chosen: dict[str, _Emoji] = {}
    while len(chosen) < count:
        one = pool[random.randint(len(pool), dtype=np.int64)]
        chosen.setdefault(one.base, one)
    inks = [_ink(one.path) for one in chosen.values()]
    boxes: list[list[int]] = []
    while not boxes:
        sizes = random.randint(SMALLEST, LARGEST + 1, count, dtype=np.int64).tolist()
        shapes = [_shape(ink, size) for ink, size in zip(inks, sizes, strict=True)]
        boxes = _places(shapes, random)
    inks = [resized(ink, size) for ink, size in zip(inks, sizes, strict=True)]
    for ink, (left, top, width, height) in zip(inks, boxes, strict=True):
        under = picture[top : top + height, left : left + width]
        alpha = ink[..., 3:].astype(np.int64)
        # Colours are already multiplied by alpha.
        mixed = ink[..., :3] + (under * (255 - alpha) + 127) // 255
        picture[top : top + height, left : left + width] = np.minimum(mixed, 255)
    return [
        {"box": box, "label": one.description}
        for box, one in zip(boxes, chosen.values(), strict=True)
    ]


def _places(shapes: list[tuple[int, int]], random: np.random.RandomState) -> list[list[int]]:
    """Boxes [left, top, width, height] of these heights and widths, none over another.

    None at all where the first ones leave no room for the next.
    """
    boxes: list[list[int]] = []
    for height, width in shapes:
        free = np.ones((SIDE - height + 1, SIDE - width + 1), bool)
        for x, y, w, h in boxes:
            free[max(0, y - height + 1) : y + h, max(0, x - width + 1) : x + w] = False
        corners = np.flatnonzero(free)
        if not len(corners):
            return []
        corner = corners[random.randint(len(corners), dtype=np.int64)]
        top, left = divmod(int(corner), free.shape[1])
        boxes.append([left, top, width, height])
    return boxes


def _shape(ink: np.ndarray, size: int) -> tuple[int, int]:
    """Height and width of a picture once its longer side has `size` pixels."""
    height, width, _ = ink.shape
    longest = max(height, width)
    new_height, new_width = ((side * size + longest // 2) // longest for side in (height, width))
    return max(1, new_height), max(1, new_width)


@functools.cache
def _ink(path: str) -> np.ndarray:
    """An emoji's picture, cut to what is not transparent: uint8 `(height, width, 4)`, RGBA."""
    with PIL.Image.open(path) as file:
        pixels = np.asarray(file.convert("RGBA"))
    seen = pixels[..., 3] >= _VISIBLE
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def resized(ink: np.ndarray, size: int) -> np.ndarray:
    """A picture whose longer side has `size` pixels; each is the mean of what it covers.

    In whole numbers, so that it is the same with all versions of all libraries.

    Args:
        ink: uint8 `(height, width, 4)`, RGBA.
        size: In pixels.

    Returns:
        uint8 `(new height, new width, 4)`, its colours multiplied by alpha.
    """
    height, width, _ = ink.shape
    new_height, new_width = _shape(ink, size)
    # As floats, which multiply faster; none of the numbers comes near 2^53.
    pixels = np.ascontiguousarray(ink.transpose(2, 0, 1), np.float64)
    pixels[:3] *= pixels[3]
    pixels[3] *= 255
    rows, columns = _overlaps(height, new_height), _overlaps(width, new_width)
    # (channels, new height, new width)
    sums = (rows @ pixels @ columns.T).astype(np.int64)
    # The overlaps of one new pixel sum to the old side's length, in both directions.
    unit = 255 * height * width
    return ((sums + unit // 2) // unit).astype(np.uint8).transpose(1, 2, 0)


@functools.cache
def _overlaps(old: int, new: int) -> np.ndarray:
    """How much of each new pixel lies over each old one, in units of 1 / new: `(new, old)`."""
    edges_new = np.arange(new + 1, dtype=np.int64)[:, np.newaxis] * old
    edges_old = np.arange(old + 1, dtype=np.int64) * new
    ends = np.minimum(edges_new[1:], edges_old[1:])
    starts = np.maximum(edges_new[:-1], edges_old[:-1])
    return np.maximum(ends - starts, 0).astype(np.float64)


def content_hash(table: pd.DataFrame) -> str:
    """SHA-256 of the table's pictures, phrases, boxes and splits, row by row.

    Returns:
        64 hexadecimal digits; `CONTENT_SHA256` has those of seed 0.
    """
    digest = hashlib.sha256()
    columns = (table[name] for name in ("picture", "phrase", "place", "split"))
    for picture, phrase, place, split in zip(*columns, strict=True):
        digest.update(np.ascontiguousarray(picture, np.uint8))
        digest.update(f"{phrase} {place[0]['box']} {split}\n".encode())
    return digest.hexdigest()
