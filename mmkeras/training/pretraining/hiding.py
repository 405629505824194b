"""Parts of a modality's inputs that are hidden, and how well a model says what they were.

A place is what is hidden or shown as a whole: a cell of a picture or spectrogram, a step of a
sequence, a word, an entry of a vector. In the equations `w_i` is 1 for places that were hidden and
count, and otherwise 0.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.text import BagOfWordsEncoder

# A word's number that says that it is not known which word it is.
UNKNOWN_WORD = 1
# Of the variance, so that the error of inputs that are all alike stays finite.
_LEAST_VARIANCE = 1e-4
_PROBE_STEPS = 24


@dataclass(frozen=True)
class Hidden(ABC):
    """How a modality's inputs `(batch, *shape)` are hidden and predicted.

    Args:
        shape: Of one row's inputs; `None` for steps whose number varies.
    """

    shape: tuple[int | None, ...]

    # Whether each token is a place; otherwise one vector of the row predicts all places.
    token_is_place = True

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers a model gives for each token."""

    def places(self, x: Any) -> Any:
        """How many there are in a row."""
        return ops.shape(x)[1] if self.shape[0] is None else self.shape[0]

    @abstractmethod
    def hide(self, x: Any, hidden: Any) -> Any:
        """The inputs without what is hidden, boolean `(batch, places)`."""

    @abstractmethod
    def target(self, x: Any) -> Any:
        """What is to be predicted, `(batch, places, ...)`."""

    @abstractmethod
    def loss(self, said: Any, true: Any, weight: Any) -> Any:
        """How wrong a prediction is, about 1 for one that knows nothing; 0 without weights.

        Args:
            said: `(batch, places, ...)`.
            true: What `target` gave.
            weight: float32 `(batch, places)`: 1 where a hidden place counts, otherwise 0.
        """


@dataclass(frozen=True)
class Steps(Hidden):
    """Steps of numbers, one for each token, `(batch, steps, ...)`.

    The error is the mean square in units of the variance, which is one minus R²:

        L = sum_i w_i |x_i - y_i|^2 / sum_i w_i |x_i - mean(x)|^2
    """

    @property
    def width(self) -> int:
        return math.prod(int(size or 0) for size in self.shape[1:])

    def hide(self, x, hidden):
        hidden = ops.reshape(hidden, (*ops.shape(hidden), *[1] * (len(self.shape) - 1)))
        return ops.where(hidden, 0.0, x)

    def target(self, x):
        return ops.reshape(x, (*ops.shape(x)[:2], self.width))

    def loss(self, said, true, weight):
        return relative_error(said, true, ops.expand_dims(weight, axis=-1))


