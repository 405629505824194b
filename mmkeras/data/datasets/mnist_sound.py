"""MNIST with sound: the picture of a digit, and the same digit spoken.

For generative models: what is heard is drawn, what is seen is spoken. The pairs are those of
AV-MNIST (see `avmnist.py`) in kind, but neither blurred nor noisy.

- **Source.** The 10,000 test images of MNIST (see `mnist.py`) and the Free Spoken Digit Dataset
  (see `fsdd.py`).
- **Licence.** MNIST: freely usable. FSDD, and so the sounds: CC BY-SA 4.0.
- **Rows.** 7,000 for training, 1,000 for validation and 2,000 for testing, by digit.
- **Classes.** Ten digits.
- **Image.** 28×28 grey values, white on black.
- **Audio.** One second, 8 kHz: a recording from its beginning on, then silence (of longer ones
  the middle second), all equally loud. `AUDIO` makes pictures of 32 windows and 32 mel bands.
- **Splits.** No image and no recording is in two of them. Recordings 0 to 4 of each speaker and
  digit (FSDD's test split) are for testing, 5 to 9 for validation, 10 to 49 for training: each is
  used about 3 times in training and validation, and 7 times in testing. All speakers are in all
  splits.
- **Judges.** A classifier of the image alone is right about 99.1 % of the validation rows and
  99.0 % of the test rows, one of the sound alone about 99.6 and 98.7 %, one of both 100 % (the
  preset, seed 0: `experiments/train.py --dataset mnist_sound`).

How to cite: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", Proceedings of the IEEE 86(11), 1998; Z. Jackson et al., Free Spoken Digit
Dataset, https://doi.org/10.5281/zenodo.1342401.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.data.datasets import avmnist, fsdd, mnist
from mmkeras.data.datasets.avmnist_sound import SAMPLES, choose, equal_level, recording_split
from mmkeras.data.kinds import AudioSettings
from mmkeras.schema import Audio, Image, Label, Schema

# A window every 256 samples: 32 of them, since the first and the last are centred on the ends.
AUDIO = AudioSettings(rate=fsdd.RATE, seconds=1.0, window=0.064, hop=0.032, mel_bands=32)
# `content_hash` at seed 0.
CONTENT_SHA256 = "779632d328ae196524603de410eb993ec5ba06b9422b4761327a5fc5290de9bd"
_FULL_SCALE = 32767

# The same columns.
content_hash = avmnist.content_hash


def load(seed: int = 0) -> tuple[pd.DataFrame, Schema]:
    """Pairs MNIST's test images with FSDD's recordings; found or downloaded (2 and 21 MB).

    Args:
        seed: Draws the split of the images, and which recording goes with which image.

    Returns:
        A pair `(table, schema)`, training rows first, then validation, then test. The table's
        columns: `image`, uint8 arrays `(28, 28)`; `audio`, int16 arrays `(8000,)`, 8,000 samples
        a second; `digit`, the class ("0" to "9"); `split`; `image_index`, the place in MNIST's
        test file; `recording`, the name of FSDD's file, and the group; and `speaker`.

    Raises:
        ValueError: A file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/fsdd` is incomplete.
        ConnectionError: A file is not there and the network is not either.
    """
    # NumPy promises that this generator, unlike the newer ones, never changes its numbers.
    random = np.random.RandomState(seed)
    images, rows = mnist.split_images("test", (7, 1, 2), random)
    recordings = fsdd.recordings()
    heard = np.empty(len(rows), np.int64)
    for split in mnist.SPLITS:
        pool = np.array(
            [i for i, r in enumerate(recordings) if recording_split(r, speakers=False) == split]
        )
        places = np.flatnonzero(rows["split"] == split)
        spoken = np.array([recordings[i].digit for i in pool])
        heard[places] = pool[choose(rows["digit"].to_numpy()[places], spoken, random)]
    sounds = {i: whole_second(fsdd.read_recording(recordings[i].path)) for i in set(heard.tolist())}
    table = pd.DataFrame(
        {
            "image": list(images),
            "audio": [sounds[i] for i in heard],
            "digit": rows["digit"].astype(str),
            "split": rows["split"],
            "image_index": rows["image_index"],
            "recording": [recordings[i].path.name for i in heard],
            "speaker": [recordings[i].speaker for i in heard],
        }
    )
    return table, Schema([Image("image"), Audio("audio")], Label("digit"), group="recording")


def whole_second(samples: np.ndarray) -> np.ndarray:
    """A recording at the level of all others, from the beginning of a second of silence on.

    Args:
        samples: int16 `(samples,)`; of more than a second, the middle second is kept.

    Returns:
        int16 `(8000,)`; a recording with peaks too high for its level is cut at full scale.
    """
    spoken = np.clip(equal_level(samples), -_FULL_SCALE, _FULL_SCALE)
    return np.pad(spoken, (0, SAMPLES - len(spoken))).astype(np.int16)
