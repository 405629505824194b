"""One row of the data as an example: what it holds, and what the model made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Card:
    """One row of the data, with what the model made of it.

    Of each modality, and so of each picture, sound and text, there may be several. A label says
    which is meant; it is empty where that is plain.

    Args:
        title: What the model said.
        right: Whether it was right; `None` where that is not the question.
        pictures: Labels and pictures, as they are or under a heat map: uint8, `(height, width,
            1 | 3)`.
        sounds: Labels, int16 samples of one channel, `(samples,)`, and their rate in hertz.
        texts: Labels and texts, or instead of a text its words with the effect of each: above 0 a
            word speaks for the answer, below 0 against it.
        table: Cells of the row by their columns' names.
        notes: Sentences below.
    """

    title: str
    right: bool | None = None
    pictures: Sequence[tuple[str, np.ndarray]] = ()
    sounds: Sequence[tuple[str, np.ndarray, int]] = ()
    texts: Sequence[tuple[str, str | Sequence[tuple[str, float]]]] = ()
    table: Mapping[str, str] | None = None
    notes: Sequence[str] = ()

    def __post_init__(self):
        for _, pixels in self.pictures:
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
                raise ValueError(
                    f"Card {self.title!r}: a picture is uint8 of shape (height, width, 1 | 3). "
                    f"Received: {pixels.dtype} of shape {pixels.shape}."
                )
        for _, samples, _ in self.sounds:
            if samples.dtype != np.int16 or samples.ndim != 1:
                raise ValueError(
                    f"Card {self.title!r}: a sound is int16 of shape (samples,). Received: "
                    f"{samples.dtype} of shape {samples.shape}."
                )
