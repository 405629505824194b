"""Cells that hold several media each: decoded one by one, and put together again by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.media.cells import media_of, one_by_one
from mmkeras.data.media.stores import MediaStore
from mmkeras.data.sources import NOT_PADDING, InputMaker, MediaSource, load_ragged


class SeveralStore:
    """A column whose cells hold several media, each checked, decoded and kept once.

    Args:
        column: The cells, as `read_table` returns them.
        most: How many of a cell count; those after them are not decoded.
        open_store: Opens the store of the single media, as `one_by_one` gives them.

    Attributes:
        media: The store of the single media.
        readable: Booleans `(rows,)`: the cells of which every medium could be decoded.
        lengths: How many media each cell holds, before any are cut, `(rows,)`.
        dtype: Of a decoded medium.
    """

    def __init__(self, column: pd.Series, most: int, open_store: Callable[[pd.Series], MediaStore]):
        self.media = open_store(one_by_one(column, most))
        self.dtype, self.shape = self.media.dtype, self.media.shape
        self.lengths = np.array([len(media_of(cell)) for cell in column])
        self._counts = np.minimum(self.lengths, most)
        self._starts = np.cumsum(self._counts) - self._counts
        row_of = np.repeat(np.arange(len(column)), self._counts)
        self.readable = np.ones(len(column), bool)
        self.readable[row_of[~self.media.readable]] = False

    @property
    def values(self) -> list[np.ndarray]:
        """What was decoded and kept, for each row `(its media, ...)`."""
        return np.split(self.media.values, self._starts[1:])

    def load(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The decoded media at these positions, `(all their media, ...)`, and how many each has."""
        counts = self._counts[positions]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.media.load(np.repeat(self._starts[positions], counts) + within), counts

    def reason(self, position: int) -> str:
        """Why the cell at `position` cannot be read: of its first medium that cannot."""
        start, count = self._starts[position], self._counts[position]
        place = int(np.argmin(self.media.readable[start : start + count]))
        where = f"number {place + 1} of {count}: " if count > 1 else ""
        return where + self.media.reason(start + place)


class SeveralSource(MediaSource):
    """Decoded cells of a `SeveralStore`; loaded as a ragged tensor `(rows, media of each, ...)`."""

    _store: SeveralStore

    def __init__(self, store: SeveralStore, positions: np.ndarray, make_inputs: InputMaker):
        super().__init__(store, positions, make_inputs)

    @property
    def rows_alone(self) -> bool:
        return False

    def load(self, kept: tf.Tensor) -> tf.RaggedTensor:
        return load_ragged(self, kept, self._store.dtype, self._store.shape)

    @property
    def decoded(self) -> list[np.ndarray]:
        """What the store keeps of these rows, for each `(its media, ...)`."""
        values = self._store.values
        return [values[position] for position in self._positions]


def padded(media: tf.RaggedTensor, most: int) -> tf.Tensor:
    """Media as one tensor `(rows, most, ...)`: after those of a row, media of zeros.

    A medium that is all zeros itself is given a number next to zero: encoders take zeros for
    padding.
    """
    values, (count, *shape) = media.values, (tf.shape(media.values)[0], *media.values.shape[1:])
    zeros = tf.zeros((1, *shape))
    numbers = tf.reshape(values, (count, int(np.prod(shape))))
    is_filled = tf.reduce_any(tf.cast(numbers, tf.bool), axis=1)
    # By place, not by value: a ragged tensor of so many numbers is slow to pad.
    places = media.with_values(tf.where(is_filled, tf.range(count), count + 1))
    table = tf.concat([values, zeros, zeros + NOT_PADDING], axis=0)
    return tf.gather(table, places.to_tensor(count, shape=(None, most)))


def as_loaded(values: np.ndarray | list[np.ndarray]) -> tf.Tensor | tf.RaggedTensor:
    """Decoded rows as sources load them: ragged, where each row is an array of its media."""
    if isinstance(values, np.ndarray):
        return tf.constant(values)
    lengths = np.array([len(media) for media in values], np.int64)
    return tf.RaggedTensor.from_row_lengths(np.concatenate(values), lengths, validate=False)
