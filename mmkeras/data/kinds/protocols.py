"""What the pipeline needs of a kind: its fitted state, a store of cells, a source of batches.

The names of positions and places are those of `mmkeras.data.pipeline`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from mmkeras.data.growing import Room
from mmkeras.schema import InputSpec

if TYPE_CHECKING:
    import tensorflow as tf

    from mmkeras.data.sources import InputMaker


class Fitted(Protocol):
    """What is fitted on the training rows for one modality: a frozen dataclass that JSON can hold.

    Its first field is `settings`; a class method `fit(frame, modality, settings)` makes it.
    """

    @property
    def settings(self) -> Any:
        """The modality's settings, of its kind's own class."""
        ...

    @property
    def spec(self) -> InputSpec:
        """What the model needs to know of the input."""
        ...


class MediaFitted(Fitted, Protocol):
    """The fitted state of a kind whose cells are decoded."""

    def input_maker(self) -> InputMaker:
        """What makes decoded cells, `(batch, ...)`, the model's input; augmented by a seed."""
        ...


class Store(Protocol):
    """A column's cells, decoded or read once. It is asked by position."""

    readable: np.ndarray
    """Booleans `(rows,)`: which cells could be read; empty cells count as readable."""

    @property
    def values(self) -> Any:
        """What was read, one entry per row."""
        ...

    def reason(self, position: int) -> str:
        """Why the cell at a position cannot be read, in words."""
        ...


class Source(Protocol):
    """Makes a modality's part of a batch, inside `tf.data`. It is asked by kept position."""

    @property
    def rows_alone(self) -> bool:
        """Whether what it makes of a row has one shape, whichever rows are in the batch."""
        ...

    def load(self, kept: tf.Tensor) -> tf.Tensor:
        """The cells at these kept positions, before scaling and augmentation."""
        ...

    def batch(self, loaded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """The model's input for a batch of loaded cells; augmented if a seed is given."""
        ...


@dataclass(frozen=True)
class FedRows:
    """The rows that a pipeline feeds.

    Args:
        frame: Them, in order of their kept positions.
        positions: The position of each in the frame that the pipeline was given, and in stores.
        padded_steps: The length that all sequences are padded to; `None` for each batch's own.
        room: How much of what they are encoded to is kept in memory.
    """

    frame: pd.DataFrame
    positions: np.ndarray
    padded_steps: int | None = None
    room: Room = field(default_factory=Room)
