"""MNIST: pictures of handwritten digits. A part of other data sets: it has one modality.

- **Source.** LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist, in its IDX format, gzip;
  downloaded from the mirror https://ossci-datasets.s3.amazonaws.com/mnist.
- **Licence.** Freely usable.
- **Rows.** 60,000 training and 10,000 test images, 28×28 grey values, white on black.
- **Classes.** Ten digits, 980 to 1,135 test images and 5,421 to 6,742 training images each.
- **Hashes.** Those of the contents were compared with the test files. Those of the training files,
  and of the mirror's archives, are the values that other libraries (torchvision, TensorFlow
  Datasets) and many public projects check against.

How to cite: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", Proceedings of the IEEE 86(11), 1998.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.data.download import cache_dir, fetch_file, provided_dir

SPLITS = ("train", "validation", "test")
_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"
# Of the mirror's archive, and of what is in it: other mirrors pack the same contents otherwise.
_SHA256 = {
    "train-images-idx3-ubyte": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
_PREFIX = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08


def load_images(part: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Finds or downloads the images of one part and their labels.

    A file is taken from `$MMKERAS_DATA/mnist` if it is there, and otherwise downloaded once into
    a cache (10 MB for the training images, under 2 MB for the test images).

    Args:
        part: `"train"` (60,000 images) or `"test"` (10,000).

    Returns:
        A pair `(images, labels)`: uint8 `(images, 28, 28)`, 0 black and 255 white, and uint8
        `(images,)`, the digits, in the official order.

    Raises:
        ValueError: There is no such part, or a file is not the one that it should be.
        ConnectionError: A file is not there and the network is not either.
    """
    if part not in _PREFIX:
        raise ValueError(f"`part` must be 'train' or 'test'. Received: {part!r}.")
    provided = provided_dir("mnist")
    images, labels = (
        _read(f"{_PREFIX[part]}-{content}-ubyte", provided)
        for content in ("images-idx3", "labels-idx1")
    )
    return images, labels


def split_images(
    part: str, shares: tuple[int, int, int], random: np.random.RandomState
) -> tuple[np.ndarray, pd.DataFrame]:
    """The images of one part, parted by digit into training, validation and test rows.

    The images of a digit are put in random order and dealt out like cards.

    Args:
        part: As for `load_images`.
        shares: How many images of a digit go to training, validation and testing each round.
        random: Draws the order.

    Returns:
        A pair `(images, rows)`, training rows first, then validation, then test: uint8
        `(images, 28, 28)`; and a table of `digit`, `split` and `image_index`, the place in the
        file. Within a split, images are in the file's order.
    """
    images, labels = load_images(part)
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    turns = np.repeat(SPLITS, shares)
    splits = np.empty(len(labels), object)
    splits[order] = turns[np.arange(len(labels)) % len(turns)]
    places = np.concatenate([np.flatnonzero(splits == split) for split in SPLITS])
    rows = {"digit": labels[places], "split": splits[places], "image_index": places}
    return images[places], pd.DataFrame(rows)


def _read(name: str, provided: Path | None) -> np.ndarray:
    archive, content = _SHA256[name]
    path = provided / f"{name}.gz" if provided else None
    if path is None or not path.is_file():
        path = fetch_file(f"{_MIRROR}/{name}.gz", cache_dir("mnist") / f"{name}.gz", archive)
    return read_idx(path, content)


def read_idx(path: Path, sha256: str | None = None) -> np.ndarray:
    """Reads a gzipped IDX file of unsigned bytes.

    Its header is two zero bytes, the type (8), the number of axes, and each axis' length as a
    big-endian 32-bit integer.

    Args:
        path: The file.
        sha256: The expected hash of the unpacked content, in hexadecimal; `None` for any.

    Returns:
        A uint8 array of the shape that the file says.

    Raises:
        ValueError: It is not such a file, or not the expected one.
    """
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a gzip file: {error}. Remove it and run again.") from error
    got = hashlib.sha256(data).hexdigest()
    if sha256 is not None and got != sha256:
        raise ValueError(
            f"{path} is not the file it should be: its content has sha256 {got}, expected "
            f"{sha256}. Remove it and run again, which downloads it."
        )
    if len(data) < 4 or data[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise ValueError(f"{path} is not an IDX file of unsigned bytes: it begins {data[:4]!r}.")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise ValueError(f"{path} ends inside its header, after {len(data)} bytes.")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    values = np.frombuffer(data, np.uint8, offset=start)
    if len(values) != np.prod(shape, dtype=np.int64):
        raise ValueError(f"{path} says shape {shape} and holds {len(values):,} values.")
    return values.reshape(shape)
