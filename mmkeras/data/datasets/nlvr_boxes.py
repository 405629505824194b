"""NLVR's pictures: where "the yellow circle" is, or where all objects are.

Natural Language for Visual Reasoning asks whether a sentence is true of a picture. Its pictures
come with every object's place, which makes them a set for grounding and detection.

- **Source.** lil-lab/nlvr, `nlvr`, commit 18924841aa96d519cfb8584f0945350f07a6d860: the
  development and test parts, permutation 0 of each picture's three grey boxes. The pictures of the
  training part are not public in the repository.
- **Licence.** CC BY 4.0.
- **Pictures.** 400×100 pixels, RGB: three grey boxes of 100×100 at 0, 150 and 300 from the left. An
  object is a circle, square or triangle, black, blue or yellow, 10, 20 or 30 pixels wide, upright.
- **Rows.** `task="phrase"`: 1,301 for training, of 989 pictures, and 1,306 for testing, of 990:
  all pairs of a picture and a phrase ("the yellow circle") that is true of exactly one object in
  it. `task="detection"`: one row per picture, 3 to 20 objects in each (8,876 and 8,860), of nine
  classes ("yellow circle"); 72 % of the training part's are squares.
- **Split.** The development part is for training, the test part for testing.
- **What to know.** The pictures come in sets of up to four, about which one sentence was written.
  In half of the sets pictures share a grey box and its objects: the set is the group (267 for
  training, 266 for testing), and none is in both parts. 1,253 of the 1,979 pictures have a phrase.
  Of the pictures with few objects, 14 pairs are equal by chance, pixel by pixel: 8 test pictures
  are equal to one of the training part, and 3 pairs are within each part, in different groups. The
  8 have 8 of the 1,306 phrases; were all of them right, a figure of 98 % would be 97.99 % without.

How to cite: A. Suhr, M. Lewis, J. Yeh, Y. Artzi, "A Corpus of Natural Language for Visual
Reasoning", ACL 2017.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.data.download import files_folder, many_files_folder
from mmkeras.schema import Boxes, Image, Schema, Text

TASKS = ("phrase", "detection")
# The parts, and what they are used for.
PARTS = {"dev": "train", "test": "test"}
_SOURCE = (
    "https://raw.githubusercontent.com/lil-lab/nlvr/18924841aa96d519cfb8584f0945350f07a6d860/nlvr"
)
_SHA256 = {
    "dev/dev.json": "0d312c3d7309393c0e36d286c70b884fb276819699e9f8f2bcea2854ad46537b",
    "test/test.json": "9a337ac016455eebe8aef70a6e94977dbcd9e75aec56f0fb09477a9c1038528d",
}
# `files_sha256` of all pictures.
_PICTURES_SHA256 = "6be6bfaa7e0f74f3de838e838e62cb25c6e443bbb6f4a9ea7233e162a10160c0"
_COLOURS = {"Black": "black", "#0099ff": "blue", "Yellow": "yellow"}
# From the left edge of a grey box to that of the next.
_STEP = 150


def load(task: str = "phrase") -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the pictures.

    The files are taken from `$MMKERAS_DATA/nlvr` if that folder exists, and otherwise downloaded
    once into a cache: about 8 MB in 1,981 files, checked against known hashes.

    Args:
        task: `"phrase"` (a picture and a phrase, and the box of the one object that the phrase
            names) or `"detection"` (a picture, and the boxes and classes of all objects in it).

    Returns:
        A pair `(table, schema)`, training rows first. The table's columns: `picture`, the path of
        a PNG file; `objects`, a list of the boxes of all objects in it with their labels; for
        `"phrase"` also `phrase` and `place`, a list of one box; `split`, "train" or "test";
        `sentence`, the group: the pictures that one sentence was written about ("dev-1572"); and
        `id`, which names the row. A box is
        `{"box": [left, top, width, height]}` in pixels, with `"label"` in `objects`.

    Raises:
        ValueError: There is no such task, or a file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/nlvr` is incomplete.
        ConnectionError: Nothing is there and the network is not either.
    """
    if task not in TASKS:
        raise ValueError(f"`task` must be one of {TASKS}. Received: {task!r}.")
    folder = files_folder("nlvr", _SOURCE, _SHA256)
    scenes = [
        (part, json.loads(line))
        for part in PARTS
        for line in (folder / part / f"{part}.json").read_text(encoding="utf-8").splitlines()
    ]
    pictures = [_picture(part, scene) for part, scene in scenes]
    folder = many_files_folder(
        "nlvr", _SOURCE, pictures, sha256=_PICTURES_SHA256, description="NLVR pictures"
    )
    rows = []
    for (part, scene), picture in zip(scenes, pictures, strict=True):
        common = {
            "picture": str(folder / picture),
            "split": PARTS[part],
            "sentence": f"{part}-{scene['identifier'].rpartition('-')[0]}",
        }
        name, objects = Path(picture).stem, list(_objects(scene))
        if task == "detection":
            rows.append({**common, "objects": objects, "id": name})
            continue
        for label, box in _alone(objects).items():
            own = {"phrase": f"the {label}", "place": [{"box": box}], "id": f"{name}/{label}"}
            rows.append({**common, **own, "objects": objects})
    if task == "detection":
        schema = Schema(
            [Image("picture")], Boxes("objects", several=True), id="id", group="sentence"
        )
    else:
        modalities = [Image("picture"), Text("phrase")]
        schema = Schema(modalities, Boxes("place"), id="id", group="sentence")
    return pd.DataFrame(rows), schema


def _picture(part: str, scene: dict[str, Any]) -> str:
    return f"{part}/images/{scene['directory']}/{part}-{scene['identifier']}-0.png"


def _objects(scene: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A scene's objects, from the left grey box to the right one."""
    for place, box in enumerate(scene["structured_rep"]):
        for thing in box:
            left, size = _STEP * place + thing["x_loc"], thing["size"]
            label = f"{_COLOURS[thing['color']]} {thing['type']}"
            yield {"box": [left, thing["y_loc"], size, size], "label": label}


def _alone(objects: list[dict[str, Any]]) -> dict[str, list[int]]:
    """The boxes of the objects that are the only ones of their class, by class."""
    counts = Counter(thing["label"] for thing in objects)
    return {x["label"]: x["box"] for x in objects if counts[x["label"]] == 1}
