"""What every kind of input answers to be read inside a TensorFlow graph, from cells to inputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from mmkeras.schema import Modality


class CannotServe(ValueError):
    """A modality whose preprocessing is no TensorFlow graph; the message says which step, why."""


class RowReader(tf.Module):
    """From the cells of a modality's columns to the model's input, in TensorFlow operations only.

    The numbers are those of `mmkeras.Pipeline`.

    Args:
        modality: Which columns.
        fitted: Its fitted preprocessor.

    Raises:
        CannotServe: A step of its preprocessing has no counterpart in TensorFlow.
    """

    kind: ClassVar[str]

    def __init__(self, modality: Any, fitted: Any):
        super().__init__()
        self._modality, self._fitted = modality, fitted
        self._check()

    def _check(self) -> None:
        """Refuses settings that have no counterpart in TensorFlow."""

    def refuse(self, what: str, instead: str) -> None:
        """Raises the error that says why a modality cannot be read here."""
        raise CannotServe(f"the {self.kind} modality {self._modality.name!r}: {what}; {instead}")

    @abstractmethod
    def specs(self) -> dict[str, tf.TensorSpec]:
        """What cells of each column are given as, `(batch, ...)`."""

    @abstractmethod
    def absent(self, cells: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Which rows lack the modality, booleans `(batch,)`."""

    @abstractmethod
    def inputs(self, cells: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The model's input, `(batch, ...)`.

        Args:
            cells: By column, as `specs` says.
        """

    @property
    def column(self) -> str:
        """The modality's only column."""
        return self._modality.column


def blank(texts: tf.Tensor) -> tf.Tensor:
    """Which strings hold nothing but white space."""
    return tf.strings.regex_full_match(texts, f"[{WHITE}]*")


def stripped(texts: tf.Tensor) -> tf.Tensor:
    """Strings without the white space around them, as `str.strip` leaves them."""
    texts = tf.strings.regex_replace(texts, f"^[{WHITE}]+", "")
    return tf.strings.regex_replace(texts, f"[{WHITE}]+$", "")


# What Python's `str.isspace` says yes to.
WHITE = r"\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}" + (
    r"\x{202f}\x{205f}\x{3000}"
)


def columns_of(modality: Modality) -> tuple[str, ...]:
    """The modality's columns, each once."""
    return tuple(dict.fromkeys(modality.columns))


def string_table(values: Mapping[str, int], default: int) -> tf.lookup.StaticHashTable:
    """A table from strings to whole numbers, int32; `default` for all others."""
    values = values or {"": default}  # TensorFlow takes no table without entries
    pairs = tf.lookup.KeyValueTensorInitializer(
        tf.constant(list(values), tf.string), tf.constant(list(values.values()), tf.int32)
    )
    return tf.lookup.StaticHashTable(pairs, default)
