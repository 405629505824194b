"""Find a category among the known ones inside a TensorFlow graph, as `KnownNames` finds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from mmkeras.data.tables.cells import EXACT, NA_WORDS
from mmkeras.data.tables.names import KnownNames
from mmkeras.serving.rows.reader import string_table, stripped

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_WHOLE = r"[+-]?\d+"
_MISSING, _TRUE, _FALSE = "missing", "true", "false"


class NameFinder(tf.Module):
    """Places of names among the known ones.

    Args:
        names: The known names.
        missing_is_known: Whether training rows had empty cells.
    """

    def __init__(self, names: Sequence[str], missing_is_known: bool):
        super().__init__()
        known = KnownNames(names, missing_is_known)
        self._exact = string_table({name: known.place(name) for name in names}, -1)
        self._by_meaning = string_table(
            {_key(what): place for what, place in known.meanings.items()}, -1
        )

    def __call__(self, names: tf.Tensor) -> tf.Tensor:
        """int32 `(batch,)`, -1 where a name is not known."""
        names = stripped(names)
        exact = self._exact.lookup(names)
        return tf.where(exact >= 0, exact, self._by_meaning.lookup(_meaning(names)))


def _key(meaning: Any) -> str:
    """A meaning, of `KnownNames.meanings`, as `_meaning` writes it."""
    if isinstance(meaning, str):
        return meaning.lower()
    if isinstance(meaning, tuple):
        return f"f{meaning[1]:.17e}"
    return f"i{int(meaning)}" if meaning == int(meaning) else f"f{meaning:.17e}"


def _meaning(names: tf.Tensor) -> tf.Tensor:
    """What names mean, as texts: equal numbers have equal ones."""
    small = tf.strings.lower(names)
    missing = tf.reduce_any(names[:, tf.newaxis] == tf.constant(list(NA_WORDS)), axis=1)
    is_number = tf.strings.regex_full_match(names, _NUMBER)
    is_whole = tf.strings.regex_full_match(names, _WHOLE)
    digits = tf.strings.regex_replace(names, r"^([+-]?)0+(\d)", r"\1\2")
    digits = tf.strings.regex_replace(digits, r"^\+", "")
    digits = tf.where(digits == "-0", "0", digits)
    value = tf.strings.to_number(tf.where(is_number, names, "0"), tf.float64)
    is_exact = (tf.abs(value) < EXACT) & (tf.floor(value) == value)
    as_whole = tf.strings.as_string(tf.cast(tf.where(is_exact, value, 0.0), tf.int64))
    as_float = tf.strings.as_string(value, precision=17, scientific=True)
    number = tf.where(
        is_whole,
        tf.strings.join(["i", digits]),
        tf.where(is_exact, tf.strings.join(["i", as_whole]), tf.strings.join(["f", as_float])),
    )
    meaning = tf.where(is_number, number, tf.fill(tf.shape(names), "?"))
    meaning = tf.where((small == _TRUE) | (small == _FALSE), small, meaning)
    return tf.where(missing, _MISSING, meaning)
