"""AV-MNIST: a blurred picture of a digit, and the same digit spoken in a noisy room.

Neither is enough alone. Vielzeuf et al. introduced the data set and MultiBench made it a benchmark,
but the files can no longer be obtained. This is a reconstruction from public parts, made again on
each machine, byte for byte the same, from one seed. **Its figures cannot be compared with those
published for the original**, whose noise and pairing are not known.

- **Source.** MNIST (see `mnist.py`) and the Free Spoken Digit Dataset (see `fsdd.py`).
- **Licence.** MNIST: freely usable. FSDD, and so the sounds: CC BY-SA 4.0.
- **Rows.** `small`: the 10,000 test images of MNIST, 7,000 for training, 1,000 for validation and
  2,000 for testing, by digit. `full`: the 60,000 training images, 55,000 for training and 5,000
  for validation, and the 10,000 test images for testing.
- **Classes.** Ten digits.
- **Image.** 28×28. Principal components of the training rows' images; an image keeps its mean
  and the leading components that together reach 25 % of the variance (four, as with scikit-learn's
  `PCA(n_components=0.25)`), and loses the others.
- **Audio.** One second, 8 kHz (to be read by `AUDIO`, or other settings with `rate=8000`). A
  recording of the digit at a random moment, brought to the same loudness as all others, in a
  babble of six voices at 0 dB. Each voice is a random second out of all recordings of the split,
  played one after the other. The babble does not depend on the digit: what it says tells nothing.
- **Splits.** No image and no recording is in two of them, nor is a recording of one in the babble
  of another. Recordings 0 to 4 of each speaker and digit (FSDD's test split) are for testing, 5
  to 9 for validation, 10 to 49 for training. So each recording is used several times, each
  time in other babble: about 3 times in training (`small`) or 23 times (`full`).
- **Unseen speaker.** With `speakers=True` all test rows are spoken by yweweler, whom training and
  validation never hear, babble included. Validation then says little about the test.
- **Baselines**, `small`, test accuracy, mean ± standard deviation over five seeds
  (`experiments/avmnist.py`: three 3×3 convolutions a modality, sounds as 56×56 log-mel, late
  fusion): image 62.8 ± 0.3 %, audio 69.6 ± 1.9 %, both 88.6 ± 0.5 %; with
  `speakers=True` 62.8 ± 0.3, 48.1 ± 2.9 and 78.4 ± 1.6 %. Voices and level of the babble
  were chosen on validation rows, so that neither modality is near the ceiling.

How to cite: V. Vielzeuf, A. Lechervy, S. Pateux, F. Jurie, "CentralNet: a Multilayer Approach for
Multimodal Fusion", ECCV Workshops 2018; P. P. Liang et al., "MultiBench: Multiscale Benchmarks for
Multimodal Representation Learning", NeurIPS Datasets and Benchmarks 2021; and the two sources.

MultiBench's files, for its own code (`avmnist_export.py` says what they hold):

    python -m mmkeras.data.datasets.avmnist --out data/avmnist --variant full
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from mmkeras.data.datasets import fsdd, mnist
from mmkeras.data.datasets.avmnist_sound import make_sounds
from mmkeras.data.kinds import AudioSettings
from mmkeras.schema import Audio, Image, Label, Schema

VARIANTS = ("small", "full")
# 112 windows of 112 bands, as in the original.
AUDIO = AudioSettings(
    rate=fsdd.RATE, seconds=1.0, window=0.064, hop=0.009, fft_length=1024, mel_bands=112
)
# `content_hash` of (variant, speakers) at seed 0. `full` needs MNIST's 60,000 training images,
# which were not at hand when the others were computed; the export prints its hash.
CONTENT_SHA256 = {
    ("small", False): "d39d530e9da297b25357d6b78f10fba7d4098122aae5518ca5731d45cb90c7a3",
    ("small", True): "fb239b43d8c5fdc5f11b20931e80e475ebec8ed11ac0026b422a17bc51430c1e",
    ("full", False): None,
    ("full", True): None,
}
_VARIANCE_KEPT = 0.25
# Entries of components are rounded to whole multiples of 2^-16.
_FRACTION = 1 << 16
_CHUNK = 5000


def load(
    variant: str = "small", speakers: bool = False, seed: int = 0
) -> tuple[pd.DataFrame, Schema]:
    """Makes AV-MNIST out of MNIST and FSDD, which are found or downloaded (2 to 12 MB and 21 MB).

    Args:
        variant: `"small"` (10,000 rows, 0.2 GB of memory) or `"full"` (70,000 rows, 1.5 GB).
        speakers: Whether a speaker is kept for the test rows.
        seed: Draws the split of the images, which recording goes with which image, and the noise.

    Returns:
        A pair `(table, schema)`. The table's columns, training rows first, then validation, then
        test: `image`, uint8 arrays `(28, 28)`; `audio`, int16 arrays `(8000,)`, 8,000 samples a
        second; `digit`, the class ("0" to "9"); `split`; `image_index`, the place in MNIST's
        test file (`full`: its training file, but for the test rows); `recording`, the name of
        FSDD's file; and `speaker`.

    Raises:
        ValueError: There is no such variant, or a file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/fsdd` is incomplete.
        ConnectionError: A file is not there and the network is not either.
    """
    if variant not in VARIANTS:
        raise ValueError(f"`variant` must be one of {VARIANTS}. Received: {variant!r}.")
    # NumPy promises that this generator, unlike the newer ones, never changes its numbers.
    random = np.random.RandomState(seed)
    images, rows = _split_images(variant, random)
    images = blur(images, images[rows["split"] == "train"])
    sounds, heard = make_sounds(
        rows["digit"].to_numpy(), rows["split"].to_numpy(), fsdd.recordings(), speakers, random
    )
    table = pd.DataFrame(
        {
            "image": list(images),
            "audio": list(sounds),
            "digit": [str(digit) for digit in rows["digit"]],
            "split": rows["split"],
            "image_index": rows["image_index"],
            "recording": [recording.path.name for recording in heard],
            "speaker": [recording.speaker for recording in heard],
        }
    )
    return table, Schema([Image("image"), Audio("audio")], Label("digit"), group="recording")


def _split_images(variant: str, random: np.random.RandomState) -> tuple[np.ndarray, pd.DataFrame]:
    """The images, `(rows, 28, 28)`, and their digits, splits and places in MNIST's file."""
    if variant == "small":
        return mnist.split_images("test", (7, 1, 2), random)
    images, rows = mnist.split_images("train", (11, 1, 0), random)
    test_images, labels = mnist.load_images("test")
    test_rows = pd.DataFrame(
        {"digit": labels, "split": "test", "image_index": np.arange(len(labels))}
    )
    return np.concatenate([images, test_images]), pd.concat([rows, test_rows], ignore_index=True)


def blur(images: np.ndarray, training_images: np.ndarray) -> np.ndarray:
    """Keeps of each image what the training images' leading principal components say.

    Sums of pixels and of their products are whole numbers and exact. The components are rounded
    to a grid, and all that follows is exact again, so that the last bits in which machines'
    eigenvectors differ do not reach the images. An eigenvector's sign does not matter either.

    Args:
        images: uint8 `(images, height, width)`.
        training_images: uint8 `(training images, height, width)`, what the components are of.

    Returns:
        uint8, of the shape of `images`.
    """
    pixels = images.reshape(len(images), -1)
    count, total, products = _sums(training_images)
    variances, vectors = np.linalg.eigh(count * products - np.outer(total, total))
    explained = np.cumsum(variances[::-1]) / variances.sum()
    kept = 1 + np.searchsorted(explained, _VARIANCE_KEPT)
    components = np.rint(vectors[:, ::-1][:, :kept] * _FRACTION)
    blurred = np.empty_like(pixels)
    # Training images times 255 grey values times the grid squared stays within 64 bits.
    unit = count * _FRACTION**2
    for start in range(0, len(pixels), _CHUNK):
        centred = count * pixels[start : start + _CHUNK].astype(np.float64) - total
        scores = (centred @ components).astype(np.int64)
        values = scores @ components.T.astype(np.int64) + total.astype(np.int64) * _FRACTION**2
        blurred[start : start + _CHUNK] = np.clip((values + unit // 2) // unit, 0, 255)
    return blurred.reshape(images.shape)


def _sums(images: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """How many images, the sum of their pixels, and that of the pixels' products (float64)."""
    pixels = images.reshape(len(images), -1)
    total, products = np.zeros(pixels.shape[1]), np.zeros((pixels.shape[1],) * 2)
    for start in range(0, len(pixels), _CHUNK):
        chunk = pixels[start : start + _CHUNK].astype(np.float64)
        total += chunk.sum(axis=0)
        products += chunk.T @ chunk
    return len(pixels), total, products


def content_hash(table: pd.DataFrame) -> str:
    """SHA-256 of the table's images, sounds, digits and splits, row by row.

    Returns:
        64 hexadecimal digits; `CONTENT_SHA256` has those of seed 0.
    """
    digest = hashlib.sha256()
    columns = (table[name] for name in ("image", "audio", "digit", "split"))
    for image, audio, digit, split in zip(*columns, strict=True):
        digest.update(np.ascontiguousarray(image, np.uint8))
        digest.update(np.ascontiguousarray(audio, "<i2"))
        digest.update(f"{digit} {split}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    from mmkeras.data.datasets.avmnist_export import main

    main()
