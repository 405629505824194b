"""From texts to words inside a TensorFlow graph: the counterpart of `mmkeras.data.words`."""

from __future__ import annotations

import functools

import tensorflow as tf

from mmkeras.data.words import character_kind
from mmkeras.serving.rows.texts.code_points import CharacterTable, character_table
from mmkeras.serving.rows.texts.normal_form import lower, nfkc

_KINDS = ("other", "word", "unspaced", "mark")
_OTHER, _WORD, _UNSPACED, _MARK = range(4)
_APOSTROPHES = (ord("'"), ord("’"))


def split_words(texts: tf.Tensor, lowercase: bool) -> tf.RaggedTensor:
    """The words of each text, as `mmkeras.data.words.split_words` finds them.

    Args:
        texts: UTF-8 strings, `(texts,)`.
        lowercase: Fold case.

    Returns:
        Strings, `(texts, None)`. Bytes that are no UTF-8 end in an error.
    """
    characters = nfkc(tf.strings.unicode_decode(texts, "UTF-8", errors="strict"))
    return _split(lower(characters) if lowercase else characters)


@functools.cache
def _kind() -> CharacterTable:
    return character_table(lambda character: _KINDS.index(character_kind(character)))


def _split(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    codes, rows = texts.values, texts.value_rowids()
    kinds = _kind()(codes)
    same_row = rows[1:] == rows[:-1]
    no, other = tf.constant([False]), tf.constant([_OTHER])
    has_next = tf.concat([same_row, no], 0)[: tf.size(codes)]
    has_previous = tf.concat([no, same_row], 0)[: tf.size(codes)]
    next_kind = tf.concat([kinds[1:], other], 0)[: tf.size(codes)]
    previous_kind = tf.concat([other, kinds], 0)[: tf.size(codes)]
    is_apostrophe = (codes == _APOSTROPHES[0]) | (codes == _APOSTROPHES[1])
    inner = is_apostrophe & has_next & (next_kind == _WORD)
    # Marks and inner apostrophes go on with what came before them; it is what the last other
    # character of the text was.
    breaks = ~((kinds == _MARK) | inner) | ~has_previous
    decides = tf.gather(
        tf.where(breaks)[:, 0], tf.maximum(tf.cumsum(tf.cast(breaks, tf.int64)), 1) - 1
    )
    in_word = tf.gather(kinds, decides) == _WORD
    was_in_word = tf.concat([no, in_word], 0)[: tf.size(codes)] & has_previous
    starts = ((kinds == _WORD) & ~was_in_word) | (kinds == _UNSPACED)
    number = tf.cumsum(tf.cast(starts, tf.int64))
    first_of_row = tf.gather(tf.concat([[0], number], 0), texts.row_splits)
    words_before = number - tf.gather(first_of_row, rows)
    # A mark outside of a word belongs to the last one, unless what stands before it is neither.
    attached = (kinds == _MARK) & ~in_word & has_previous & (previous_kind != _OTHER)
    kept = in_word | (kinds == _UNSPACED) | (attached & (words_before > 0))
    codes = tf.where(inner, _APOSTROPHES[0], codes)
    words = tf.RaggedTensor.from_value_rowids(
        tf.boolean_mask(codes, kept),
        tf.boolean_mask(number, kept) - 1,
        nrows=tf.reduce_sum(tf.cast(starts, tf.int64)),
        validate=False,
    )
    encoded = tf.strings.unicode_encode(words, "UTF-8")
    return tf.RaggedTensor.from_row_splits(encoded, first_of_row, validate=False)
