"""Two sets of the MulTaBench comparison: a name or a title, facts in columns, and a price.

- **Source.** alanarazi7/MulTaBench, `multabench/datasets/url_datasets/`, commit
  599bd6a5631c96f8aef297cc4cb6e4c197ae0dca. The files were collected for the Magellan data
  repository.
- **Licence.** None stated. The files are therefore not downloaded: put them into
  `$MMKERAS_DATA/multabench`.
- **bikewale.** 9,003 used motorcycles in three Indian cities: `bike_name`; kilometres, year of the
  model, city, colour, owner; the price in rupees, at most 1,870,000 with a median of 40,000.
- **babies_r_us.** 5,085 products for small children: `title`; category, companies, fabrics,
  colours, materials, sizes; the price in dollars, 2.98 to 599.99 with a median of 29.99.
- **Protocol** (`protocol_split`). Five folds, each with a tenth of the rows for testing, drawn by
  scikit-learn's `train_test_split` with `random_state` 42 to 46; R². The columns that name a row
  are dropped.
- **What to know.** The three sizes and the weight of babies_r_us are parts of sentences, most of
  them empty; a number that one begins with is taken for the size (inches) or the weight (ounces),
  anything else for a missing one. Products of one series follow each other, and folds are drawn by
  row, so that most test rows have near copies among the training rows.

How to cite: A. Arazi et al., "MulTaBench", arXiv 2605.10616; S. Das, A. Doan, P. Suganthan G. C.,
C. Gokhale, P. Konda, "The Magellan Data Repository", University of Wisconsin-Madison.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from mmkeras.data.tables.splits import Splits
from mmkeras.schema import Number, Schema, Tabular, Text

FOLDS = 5
PROTOCOL = "multabench"  # in the configurations of runs
SETS = ("babies_r_us", "bikewale")

_SIZES = ("length", "width", "height")
_OUNCES = {"oz": 1.0, "lb": 16.0, "lbs": 16.0}


def load(name: str = "bikewale") -> tuple[pd.DataFrame, Schema]:
    """One set: a text, a table, and the price.

    Args:
        name: babies_r_us or bikewale.

    Returns:
        A pair `(table, schema)`, the rows in the file's order.

    Raises:
        ValueError: There is no such set.
        FileNotFoundError: Its file is not in `$MMKERAS_DATA/multabench`.
    """
    if name not in SETS:
        raise ValueError(f"No set {name!r} of MulTaBench here. There are: {', '.join(SETS)}.")
    root = os.environ.get("MMKERAS_DATA")
    path = Path(root or ".").expanduser() / "multabench" / f"{name}.csv"
    if not root or not path.is_file():
        raise FileNotFoundError(
            f"There is no {path if root else f'{name}.csv'}. No licence is stated for these files, "
            "so that they are not downloaded: put them into a folder multabench, and set "
            "MMKERAS_DATA to the folder that it is in."
        )
    table = pd.read_csv(path)
    if name == "bikewale":
        # One fuel is all bikes'.
        table = table.drop(columns=["id", "url", "fuel_type"])
        table["color"] = table["color"].str.strip().str.lower()
        facts = Tabular(
            "facts",
            numeric=("km_driven", "model_year"),
            categorical=("city_posted", "color", "owner_type"),
        )
        return table, Schema([Text("name", "bike_name"), facts], Number("price"))
    table = table.drop(columns=["int_id", "ext_id", "SKU", "brand"])
    for column in _SIZES:
        table[column] = pd.to_numeric(table[column].str.extract(r"^\s*(\d+(?:\.\d+)?)")[0])
    table["weight"] = _ounces(table["weight"])
    table["is_discounted"] = table["is_discounted"].astype(str)
    facts = Tabular(
        "facts",
        numeric=(*_SIZES, "weight"),
        categorical=(
            "is_discounted",
            "category",
            "company_struct",
            "company_free",
            "fabrics",
            "colors",
            "materials",
        ),
    )
    return table, Schema([Text("title"), facts], Number("price"))


def _ounces(cells: pd.Series) -> pd.Series:
    """Weights such as "1 lb. 4 oz." in ounces."""
    parts = cells.str.extractall(r"(\d+(?:\.\d+)?)\s*(lbs|lb|oz)")
    ounces = parts[0].astype(float) * parts[1].map(_OUNCES)
    return ounces.groupby(level=0).sum().reindex(cells.index)


def protocol_split(table: pd.DataFrame, fold: int, validation: float = 0.1) -> Splits:
    """The rows of one fold, as the comparison draws them; of its training rows some for validation.

    Args:
        table: All rows, in the file's order.
        fold: 0 to 4.
        validation: Their share of the training rows.
    """
    if not 0 <= fold < FOLDS:
        raise ValueError(f"The folds are 0 to {FOLDS - 1}. Received: {fold}.")
    places = np.arange(len(table))
    train, test = train_test_split(places, test_size=int(0.1 * len(table)), random_state=42 + fold)
    train, held_out = train_test_split(
        train, test_size=int(validation * len(train)), random_state=fold
    )
    return Splits(*(table.iloc[part] for part in (train, held_out, test)))
