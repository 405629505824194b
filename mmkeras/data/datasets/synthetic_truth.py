"""What is to be found in the synthetic data set, worked out from its amounts of information."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Truth:
    """What is to be found in the data, worked out from the amounts.

    Args:
        redundant: Bits that every modality says.
        unique: Bits that only this modality says, one number per modality.
        synergy: Bits that only all modalities together say.
    """

    redundant: float
    unique: tuple[float, ...]
    synergy: float

    def __post_init__(self):
        object.__setattr__(self, "unique", tuple(self.unique))
        if not 2 <= len(self.unique) <= 5:
            raise ValueError(
                "`unique` has one number per modality, for 2 to 5 modalities. Received: "
                f"{self.unique}."
            )
        amounts = np.array([self.redundant, *self.unique, self.synergy], np.float64)
        # Not `< 0`: NaN is not an amount either. The 1e-9 is for sums such as 0.1 + 0.2 + 0.7.
        if not (amounts >= 0).all() or amounts.sum() > 1 + 1e-9:
            raise ValueError(
                "The amounts are bits of a label that has one: not negative, and at most 1 in "
                f"all. Received: redundant={self.redundant}, unique={self.unique}, "
                f"synergy={self.synergy}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities."""
        return tuple(f"m{number}" for number in range(1, 1 + len(self.unique)))

    @property
    def mechanisms(self) -> dict[str, float]:
        """Each mechanism's probability."""
        unique = {f"unique_{n}": u for n, u in zip(self.names, self.unique, strict=True)}
        shown = {"redundant": self.redundant, **unique, "synergy": self.synergy}
        return {**shown, "none": max(0.0, 1.0 - sum(shown.values()))}

    def information(self, subset: Iterable[str | int]) -> float:
        """Bits that a subset of the modalities says about the label.

        Args:
            subset: Names of modalities, or their places, from 0.
        """
        subset = list(subset)
        known = {**dict(zip(self.names, self.unique, strict=True)), **dict(enumerate(self.unique))}
        if unknown := [name for name in subset if name not in known]:
            raise ValueError(
                f"A subset is a list of some of {list(self.names)}, or of their places from 0. "
                f"Received: {unknown}."
            )
        members = {name if isinstance(name, str) else self.names[name] for name in subset}
        bits = sum(known[name] for name in sorted(members))
        bits += self.redundant if members else 0.0
        return bits + (self.synergy if len(members) == len(self.unique) else 0.0)

    def accuracy(self, subset: Iterable[str | int]) -> float:
        """The best accuracy from a subset of the modalities; 0.5 from none."""
        return (1.0 + self.information(subset)) / 2

    @property
    def ceiling(self) -> float:
        """The best accuracy from all modalities."""
        return self.accuracy(self.names)

    @property
    def shapley(self) -> dict[str, float]:
        """Each modality's Shapley value of the best accuracy; they sum to `ceiling - 0.5`.

        Of `m` modalities, all are alike in what is redundant and in what is synergistic, and
        share it equally; what is unique is its modality's own:

            phi_i = (r / m + u_i + s / m) / 2
        """
        shared = (self.redundant + self.synergy) / len(self.unique)
        return {n: (shared + u) / 2 for n, u in zip(self.names, self.unique, strict=True)}

    @property
    def shares(self) -> dict[str, float]:
        """The Shapley values divided by their sum; NaN if nothing tells the label."""
        total = sum(self.shapley.values())
        return {n: value / total if total else np.nan for n, value in self.shapley.items()}


def truth(
    redundant: float = 0.25, unique: tuple[float, ...] = (0.25, 0.25), synergy: float = 0.25
) -> Truth:
    """What is to be found in the data of `load` with the same amounts.

    Raises:
        ValueError: An amount is negative, they sum to more than 1, or there are not 2 to 5
            modalities.

    Example: either modality alone finds a half of the label.

    >>> known = truth()
    >>> known.accuracy(["m1"]), known.ceiling, known.shapley
    (0.75, 1.0, {'m1': 0.25, 'm2': 0.25})
    """
    return Truth(redundant, unique, synergy)
