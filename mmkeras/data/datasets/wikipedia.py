"""Wikipedia: sections of featured articles and the picture next to them, as numeric features.

The data set of cross-modal retrieval: find the pictures that go with a text, and the texts that go
with a picture.

- **Source.** emanuetre/crossmodal, `wikipedia_info`, commit
  40db7f5338a150ef8feff2787f4bb8b3df809355.
- **Licence.** ISC (the repository). Features only, computed by the authors; cite the paper below.
- **Rows.** 2,866 pairs of a section and a picture, 2,173 for training and 693 for testing, the
  official split.
- **Classes.** Ten categories of Wikipedia, 172 to 451 rows each: art, biology, geography, history,
  literature, media, music, royalty, sport, warfare.
- **Features.** Image: a histogram of 128 visual words (SIFT). Text: the shares of 10 topics
  (latent Dirichlet allocation). Each sums to 1.
- **What to know.** 401 of the 518 articles that test sections come from have sections in training
  as well, all of them of the same class. A stricter split keeps articles together: pass
  `group="article"` in the schema. The text tells the class far better than the image, and fusing
  the two gains nothing over the text alone.
- **Published** (Rasiwasia et al., 2010), mean average precision over all test rows, image to text
  and text to image: correlation matching 0.249 and 0.196, semantic matching 0.225 and 0.223, both
  0.277 and 0.226. At random 0.118 and 0.118.

How to cite: N. Rasiwasia, J. Costa Pereira, E. Coviello, G. Doyle, G. R. G. Lanckriet, R. Levy,
N. Vasconcelos, "A New Approach to Cross-Modal Multimedia Retrieval", ACM Multimedia 2010.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io

from mmkeras.data.datasets.multiview import conversion
from mmkeras.data.download import files_folder
from mmkeras.schema import Label, Schema, Tabular

_SOURCE = (
    "https://raw.githubusercontent.com/emanuetre/crossmodal/"
    "40db7f5338a150ef8feff2787f4bb8b3df809355/wikipedia_info"
)
_SHA256 = {
    "raw_features.mat": "ca628f765a69575e168ab29eb97f5ade12fadf47b31de1328c7ff631c7f225ae",
    "trainset_txt_img_cat.list": "30c1ba8afbe90da5986de9b12496b6dd2e4680d3876b79ab7aae2e437d5819a3",
    "testset_txt_img_cat.list": "ec3123ee31cc89dd95fbeb23eb73b2ecfd1d8909bba863723471aad99408c1eb",
    "categories.list": "4929f3ee00e9de9ffe11f9ab18fc8919b0f6182cc801309409df2f2d05e2b0f5",
}
# A split's name in the file of features.
_PARTS = {"train": "tr", "test": "te"}
# A modality's name in the file of features.
_MATRICES = {"image": "I", "text": "T"}


def load(target: str = "") -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the features.

    The files are taken from `$MMKERAS_DATA/wikipedia` if that folder exists, and otherwise
    downloaded once into a cache: about 1.3 MB, checked against known hashes.

    Args:
        target: `"text"` or `"image"`, the modality to be predicted from the other one; by default
            the category is predicted from both.

    Returns:
        A pair `(table, schema)`, training rows first, in the official order. The table's columns:
        `image_0` to `image_127` and `text_0` to `text_9`, two tabular modalities, `image` and
        `text`; `category`, the class; `split`, "train" or "test"; `article`; and `section`,
        which names the row. With `target`, `image` and `text` are one column each, with float32
        arrays `(128,)` and `(10,)`, and modalities are `Sequence`s of one step.

    Raises:
        ValueError: There is no such modality, or a file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/wikipedia` is incomplete.
        ConnectionError: Nothing is there and the network is not either.
    """
    folder = files_folder("wikipedia", _SOURCE, _SHA256)
    categories = _lines(folder / "categories.list")
    matrices = scipy.io.loadmat(folder / "raw_features.mat")
    parts = []
    for split, part in _PARTS.items():
        path = folder / f"{split}set_txt_img_cat.list"
        # A section, its picture, and the number of its category, from 1.
        rows = [line.split("\t") for line in _lines(path)]
        columns: dict[str, object] = {}
        for name, letter in _MATRICES.items():
            features = matrices[f"{letter}_{part}"].astype(np.float32)
            if len(features) != len(rows):
                raise ValueError(
                    f"{path} names {len(rows):,} rows and {folder / 'raw_features.mat'} has "
                    f"{len(features):,}. The files do not belong together: download them again."
                )
            if target:
                columns[name] = list(features)
            else:
                columns |= {f"{name}_{place}": values for place, values in enumerate(features.T)}
        columns["category"] = [categories[int(category) - 1] for *_, category in rows]
        columns["split"] = split
        # "c6c0c0eb...-6": the article and the section's number.
        columns["article"] = [section.rpartition("-")[0] for section, *_ in rows]
        columns["section"] = [section for section, *_ in rows]
        parts.append(pd.DataFrame(columns))
    table = pd.concat(parts, ignore_index=True)
    if target:
        return table, conversion(_MATRICES, target, id="section")
    modalities = [
        Tabular(name, numeric=[column for column in table if column.startswith(f"{name}_")])
        for name in _MATRICES
    ]
    return table, Schema(modalities, Label("category"), id="section")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="latin-1").splitlines()
