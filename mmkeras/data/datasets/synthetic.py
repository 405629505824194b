"""Synthetic: two to five modalities that share what they say about a label in known amounts.

Each row draws one mechanism, which is independent of the label and decides who carries the label's
bit:

    redundant    with probability r      every modality carries it
    unique_m1    with probability u_1    m1 carries it, the others a coin of their own
    ...
    synergy      with probability s      all carry coins whose parity (XOR) is the label
    none         otherwise               all carry coins; nothing shows the label

- **Source.** Generated; `seed` decides every number.
- **Licence.** None is needed.
- **Rows.** 4,000 by default: 60 % for training, 15 % for validation, 25 % for testing.
- **Classes.** "no" and "yes", equally probable.
- **Modalities.** `m1`, `m2`, ...: vectors of 8 numbers. Each modality has an orthonormal direction
  for every mechanism. A row's vector is the direction of its mechanism, times +1 or -1 for the bit
  that the modality carries, plus Gaussian noise. So every modality shows the mechanism, none in a
  single number, and the noise (0.1, where the vectors before it are sqrt(2) or 2 apart) hides
  neither mechanism nor bit.
- **What is known.** Let `M` be the mechanism. Every subset `S` of the modalities shows it, and it
  says nothing of the label `Y`, so that with `B_S` the bits of `S`

      I(Y; S) = I(Y; M) + I(Y; B_S | M) = sum over mechanisms k of p(k) I(Y; B_S | M = k)
              = r + (sum of u_i over S) + (s if S is all)

  bits, for S not empty. With each mechanism the bits decompose (Williams and Beer, 2010) in one
  way only, as long as no part is negative and of two copies all is redundant: into one bit that is
  redundant, unique or synergistic. Averaged over mechanisms, these parts are exactly r, u_1, u_2,
  ... and s. Where the mechanism shows a bit of S the label is known, and elsewhere it is a coin:
  the best accuracy from S is (1 + I(Y; S)) / 2. `truth` has these values.
- **What to know.** Redundancy measured row by row (Ince, 2017) gives these amounts for the whole
  data, too. Measures that see only each modality's own distribution with the label do not: the
  minimum of Williams and Beer, and that of Bertschinger et al. (2014), which Liang et al. (2023)
  estimate, call min(u_1, u_2) of two modalities redundant and add as much to the synergy. They see
  two modalities that are right equally often, not that these are different rows.

References:
    - Williams and Beer, "Nonnegative decomposition of multivariate information", 2010,
      [arXiv](https://arxiv.org/abs/1004.2515)
    - [Bertschinger et al., 2014](https://arxiv.org/abs/1311.2852)
    - [Ince, 2017](https://doi.org/10.3390/e19070318)
    - [Liang et al., 2023](https://arxiv.org/abs/2302.12247)
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.data.datasets.synthetic_truth import truth
from mmkeras.schema import Label, Schema, Sequence

_CLASSES = np.array(["no", "yes"], dtype=object)
_SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}


def load(
    redundant: float = 0.25,
    unique: tuple[float, ...] = (0.25, 0.25),
    synergy: float = 0.25,
    *,
    rows: int = 4000,
    features: int = 8,
    noise: float = 0.1,
    seed: int = 0,
) -> tuple[pd.DataFrame, Schema]:
    """Draws the rows.

    Args:
        redundant: Bits about the label that every modality says.
        unique: Bits that only this modality says, one number per modality.
        synergy: Bits that only all modalities together say.
        rows: How many rows, at least 10.
        features: Numbers of a vector, at least 3 more than there are modalities.
        noise: Standard deviation of the noise on each number. Above 0.15 it hides some of the
            bits, and what `truth` says is an upper bound.
        seed: Decides the directions, the rows and the noise.

    Returns:
        A pair `(table, schema)`. The table's columns: `m1`, `m2`, ..., float32 arrays
        `(features,)`; `label`, the class; `mechanism`, which no model is shown; and `split`.

    Raises:
        ValueError: An amount is negative, they sum to more than 1, there are not 2 to 5
            modalities, or another argument is out of range.

    Example:

    >>> table, schema = load(redundant=0.5, unique=(0.2, 0.1, 0.0), synergy=0.2)
    >>> schema.names, table["m3"][0].shape
    (('m1', 'm2', 'm3'), (8,))
    """
    known = truth(redundant, unique, synergy)
    names, mechanisms = known.names, known.mechanisms
    if not isinstance(rows, (int, np.integer)) or rows < 10:
        raise ValueError(f"`rows` is a whole number, at least 10. Received: {rows!r}.")
    if not isinstance(features, (int, np.integer)) or features < len(mechanisms):
        raise ValueError(
            f"{len(names)} modalities have {len(mechanisms)} mechanisms, and `features` is a whole "
            f"number at least as large. Received: {features!r}."
        )
    if not 0 <= noise < np.inf:
        raise ValueError(f"`noise` is a standard deviation, 0 or more. Received: {noise}.")
    random = np.random.default_rng(seed)
    label = random.integers(2, size=rows)
    mechanism = random.choice(len(mechanisms), size=rows, p=list(mechanisms.values()))
    bits = random.integers(2, size=(len(names), rows))
    kind = np.array(list(mechanisms))[mechanism]
    # The last modality's coin makes the parity the label.
    bits[-1] = np.where(kind == "synergy", (bits[:-1].sum(axis=0) + label) % 2, bits[-1])
    columns = {}
    for name, carried in zip(names, bits, strict=True):
        shown = np.isin(kind, ["redundant", f"unique_{name}"])
        sign = 2.0 * np.where(shown, label, carried) - 1
        directions = np.linalg.qr(random.normal(size=(features, len(mechanisms))))[0].T
        vectors = sign[:, None] * directions[mechanism]
        vectors += noise * random.normal(size=vectors.shape)
        columns[name] = list(vectors.astype(np.float32))
    table = pd.DataFrame({**columns, "label": _CLASSES[label], "mechanism": kind.astype(object)})
    sizes = [round(share * rows) for share in list(_SHARES.values())[:-1]]
    table["split"] = np.repeat(list(_SHARES), [*sizes, rows - sum(sizes)])
    return table, Schema([Sequence(name) for name in names], Label("label"))