@dataclass(frozen=True)
class Cells(Steps):
    """Cells of a grid of numbers, one for each token: of a picture, say, or of a spectrogram.

    Args:
        grid: Cells along the first axes. What a side has beyond a multiple of its cells is hidden
            with the last cell and not predicted.

    Example:

    >>> cells = Cells((9, 8, 3), grid=(2, 2))
    >>> cells.width, tuple(cells.target(keras.ops.zeros((5, 9, 8, 3))).shape)
    (48, (5, 4, 48))
    """

    grid: tuple[int, ...]

    @property
    def _sides(self) -> list[tuple[int, int, int]]:
        """Of each axis with cells its size, how many cells it has, and the size of a cell."""
        sizes = [int(size or 0) for size in self.shape[: len(self.grid)]]
        return [(size, cells, size // cells) for size, cells in zip(sizes, self.grid, strict=True)]

    @property
    def _rest(self) -> list[int]:
        return [int(size or 0) for size in self.shape[len(self.grid) :]]

    @property
    def width(self) -> int:
        return math.prod(cell for _, _, cell in self._sides) * math.prod(self._rest)

    def places(self, x):
        return math.prod(self.grid)

    def hide(self, x, hidden):
        hidden = ops.reshape(hidden, (-1, *self.grid))
        for axis, (size, cells, cell) in enumerate(self._sides, start=1):
            nearest = [min(place // cell, cells - 1) for place in range(size)]
            hidden = ops.take(hidden, ops.convert_to_tensor(nearest, "int32"), axis=axis)
        return ops.where(ops.reshape(hidden, (*ops.shape(hidden), *[1] * len(self._rest))), 0.0, x)

    def target(self, x):
        whole = [slice(0, cells * cell) for _, cells, cell in self._sides]
        cut = [side for _, *sides in self._sides for side in sides]
        x = ops.reshape(x[(slice(None), *whole)], (-1, *cut, *self._rest))
        # From (cells, cell, cells, cell, ...) to (cells, cells, ..., cell, cell, ...).
        last = len(cut) + 1
        order = (*range(1, last, 2), *range(2, last, 2), *range(last, len(x.shape)))
        return ops.reshape(ops.transpose(x, (0, *order)), (-1, self.places(x), self.width))


@dataclass(frozen=True)
class Entries(Hidden):
    """Numbers of a vector, such as a table's row; the error is that of `Steps`."""

    token_is_place = False

    @property
    def width(self) -> int:
        return int(self.shape[0] or 0)

    def hide(self, x, hidden):
        return ops.where(hidden, 0.0, x)

    def target(self, x):
        return x

    def loss(self, said, true, weight):
        return relative_error(said, true, weight)


@dataclass(frozen=True)
class BagEntries(Entries):
    """Words of a bag: which of the hidden ones are in the text, one guess for each.

    With `x_j` the weight of word `j` in the text, of a vocabulary of `V`:

        L = -sum_j w_j x_j log softmax(y)_j / (sum_j w_j x_j log V)

    the mean over the texts that have a hidden word.
    """

    def loss(self, said, true, weight):
        there = ops.maximum(true, 0.0) * weight
        total = ops.sum(there, axis=1, keepdims=True)
        share = there / ops.maximum(total, 1e-6)
        error = -ops.sum(share * ops.log_softmax(said, axis=1), axis=1)
        asked = ops.cast(total[:, 0] > 0, "float32")
        return _mean(error, asked) / math.log(max(self.width, 2))


@dataclass(frozen=True)
class Words(Hidden):
    """Words of a text in their order, each one token; the error is that of the hidden words:

        L = -sum_i w_i log softmax(y_i)_{x_i} / (sum_i w_i log V)

    Args:
        vocabulary_size: `V`, one more than the largest number of a word.
    """

    vocabulary_size: int

    @property
    def width(self) -> int:
        return self.vocabulary_size

    def hide(self, x, hidden):
        return ops.where(hidden, ops.cast(UNKNOWN_WORD, x.dtype), x)

    def target(self, x):
        return x

    def loss(self, said, true, weight):
        # A word that is not known cannot be guessed.
        weight = weight * ops.cast(true != UNKNOWN_WORD, "float32")
        error = keras.losses.sparse_categorical_crossentropy(true, said, from_logits=True)
        return _mean(error, weight) / math.log(max(self.vocabulary_size, 2))


def relative_error(said: Any, true: Any, weight: Any) -> Any:
    """The mean square error in units of the variance, both over what has weight."""
    weight = ops.broadcast_to(weight, ops.shape(true))
    apart = ops.square(true - _mean(true, weight))
    variance = ops.stop_gradient(_mean(apart, weight)) + _LEAST_VARIANCE
    return _mean(ops.square(said - true), weight) / variance


def _mean(values: Any, weight: Any) -> Any:
    # Not multiplied alone: what does not count may be anything, NaN included.
    values = ops.where(weight > 0, values, 0.0)
    return ops.sum(values * weight) / ops.maximum(ops.sum(weight), 1.0)


def hidden_of(name: str, encoder: layers.Layer, inputs: Any, tokens: Any) -> Hidden:
    """How a modality is hidden, by what its inputs and tokens look like.

    Args:
        name: The modality's.
        encoder: What reads it.
        inputs, tokens: Symbolic tensors, or anything that has their shape and dtype.

    Raises:
        ValueError: It is not known of which part of the inputs a token is.
    """
    shape, dtype = tuple(inputs.shape[1:]), keras.backend.standardize_dtype(inputs.dtype)
    if dtype.startswith("float") and len(shape) == 1 and shape[0] is not None:
        kind = BagEntries if isinstance(encoder, BagOfWordsEncoder) else Entries
        return kind(shape)
    if dtype.startswith("float") and hasattr(encoder, "token_grid"):
        grid = tuple(encoder.token_grid(shape))
        if None not in grid and math.prod(grid) == tokens.shape[1]:
            return Cells(shape, grid)
    if _one_token_per_step(encoder, inputs, tokens):
        if dtype.startswith("int") and len(shape) == 1 and hasattr(encoder, "vocabulary_size"):
            return Words(shape, encoder.vocabulary_size)
        if dtype.startswith("float") and None not in shape[1:]:
            return Steps(shape)
    raise ValueError(
        "Masked modelling hides vectors, and inputs of which each token is one cell or step. "
        f"Received: {name!r} with inputs {(None, *shape)} of {dtype}, of which "
        f"{type(encoder).__name__} makes tokens {tuple(tokens.shape)}. Choose another encoder, or "
        "leave masked modelling out."
    )


def _one_token_per_step(encoder: layers.Layer, inputs: Any, tokens: Any) -> bool:
    steps: Sequence[int | None] = inputs.shape[1:2]
    if steps[0] is not None:
        return steps[0] == tokens.shape[1]
    probe = keras.KerasTensor((1, _PROBE_STEPS, *inputs.shape[2:]), inputs.dtype)
    return encoder.compute_output_spec(probe).shape[1] == _PROBE_STEPS
