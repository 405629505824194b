"""easy-VQA: a picture of one coloured shape, a question about it, and the answer.

Neither the picture nor the question is enough: what decides is how they go together.

- **Source.** vzhou842/easy-VQA, `data`, commit 3b553bb7ff42a868d5f4cbe8c88255d7333c3c31.
- **Licence.** MIT.
- **Rows.** 48,248 questions about 5,000 pictures, 64×64 pixels, RGB: 38,575 about 4,000 pictures
  for training and 9,673 about 1,000 others for testing, the official split. No two pictures are
  equal, and no question is asked twice of a picture. There are 107 different questions, of up to
  nine words, and all of them are in both parts.
- **Classes.** 13 answers: yes and no (73.6 % of the training rows, half each), three shapes
  (circle, rectangle, triangle) and eight colours (black, blue, brown, gray, green, red, teal,
  yellow).
- **What to know.** A picture has 2 to 21 questions, so that rows are not independent draws: the
  picture is the group, and validation rows taken from the training rows share no picture with
  them. "Is there **not** a red shape?" turns the answer round; a bag of words sees the word.
- **Baselines**, test accuracy: always the most frequent training answer 37.3 %, the most frequent
  one to the same question 67.0 %; scikit-learn's multi-layer perceptron on the words of the
  question and the shape and colour, cut out of the picture, 100 %.

How to cite: V. Zhou, easy-VQA, https://github.com/vzhou842/easy-VQA, 2019.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from mmkeras.data.download import files_folder, many_files_folder
from mmkeras.schema import Image, Label, Schema, Text

_SOURCE = (
    "https://raw.githubusercontent.com/vzhou842/easy-VQA/"
    "3b553bb7ff42a868d5f4cbe8c88255d7333c3c31/data"
)
SPLITS = ("train", "test")
_SHA256 = {
    "train/questions.json": "bb67697636aed0e65631d4266824aebeae5c833b0f37ed781e20752e85617ec5",
    "test/questions.json": "0d4630a51bafec65343e2f6af9cdd20cf8eae214344ef57636202eec409553f7",
}
# Of the lines "split/images/name sha256" of all pictures, sorted.
_PICTURES_SHA256 = "287499fc16c5acdd0089162e62c3fae8ebe8579bca2e8582dbc55d0d8f84ee7c"


def load() -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the pictures and questions.

    The files are taken from `$MMKERAS_DATA/easy_vqa` if that folder exists, and otherwise
    downloaded once into a cache: about 4 MB in 5,000 files, checked against known hashes. An
    interrupted download resumes where it stopped.

    Returns:
        A pair `(table, schema)`, training rows first, in the official order. The table's columns:
        `picture`, the path of a 64×64 PNG; `question`; `answer`, the class; `split`, "train" or
        "test"; `picture_id`, the group ("train/12"); and `id`, which names the row ("train/345",
        the place in the split's file).

    Raises:
        FileNotFoundError: `$MMKERAS_DATA/easy_vqa` is incomplete.
        ValueError: A file is not the one that it should be.
        ConnectionError: Nothing is there and the network is not either.
    """
    folder = files_folder("easy_vqa", _SOURCE, _SHA256)
    many_files_folder(
        "easy_vqa",
        _SOURCE,
        _pictures(folder),
        sha256=_PICTURES_SHA256,
        description="easy-VQA pictures",
    )
    rows = [
        {
            "picture": str(folder / _picture(split, image)),
            "question": question,
            "answer": answer,
            "split": split,
            "picture_id": f"{split}/{image}",
            "id": f"{split}/{place}",
        }
        for split in SPLITS
        for place, (question, answer, image) in enumerate(_questions(folder, split))
    ]
    schema = Schema(
        [Image("picture"), Text("question")], Label("answer"), id="id", group="picture_id"
    )
    return pd.DataFrame(rows), schema


def _picture(split: str, image: int) -> str:
    return f"{split}/images/{image}.png"


def _questions(folder: Path, split: str) -> list[tuple[str, str, int]]:
    return json.loads((folder / split / "questions.json").read_text(encoding="utf-8"))


def _pictures(folder: Path) -> list[str]:
    """The pictures that are asked about, sorted."""
    return sorted(
        {_picture(split, image) for split in SPLITS for *_, image in _questions(folder, split)}
    )
