"""Texts from UTF-8 strings."""

from __future__ import annotations

import functools

import tensorflow as tf

from mmkeras.data.kinds.text import FIRST_WORD, UNKNOWN
from mmkeras.data.words import stem_function, stop_word_set
from mmkeras.serving.rows.reader import RowReader, blank, string_table
from mmkeras.serving.rows.texts.stems import TELLING, english_stems
from mmkeras.serving.rows.texts.words import split_words

_NO_TENSORFLOW = "give the tensors of this model to `serving_default`"


class TextReader(RowReader):
    """A column of strings, `(batch,)`; a blank one is no text."""

    kind = "text"

    def _check(self):
        settings = self._fitted.settings
        if self._fitted.tokenizer:
            what = "its tokenizer's pieces of words are found by the package tokenizers"
            self.refuse(f"{what}, which no TensorFlow operation does", _NO_TENSORFLOW)
        if settings.stemmer not in (None, "english"):
            what = f"the stemmer {settings.stemmer!r} runs in Python; only the English one is here"
            self.refuse(what, f"{_NO_TENSORFLOW}, or train without one")
        if settings.stemmer is not None and not _stems_alike():
            what = "the installed snowballstemmer has other rules than the one here"
            self.refuse(what, f"install snowballstemmer 3, or {_NO_TENSORFLOW}")
        words = {word: FIRST_WORD + n for n, word in enumerate(self._fitted.vocabulary)}
        self._vocabulary = string_table(words, UNKNOWN)
        stopped = dict.fromkeys(sorted(stop_word_set(settings.stop_words)), 1)
        self._stopped = string_table(stopped, 0) if stopped else None

    def specs(self):
        return {self.column: tf.TensorSpec((None,), tf.string)}

    def absent(self, cells):
        return blank(cells[self.column])

    def inputs(self, cells):
        ids, settings = self._ids(cells[self.column]), self._fitted.settings
        if settings.representation == "tokens":
            ids = ids[:, : settings.max_length]
        else:
            ids = tf.ragged.boolean_mask(ids, ids != UNKNOWN)
        return self._fitted.input_maker()(ids.with_row_splits_dtype(tf.int64), None)

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        settings = self._fitted.settings
        words = split_words(texts, settings.lowercase)
        if self._stopped is not None:
            kept = self._stopped.lookup(words.values) == 0
            words = tf.ragged.boolean_mask(words, words.with_values(kept))
        if settings.stemmer is not None:
            words = words.with_values(english_stems(words.values))
        terms = [words]
        if settings.ngrams > 1:
            terms.append(tf.strings.ngrams(words, list(range(2, settings.ngrams + 1))))
        if settings.characters > 1:
            terms.append(_parts_of_words(words, settings.characters))
        joined = tf.concat(terms, axis=1) if len(terms) > 1 else words
        return joined.with_values(self._vocabulary.lookup(joined.values))


@functools.cache
def _stems_alike() -> bool:
    """Whether the stemmer of this process gives the stems that a graph does."""
    stem = stem_function("english")
    found = english_stems(tf.constant(TELLING)).numpy().tolist()
    return stem is not None and found == [stem(word).encode() for word in TELLING]


def _parts_of_words(words: tf.RaggedTensor, most: int) -> tf.RaggedTensor:
    """Runs of 2 to `most` characters of each word with its ends, marked by a tilde."""
    bounded = words.with_values(tf.strings.join(["_", words.values, "_"]))
    characters = tf.strings.unicode_split(bounded.values, "UTF-8")
    runs = tf.strings.ngrams(characters, list(range(2, most + 1)), separator="")
    runs = runs.with_values(tf.strings.join(["~", runs.values]))
    return words.with_values(runs).merge_dims(1, 2)
