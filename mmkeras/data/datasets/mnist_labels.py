"""MNIST with its labels as a second modality: the picture of a digit, and which digit it is.

The smallest set for generative models of several modalities: the digit is drawn, or read.

- **Source.** The 10,000 test images of MNIST (see `mnist.py`).
- **Licence.** Freely usable.
- **Rows.** 7,000 for training, 1,000 for validation and 2,000 for testing, by digit, as in
  AV-MNIST (`small`).
- **Classes.** Ten digits.
- **Modalities.** `image`, 28×28 grey values, white on black; `label`, a table of one column of
  that name, "0" to "9".
- **What to know.** The target, `digit`, is the label again. It is there to judge what a generative
  model makes; a classifier that reads `label` has nothing to learn, and the leakage check says so.
- **Judges.** A classifier of the image alone is right about 99.1 % of the validation rows and
  99.0 % of the test rows, one of the label about all (the preset, seed 0: `experiments/train.py
  --dataset mnist_labels`).

How to cite: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", Proceedings of the IEEE 86(11), 1998.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from mmkeras.data.datasets import mnist
from mmkeras.schema import Image, Label, Schema, Tabular

# `content_hash` at seed 0.
CONTENT_SHA256 = "7b35ce2b61644db685a69b06bdd7ea48fe24918a5d6016efee5d95e016ef55aa"


def load(seed: int = 0) -> tuple[pd.DataFrame, Schema]:
    """Splits MNIST's test images, which are found or downloaded (2 MB).

    Args:
        seed: Draws the split.

    Returns:
        A pair `(table, schema)`, training rows first, then validation, then test. The table's
        columns: `image`, uint8 arrays `(28, 28)`; `label` and `digit`, both "0" to "9"; `split`;
        and `image_index`, the place in MNIST's test file.

    Raises:
        ValueError: A file is not the one that it should be.
        ConnectionError: MNIST is not there and the network is not either.
    """
    # NumPy promises that this generator, unlike the newer ones, never changes its numbers.
    images, rows = mnist.split_images("test", (7, 1, 2), np.random.RandomState(seed))
    digits = rows["digit"].astype(str)
    table = pd.DataFrame(
        {
            "image": list(images),
            "label": digits,
            "digit": digits,
            "split": rows["split"],
            "image_index": rows["image_index"],
        }
    )
    modalities = [Image("image"), Tabular("label", categorical=["label"])]
    return table, Schema(modalities, Label("digit"))


def content_hash(table: pd.DataFrame) -> str:
    """SHA-256 of the table's images, labels and splits, row by row.

    Returns:
        64 hexadecimal digits; `CONTENT_SHA256` has those of seed 0.
    """
    digest = hashlib.sha256()
    columns = (table[name] for name in ("image", "label", "split"))
    for image, label, split in zip(*columns, strict=True):
        digest.update(np.ascontiguousarray(image, np.uint8))
        digest.update(f"{label} {split}\n".encode())
    return digest.hexdigest()
