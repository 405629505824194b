"""How the rows of a modality become the tensors of a batch: from tensors, or from a media store."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.data.growing import RaggedRows
from mmkeras.data.media.stores import MediaStore

# Sequences are padded to a multiple of this: a backend that compiles a program for each shape
# (JAX) then compiles a few, and none has length 0, which layers dislike.
LENGTH_STEP = 4


# What a real step of zeros is given, so that encoders do not take it for padding.
NOT_PADDING = 1e-4

InputMaker = Callable[[Any, tf.Tensor | None], tf.Tensor]


def padded_length(length: Any) -> Any:
    """The next multiple of `LENGTH_STEP`, at least one of them (a number or a tensor)."""
    longest = tf.maximum(length, 1) if tf.is_tensor(length) else max(length, 1)
    return longest + -longest % LENGTH_STEP


class TensorSource:
    """Rows of a tensor, in order of their kept positions.

    Args:
        values: Dense or ragged, `(rows, ...)`.
        make_inputs: From some of these rows and a seed to the model's input; by default the rows
            are the input.
        lengths: How long the rows' cells were before they were cut, `(rows,)`.

    Attributes:
        values: As a tensor.
        lengths: As given.
    """

    def __init__(
        self,
        values: np.ndarray | tf.RaggedTensor,
        make_inputs: InputMaker | None = None,
        lengths: np.ndarray | None = None,
    ):
        self.values = values if isinstance(values, tf.RaggedTensor) else tf.constant(values)
        self.lengths = lengths
        self._make_inputs = make_inputs

    @property
    def rows_alone(self) -> bool:
        return not isinstance(self.values, tf.RaggedTensor)

    def load(self, kept: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.values, kept)

    def batch(self, loaded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        return loaded if self._make_inputs is None else self._make_inputs(loaded, seed)


class RaggedSource:
    """Rows of different lengths that are in memory or in a mapped file, as `TensorSource`.

    Args:
        rows: In order of their kept positions.
        make_inputs: From a ragged tensor of some of them and a seed to the model's input.
        lengths: How long the rows' cells were before they were cut, `(rows,)`.
    """

    def __init__(self, rows: RaggedRows, make_inputs: InputMaker, lengths: np.ndarray):
        self.rows, self.lengths = rows, lengths
        self._make_inputs = make_inputs

    @property
    def rows_alone(self) -> bool:
        return False

    def load(self, kept: tf.Tensor) -> tf.RaggedTensor:
        return load_ragged(self, kept, self.rows.values.dtype, ())

    def load_now(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `load`, outside of `tf.data`: the rows' values, and their lengths."""
        return self.rows.take(kept)

    def batch(self, loaded: tf.RaggedTensor, seed: tf.Tensor | None) -> tf.Tensor:
        return self._make_inputs(loaded, seed)


class MediaSource:
    """Decoded cells of a store.

    Args:
        store: The column's cells.
        positions: The position of each row that is fed, by kept position.
        make_inputs: From decoded cells and a seed to the model's input.
    """

    def __init__(self, store: MediaStore, positions: np.ndarray, make_inputs: InputMaker):
        self._store = store
        self._positions = positions
        self._make_inputs = make_inputs

    @property
    def rows_alone(self) -> bool:
        return True  # cells are decoded to one shape

    def load(self, kept: tf.Tensor) -> tf.Tensor:
        # A batch a call: `tf.data` makes several batches at once, a thread each.
        load = weak_loader(weakref.ref(self))
        cells = tf.numpy_function(load, [kept], self._store.dtype, stateful=False)
        cells.set_shape((None, *self._store.shape))
        return cells

    def batch(self, loaded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        return self._make_inputs(loaded, seed)

    @property
    def decoded(self) -> np.ndarray:
        """What the store keeps of these rows, `(rows, ...)`."""
        return self._store.values[self._positions]

    @property
    def lengths(self) -> np.ndarray:
        """How long these rows' cells are before they are cut, `(rows,)`."""
        return self._store.lengths[self._positions]

    def load_now(self, kept: np.ndarray) -> np.ndarray:
        """As `load`, outside of `tf.data`."""
        return self._store.load(self._positions[kept])


def load_ragged(source: Any, kept: tf.Tensor, dtype: Any, shape: Sequence[int]) -> tf.RaggedTensor:
    """Rows of several values each, inside `tf.data`.

    Args:
        source: Its `load_now` gives the rows' values, one after another, and how many each has.
        kept: Which rows.
        dtype, shape: Of a value.
    """
    load = weak_loader(weakref.ref(source))
    values, lengths = tf.numpy_function(load, [kept], (dtype, tf.int64), stateful=False)
    values.set_shape((None, *shape))
    lengths.set_shape((None,))
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


def weak_loader(source: weakref.ref[Any]) -> Callable[[np.ndarray], np.ndarray]:
    """What loads from a source, without keeping it in memory.

    TensorFlow never lets go of a function that it was given in this way. A dataset holds its
    pipeline, and so the source, for as long as it can be asked for batches.
    """
    return lambda kept: source().load_now(kept)
