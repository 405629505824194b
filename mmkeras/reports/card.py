"""One row of the data as an example: what it holds, and what the model made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Card:
    """One row of the data, with what the model made of it.

    Args:
        title: What the model said.
        right: Whether it was right; `None` where that is not the question.
        picture: uint8, `(height, width, 1 | 3)`.
        pictures: More of them with their labels, e.g. the picture under a heat map.
        sound: int16 samples of one channel, `(samples,)`, and their rate in hertz.
        text: The row's text, or its words with the effect of each: above 0 a word speaks for the
            answer, below 0 against it.
        table: Cells of the row by their columns' names.
        notes: Sentences below.
    """

    title: str
    right: bool | None = None
    picture: np.ndarray | None = None
    pictures: Sequence[tuple[str, np.ndarray]] = ()
    sound: tuple[np.ndarray, int] | None = None
    text: str | Sequence[tuple[str, float]] | None = None
    table: Mapping[str, str] | None = None
    notes: Sequence[str] = ()

    def __post_init__(self):
        shown = [] if self.picture is None else [self.picture]
        for pixels in [*shown, *(pixels for _, pixels in self.pictures)]:
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
                raise ValueError(
                    f"Card {self.title!r}: a picture is uint8 of shape (height, width, 1 | 3). "
                    f"Received: {pixels.dtype} of shape {pixels.shape}."
                )
        if self.sound is not None and (self.sound[0].dtype != np.int16 or self.sound[0].ndim != 1):
            raise ValueError(
                f"Card {self.title!r}: a sound is int16 of shape (samples,). Received: "
                f"{self.sound[0].dtype} of shape {self.sound[0].shape}."
            )
