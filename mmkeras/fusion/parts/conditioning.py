"""Which modality conditions the others, for fusions in which one has a part of its own."""

from __future__ import annotations

import operator
from typing import Any


def check_condition(condition: Any) -> int:
    """A modality's index as an int; negative ones count from the end."""
    try:
        return operator.index(condition)
    except TypeError:
        raise ValueError(
            "`condition` is the index of the conditioning modality, an integer; -1 is the last. "
            f"Received: {condition!r}."
        ) from None


def split_condition(class_name: str, condition: int, modalities: int) -> tuple[int, list[int]]:
    """The conditioning modality's index, from 0, and those of all others.

    Raises:
        ValueError: If there are not as many modalities.
    """
    if not -modalities <= condition < modalities:
        raise ValueError(
            f"{class_name}'s `condition` is the index of one of {modalities} modalities, "
            f"{-modalities} to {modalities - 1}. Received: {condition}."
        )
    index = condition % modalities
    return index, [i for i in range(modalities) if i != index]
