"""PolyMNIST, small: five pictures of the same digit, each on a photograph of its own.

A small set for generative models of several modalities: what the five pictures have in common is
the digit; how it is written, and what is behind it, is each picture's own. PolyMNIST itself has
60,000 rows and other photographs; this is made of public parts, again on each machine, bit for
bit the same, from one seed. **Figures cannot be compared with those of the original.**

- **Source.** The 10,000 test images of MNIST (see `mnist.py`); photographs that come with
  scikit-image (`pip install "mmkeras[datasets]"`; astronaut, coffee, immunohistochemistry,
  hubble_deep_field) and scikit-learn (`flower.jpg`). Nothing else is downloaded.
- **Licence.** MNIST: freely usable. Photographs: public domain (astronaut and hubble_deep_field
  by NASA), CC0 (coffee, by R. Michetti), no known restrictions (immunohistochemistry); CC BY 2.0
  (flower, by dany13).
- **Rows.** 7,000 for training, 1,000 for validation and 2,000 for testing, by digit.
- **Classes.** Ten digits.
- **Modalities.** `m0` to `m4`, 28×28 pixels in colour: an astronaut (orange, white, black), a cup
  of coffee (red and brown), stained tissue (blue and brown cells on white), galaxies (black with
  specks), a flower (dark green and orange). Behind the digit is a random crop of the photograph;
  where the digit is (grey values of 128 and above), the crop's colours are inverted.
- **Pairing.** A row's five digits are five different images of MNIST, and each image of a split is
  used once in each modality: modality k has the images of a digit in one random order, moved by k.
- **Crops.** The photographs are cut into ten bands, one below the other. Seven are for training,
  the sixth for validation, the fourth and the eighth for testing: no image of MNIST and no pixel
  of a photograph is in two splits. A crop is used if inverting it changes colours by 96 of 255
  grey values or more on average, since a digit in grey on grey could not be read.
- **Judges.** A classifier of one modality is right about 97.0 % (`m0`), 98.3, 98.3, 97.7 and
  97.8 % (`m4`) of the validation rows, 95.3, 98.7, 98.4, 98.7 and 98.5 % of the test rows (the
  preset, seed 0: `experiments/train.py --dataset poly_mnist_small`).

How to cite: T. M. Sutter, I. Daunhawer, J. E. Vogt, "Generalized Multimodal ELBO", ICLR 2021
(PolyMNIST); S. van der Walt et al., "scikit-image: image processing in Python", PeerJ 2, 2014;
scikit-learn, https://scikit-learn.org; and MNIST.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from mmkeras.data.datasets import mnist
from mmkeras.schema import Image, Label, Schema

SIDE = 28
PHOTOGRAPHS = ("astronaut", "coffee", "immunohistochemistry", "hubble_deep_field", "flower")
NAMES = tuple(f"m{number}" for number in range(len(PHOTOGRAPHS)))
# Which of a photograph's ten bands, from the top, are a split's.
BANDS = {"train": (0, 1, 2, 4, 6, 8, 9), "validation": (5,), "test": (3, 7)}
# `content_hash` at seed 0, where Pillow decodes the photographs as its own packages do.
CONTENT_SHA256 = "8039ca00db862aaf4f0f6eeb9a1b95eae02431be673c0d75f48e2147a8e2d0b7"
_INK = 128
_CONTRAST = 96


def load(seed: int = 0) -> tuple[pd.DataFrame, Schema]:
    """Makes the pictures out of MNIST's test images, which are found or downloaded (2 MB).

    Args:
        seed: Draws the split of the images, which go together, and the crops.

    Returns:
        A pair `(table, schema)`, training rows first, then validation, then test. The table's
        columns: `m0` to `m4`, uint8 arrays `(28, 28, 3)`; `digit`, the class ("0" to "9");
        `split`; and `images`, the places in MNIST's test file that the five were made of.

    Raises:
        ImportError: scikit-image is not installed.
        ValueError: A file is not the one that it should be.
        ConnectionError: MNIST is not there and the network is not either.
    """
    # NumPy promises that this generator, unlike the newer ones, never changes its numbers.
    random = np.random.RandomState(seed)
    # First, since it may not be possible.
    backgrounds = photographs()
    images, rows = mnist.split_images("test", (7, 1, 2), random)
    chosen = _paired(rows, random)
    table = pd.DataFrame({"digit": rows["digit"].astype(str), "split": rows["split"]})
    for number, name in enumerate(NAMES):
        crops = np.empty((len(rows), SIDE, SIDE, 3), np.uint8)
        for split, bands in BANDS.items():
            places = np.flatnonzero(rows["split"] == split)
            crops[places] = random_crops(backgrounds[number], bands, len(places), random)
        table.insert(number, name, list(on_background(images[chosen[:, number]], crops)))
    indices = rows["image_index"].to_numpy()[chosen]
    table["images"] = [" ".join(map(str, five)) for five in indices]
    return table, Schema([Image(name) for name in NAMES], Label("digit"))


def photographs() -> list[np.ndarray]:
    """The photographs of `PHOTOGRAPHS`, uint8 `(height, width, 3)` each.

    Raises:
        ImportError: scikit-image is not installed.
    """
    from sklearn.datasets import load_sample_image

    try:
        from skimage import data
    except ImportError as error:
        raise ImportError(
            "The photographs are in the package `scikit-image`, which is not installed: "
            'pip install "mmkeras[datasets]"'
        ) from error
    return [getattr(data, name)() for name in PHOTOGRAPHS[:-1]] + [load_sample_image("flower.jpg")]


def _paired(rows: pd.DataFrame, random: np.random.RandomState) -> np.ndarray:
    """Which images a row is made of, `(rows, 5)`: of its split and digit, and no two the same."""
    chosen = np.empty((len(rows), len(NAMES)), np.int64)
    for _, own in rows.groupby(["split", "digit"], sort=True):
        order = random.permutation(own.index.to_numpy())
        for number in range(len(NAMES)):
            chosen[own.index, number] = np.roll(order, number)
    return chosen


def random_crops(
    photograph: np.ndarray, bands: tuple[int, ...], count: int, random: np.random.RandomState
) -> np.ndarray:
    """Crops of a photograph, anywhere inside one of the bands where inverting them is seen.

    Args:
        photograph: uint8 `(height, width, 3)`, at least 280 pixels high.
        bands: Which tenths of its height, from the top.
        count: How many crops.
        random: Draws their places.

    Returns:
        uint8 `(count, 28, 28, 3)`.
    """
    height, width, _ = photograph.shape
    # How much inverting changes each pixel, summed over every crop: whole numbers, exact.
    changes = np.abs(255 - 2 * photograph.astype(np.int64)).sum(axis=2)
    sums = np.pad(changes.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    by_crop = sums[SIDE:, SIDE:] - sums[:-SIDE, SIDE:] - sums[SIDE:, :-SIDE] + sums[:-SIDE, :-SIDE]
    allowed = np.zeros(by_crop.shape, bool)
    for band in bands:
        allowed[height * band // 10 : height * (band + 1) // 10 - SIDE + 1] = True
    corners = np.flatnonzero(allowed & (by_crop >= _CONTRAST * SIDE * SIDE * 3))
    drawn = corners[random.randint(0, len(corners), count, dtype=np.int64)]
    tops, lefts = np.divmod(drawn, width - SIDE + 1)
    side = np.arange(SIDE)
    return photograph[
        (tops[:, None] + side)[:, :, np.newaxis], (lefts[:, None] + side)[:, np.newaxis]
    ]


def on_background(digits: np.ndarray, crops: np.ndarray) -> np.ndarray:
    """Crops with their colours inverted where a digit's ink is.

    Args:
        digits: Grey values, uint8 `(pictures, 28, 28)`.
        crops: uint8 `(pictures, 28, 28, 3)`.

    Returns:
        uint8 `(pictures, 28, 28, 3)`.
    """
    return np.where(digits[..., np.newaxis] >= _INK, 255 - crops, crops)


def content_hash(table: pd.DataFrame) -> str:
    """SHA-256 of the table's pictures, digits and splits, row by row.

    Returns:
        64 hexadecimal digits; `CONTENT_SHA256` has those of seed 0.
    """
    digest = hashlib.sha256()
    for *pictures, digit, split in zip(
        *(table[name] for name in (*NAMES, "digit", "split")), strict=True
    ):
        for picture in pictures:
            digest.update(np.ascontiguousarray(picture, np.uint8))
        digest.update(f"{digit} {split}\n".encode())
    return digest.hexdigest()
