"""Unicode's normal form NFKC and lower case, inside a TensorFlow graph, as Python computes them.

TensorFlow alone has neither; its `tf.strings.lower` differs from Python's for some letters.
"""

from __future__ import annotations

import functools
import unicodedata

import tensorflow as tf

from mmkeras.serving.rows.texts.code_points import (
    CharacterMap,
    CharacterTable,
    character_table,
    compositions,
)

_SIGMA, _FINAL_SIGMA = 0x03A3, 0x03C2
_IGNORED, _CASED = 1, 2


def nfkc(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    """Texts in normal form: `unicodedata.normalize("NFKC", text)`.

    Args:
        texts: Characters, int32 `(texts, None)`.
    """
    alone = _composed_alone()(texts)
    # Most texts are done then: no character may combine with the one before it.
    combine = tf.reduce_any(_may_combine()(alone.values) > 0)
    values, splits = tf.cond(
        combine,
        lambda: _parts(_composed(_in_order(_decomposed()(texts)))),
        lambda: _parts(alone),
    )
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def lower(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    """Texts in lower case: `text.lower()`, with its rule for a sigma that ends a word."""
    small = _lowered()(texts)
    has_sigma = tf.reduce_any(texts.values == _SIGMA)
    # A sigma becomes one character, but others before it may have become several.
    values, splits = tf.cond(
        has_sigma, lambda: _parts(_lowered()(_with_final_sigmas(texts))), lambda: _parts(small)
    )
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def _parts(texts: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    return texts.values, texts.row_splits


@functools.cache
def _composed_alone() -> CharacterMap:
    return CharacterMap(lambda character: unicodedata.normalize("NFKC", character))


@functools.cache
def _decomposed() -> CharacterMap:
    return CharacterMap(lambda character: unicodedata.normalize("NFKD", character))


@functools.cache
def _lowered() -> CharacterMap:
    return CharacterMap(str.lower)


@functools.cache
def _class() -> CharacterTable:
    return character_table(unicodedata.combining)


@functools.cache
def _may_combine() -> CharacterTable:
    seconds = {chr(key & 0x1FFFFF) for key in compositions()[0].tolist()}
    return character_table(lambda c: int(unicodedata.combining(c) > 0 or c in seconds))


@functools.cache
def _case() -> CharacterTable:
    """Which characters have a case, and which Python passes over when it looks for one."""

    def kind(character: str) -> int:
        if (character + "Σ").lower().endswith("ς"):
            return _CASED
        return _IGNORED if ("A" + character + "Σ").lower().endswith("ς") else 0

    return character_table(kind)


def _in_order(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    """Combining characters by their class, behind the character that they belong to."""
    classes = _class()(texts.values)
    runs = tf.cumsum(tf.cast(classes == 0, tf.int32))
    rows = tf.cast(texts.value_rowids(), tf.int32)
    # A run never reaches into the next text.
    key = tf.cast(runs + rows, tf.int64) * 256 + tf.cast(classes, tf.int64)
    return texts.with_values(tf.gather(texts.values, tf.argsort(key, stable=True)))


def _composed(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    """Characters and those that combine with them as one, where there is such a one.

    All texts at once, one place after the other; what was taken into another becomes -1.
    """
    codes = texts.to_tensor(-1)
    count, length = tf.shape(codes)[0], tf.shape(codes)[1]
    classes = _class()(tf.maximum(codes, 0))
    keys, values = (tf.constant(each) for each in compositions())
    rows = tf.range(count)

    def step(place, codes, starter, last):
        own, own_class = codes[:, place], classes[:, place]
        first = tf.gather(codes, tf.maximum(starter, 0), axis=1, batch_dims=1)
        key = tf.cast(first, tf.int64) * (1 << 21) + tf.cast(own, tf.int64)
        found = tf.minimum(tf.searchsorted(keys, key, out_type=tf.int32), values.shape[0] - 1)
        # Nothing of the same or a higher class may stand between the two (-1: nothing does).
        joined = (tf.gather(keys, found) == key) & (starter >= 0) & (last < own_class) & (own >= 0)
        both = tf.where(joined, tf.gather(values, found), first)
        at_first = tf.stack([rows, tf.maximum(starter, 0)], axis=1)
        codes = tf.tensor_scatter_nd_update(codes, at_first, both)
        own = tf.where(joined, -1, codes[:, place])
        at_own = tf.stack([rows, tf.fill([count], place)], axis=1)
        codes = tf.tensor_scatter_nd_update(codes, at_own, own)
        starts = ~joined & (own_class == 0) & (own >= 0)
        starter = tf.where(starts, place, starter)
        last = tf.where(joined, last, tf.where(starts, -1, own_class))
        return place + 1, codes, starter, last

    none = tf.fill([count], -1)
    state = (tf.constant(0), codes, none, none)
    codes = tf.while_loop(lambda place, *_: place < length, step, state)[1]
    return tf.ragged.boolean_mask(codes, codes >= 0)


def _with_final_sigmas(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    """Capital sigmas at the end of a word as small final ones; the others as they are."""
    cases = _case()(texts.values)
    looked_at = tf.cast(cases != _IGNORED, tf.int32)
    rows = texts.value_rowids()
    places = tf.cast(tf.where(looked_at > 0)[:, 0], tf.int32)
    # A place behind all, so that there is always one to look at.
    places = tf.concat([places, [tf.size(cases)]], 0)
    cases, rows = tf.concat([cases, [0]], 0), tf.concat([rows, [-1]], 0)
    until = tf.cumsum(looked_at)

    def is_cased(number: tf.Tensor) -> tf.Tensor:
        there = (number >= 0) & (number < tf.size(places))
        place = tf.gather(places, tf.clip_by_value(number, 0, tf.size(places) - 1))
        same = tf.gather(rows, place) == rows[:-1]
        return there & same & (tf.gather(cases, place) == _CASED)

    before, after = is_cased(until - looked_at - 1), is_cased(until)
    final = (texts.values == _SIGMA) & before & ~after
    return texts.with_values(tf.where(final, _FINAL_SIGMA, texts.values))
