"""What a corruption is: a name, what its five strengths mean, and a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Corruption:
    """A change for the worse to the cells of one modality, at five strengths.

    It acts on decoded raw cells, before the model's preprocessing, and on all rows at once. What
    comes out has the form and the type of what went in, which is left as it was.

    One seed gives one corruption. All strengths of a seed share their draws: what strength 2
    deletes, strength 3 deletes too, and noise grows without changing its shape. So the curve over
    the strengths is smooth, and two models that are given one seed are given the same cells. Give
    modalities that are corrupted together a seed each, or their draws are alike.

    Args:
        name: Its name in `CORRUPTIONS`.
        amounts: What the strengths 1, 2, ... mean.
        unit: What the amounts count, in words, as a picture's axis shows it.
        apply: `(values, amount, random, fitted) -> values`. It makes the same draws from `random`
            whatever the amount.
    """

    name: str
    amounts: tuple[float, ...]
    unit: str
    apply: Callable[[Any, float, np.random.Generator, Any], Any]

    def __call__(self, values: Any, strength: int, *, fitted: Any, seed: int) -> Any:
        """The values, corrupted.

        Args:
            values: All rows of one modality; `mmkeras.evaluation.corruptions` says in which form.
            strength: From 1 to the number of `amounts`.
            fitted: The modality's preprocessor: `preprocessing.modalities[name]`.
            seed: Decides what is drawn.

        Raises:
            ValueError: Another strength, or values of another form.
        """
        if strength not in range(1, len(self.amounts) + 1):
            raise ValueError(
                f"The strengths of {self.name!r} are 1 to {len(self.amounts)}; unchanged values "
                f"have strength 0. Received: {strength!r}."
            )
        return self.apply(values, self.amounts[strength - 1], np.random.default_rng(seed), fitted)


def round_randomly(share: float, count: int, draw: float) -> int:
    """How many of `count` things a share is, rounded down or up by a draw from [0, 1).

    `floor(share * count + draw)`: on average it is `share * count`, which rounding to the nearest
    is not where there are few things, and for one draw it grows with the share.

    >>> [round_randomly(share, 5, 0.5) for share in (0.05, 0.1, 0.3, 0.5)]
    [0, 1, 2, 3]
    """
    return math.floor(share * count + draw)
