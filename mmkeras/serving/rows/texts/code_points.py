"""Tables over all Unicode characters, small enough for a graph, made from Python's own."""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

_PAGE = 128
_ALL = sys.maxunicode + 1
# No other character has a form of its own; to ask for all would take seconds. Halves of characters
# are in no text.
_ASSIGNED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))


class CharacterTable:
    """A whole number for each character, in pages, of which equal ones are kept once.

    Args:
        values: int32 `(0x110000,)`.
    """

    def __init__(self, values: np.ndarray):
        pages, places = np.unique(values.reshape(-1, _PAGE), axis=0, return_inverse=True)
        self._pages = pages.reshape(-1).astype(np.int32)
        self._places = places.reshape(-1).astype(np.int32)

    def __call__(self, characters: tf.Tensor) -> tf.Tensor:
        """The numbers of characters, int32 of the same shape."""
        page = tf.gather(tf.constant(self._places), characters // _PAGE)
        return tf.gather(tf.constant(self._pages), page * _PAGE + characters % _PAGE)


class CharacterMap:
    """What each character becomes: none, one or several others; most stay as they are.

    Args:
        becomes: From a character to a text.
    """

    def __init__(self, becomes: Callable[[str], str]):
        values, rows = np.zeros(_ALL, np.int32), [[-1]]  # row 0: stays
        for code in _characters():
            if (text := becomes(chr(code))) != chr(code):
                values[code] = len(rows)
                rows.append([ord(character) for character in text])
        self._table = CharacterTable(values)
        self._lengths = np.array([len(row) for row in rows], np.int64)
        self._values = np.array([code for row in rows for code in row], np.int32)

    def __call__(self, texts: tf.RaggedTensor) -> tf.RaggedTensor:
        """Texts as characters, int32 `(texts, None)`, each replaced by what it becomes."""
        table = tf.RaggedTensor.from_row_lengths(self._values, self._lengths, validate=False)
        found = tf.gather(table, self._table(texts.values))
        own = tf.repeat(texts.values, found.row_lengths())
        mapped = found.with_values(tf.where(found.values < 0, own, found.values))
        return texts.with_values(mapped).merge_dims(1, 2)


def character_table(value: Callable[[str], int]) -> CharacterTable:
    """The table of a function."""
    values = np.zeros(_ALL, np.int32)
    for code in _characters():
        values[code] = value(chr(code))
    return CharacterTable(values)


def _characters() -> Sequence[int]:
    return [code for codes in _ASSIGNED for code in codes]


@functools.cache
def compositions() -> tuple[np.ndarray, np.ndarray]:
    """Pairs that compose to one character, as sorted keys `first << 21 | second`, and what to."""
    found = {}
    for code in _characters():
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) < 2:
            continue
        # All but the last part composed: that is the first of the pair.
        first = unicodedata.normalize("NFC", parts[:-1])
        if len(first) == 1 and unicodedata.normalize("NFC", first + parts[-1]) == chr(code):
            found[(ord(first) << 21) | ord(parts[-1])] = code
    keys = np.array(sorted(found), np.int64)
    return keys, np.array([found[key] for key in keys.tolist()], np.int32)
