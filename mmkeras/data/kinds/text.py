"""Texts: settings, the fitted vocabulary, checks of cells, and batches of words or bags."""

from __future__ import annotations

import itertools
import numbers
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from mmkeras.data.filters import check_filter_settings, select_features, targets_of
from mmkeras.data.growing import GrowingRows, RaggedRows, Room
from mmkeras.data.kinds.base import Kind, check_choice
from mmkeras.data.kinds.protocols import Source
from mmkeras.data.subwords import Subwords
from mmkeras.data.tables.cells import EXACT, Problem, empty_cells, object_series, shown_cell
from mmkeras.data.unprepared import Unprepared, cut_short, without_known_words
from mmkeras.data.words import make_analyzer
from mmkeras.progress import ProgressBar
from mmkeras.reading import check_fields
from mmkeras.schema import InputSpec, Text

if TYPE_CHECKING:
    import tensorflow as tf

    from mmkeras.data.sources import InputMaker
    from mmkeras.tasks import Task

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
_AT_ONCE = 4096  # texts
_MOST_COUNTED = 500_000  # different terms
_MOST_WORDS_MADE = 10


@dataclass(frozen=True)
class TextSettings:
    """How texts become inputs.

    Args:
        representation: `"tokens"` (a sequence of word numbers) or a bag of words:
            `"counts"`, `"binary"` or `"tfidf"` (scikit-learn's smoothed TF-IDF, L2-normalised).
        vocabulary_size: This many terms of the training texts are kept, the most frequent ones.
        max_length: A sequence's most tokens; the rest of the text is cut. Bags are never cut.
        min_count: Terms in fewer training texts are dropped.
        lowercase: Fold case.
        stop_words: `"english"`, a list of words, or `None`.
        stemmer: A Snowball language, or `None`.
        ngrams: For bags: the longest run of words that counts as a term.
        characters: For bags: the longest run of characters inside a word that counts as a term
            too (2 or more), so that words never seen resemble those that were; 0 for none.
        filter: Keep only some terms of the vocabulary: `"variance"`, `"mutual_information"`,
            `"mrmr"` or `"l1"`, by the training rows; `"none"` for all. See `mmkeras.data.filters`.
        keep: With a filter, how many terms (from 1 on), or which share of them.
        tokenizer: For sequences: the file of a tokenizer that was trained elsewhere
            (`tokenizer.json`, or its folder), whose pieces of words take the place of words; ""
            for none. A pre-trained encoder brings its own.
    """

    representation: str = "tfidf"
    vocabulary_size: int = 1000
    max_length: int = 64
    min_count: int = 1
    lowercase: bool = True
    stop_words: str | tuple[str, ...] | None = None
    stemmer: str | None = None
    ngrams: int = 1
    characters: int = 0
    filter: str = "none"
    keep: float | None = None
    tokenizer: str = ""

    def __post_init__(self):
        check_fields(self)
        choices = ("tokens", "counts", "binary", "tfidf")
        check_choice("TextSettings", "representation", self.representation, choices)
        for name in ("vocabulary_size", "max_length", "min_count", "ngrams"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if self.characters < 0 or self.characters == 1:
            raise ValueError(
                "`characters` is 0 (none) or at least 2: runs of 2 characters are the shortest. "
                f"Received: {self.characters}."
            )
        if self.representation == "tokens" and (self.ngrams > 1 or self.characters):
            raise ValueError("`ngrams` and `characters` are for bags, not for token sequences.")
        if self.tokenizer and self.representation != "tokens":
            raise ValueError("A `tokenizer` is for token sequences. Set representation='tokens'.")
        given = [name for name in ("stop_words", "stemmer") if getattr(self, name) is not None]
        if self.tokenizer and (given or self.filter != "none"):
            raise ValueError(
                f"A `tokenizer` has its own pieces: {given or ['filter']} would have no effect."
            )
        if given:
            make_analyzer(stop_words=self.stop_words, stemmer=self.stemmer)  # knows their names
        check_filter_settings("TextSettings", self.filter, self.keep)
        if isinstance(self.stop_words, list):
            object.__setattr__(self, "stop_words", tuple(self.stop_words))


@dataclass(frozen=True)
class TextPreprocessor:
    """Fitted state of a text modality: the vocabulary, most frequent first, and its IDF.

    With a tokenizer there is its JSON instead, and nothing is fitted.
    """

    settings: TextSettings
    vocabulary: tuple[str, ...]
    idf: tuple[float, ...] = ()
    tokenizer: str = ""

    @property
    def spec(self) -> InputSpec:
        if self.settings.representation == "tokens":
            from mmkeras.data.sources import padded_length

            own = self._subwords
            return InputSpec(
                (None,),
                "int32",
                vocabulary_size=own.size if own else FIRST_WORD + len(self.vocabulary),
                max_length=padded_length(self.settings.max_length),
            )
        return InputSpec((len(self.vocabulary),))

    @classmethod
    def fit(cls, frame: pd.DataFrame, modality: Text, settings: TextSettings) -> TextPreprocessor:
        if settings.tokenizer:
            return cls(settings, (), tokenizer=Subwords.read(settings.tokenizer))
        texts = [text for text in frame[modality.column] if isinstance(text, str)]
        frequency = _frequency(texts, settings)
        kept = [item for item in frequency.items() if item[1] >= settings.min_count]
        # By frequency, then by alphabet, so that the vocabulary does not depend on row order (with
        # more terms than are counted exactly, only the frequent ones do not).
        kept.sort(key=lambda item: (-item[1], item[0]))
        kept = kept[: settings.vocabulary_size]
        if not kept:
            raise ValueError(
                f"No word of column {modality.column!r} is left for the vocabulary: "
                f"{len(texts)} training texts, min_count={settings.min_count}."
            )
        idf: tuple[float, ...] = ()
        if settings.representation == "tfidf":
            idf = tuple(float(np.log((1 + len(texts)) / (1 + n)) + 1) for _, n in kept)
        return cls(settings, tuple(word for word, _ in kept), idf)

    def filtered(self, frame: pd.DataFrame, modality: Text, task: Task | None) -> TextPreprocessor:
        """The same without the terms that the settings' filter does not keep."""
        texts, (targets, classes) = list(frame[modality.column]), targets_of(task, frame)
        ids = [[i - FIRST_WORD for i in each if i != UNKNOWN] for each in self.whole_ids(texts)]
        ends = np.cumsum([0, *map(len, ids)])
        columns = np.fromiter(itertools.chain.from_iterable(ids), np.int64, ends[-1])
        shape = (len(ids), len(self.vocabulary))
        counts = csr_matrix((np.ones(len(columns)), columns, ends), shape=shape)
        settings = self.settings
        kept = select_features(counts, targets, settings.filter, settings.keep or 1, classes)
        vocabulary = tuple(self.vocabulary[place] for place in kept)
        idf = tuple(self.idf[place] for place in kept) if self.idf else ()
        return replace(self, vocabulary=vocabulary, idf=idf)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: FIRST_WORD + place for place, word in enumerate(self.vocabulary)}

    @cached_property
    def _subwords(self) -> Subwords | None:
        return Subwords(self.tokenizer) if self.tokenizer else None

    @property
    def nothing_known(self) -> frozenset[int]:
        """The ids that say nothing of a text: of an unknown word, and those around every text."""
        return frozenset([UNKNOWN]) if self._subwords is None else self._subwords.nothing_known

    def whole_ids(self, texts: Sequence[str | None]) -> list[list[int]]:
        """Word numbers of each text: 0 is padding, 1 an unknown word, 2 the most frequent word.

        Bags leave unknown words out. A tokenizer has its own numbers, and 0 for padding.
        """
        with ProgressBar("reading texts", len(texts)) as progress:
            found = []
            for start in range(0, len(texts), _AT_ONCE):
                found += self._whole_ids(texts[start : start + _AT_ONCE])
                progress.add(min(_AT_ONCE, len(texts) - start))
        return found

    def _whole_ids(self, texts: Sequence[str | None]) -> list[list[int]]:
        if self._subwords is not None:
            there = [text for text in texts if isinstance(text, str)]
            ids = iter(self._subwords.ids(there))
            return [next(ids) if isinstance(text, str) else [] for text in texts]
        index, analyze = self._index, _analyzer(self.settings)
        sequences = (
            [index.get(term, UNKNOWN) for term in analyze(text)] if isinstance(text, str) else []
            for text in texts
        )
        if self.settings.representation == "tokens":
            return list(sequences)
        return [[i for i in ids if i != UNKNOWN] for ids in sequences]

    def encoded(self, texts: pd.Series, room: Room) -> tuple[RaggedRows, np.ndarray]:
        """`token_ids` of many texts, and how many each would be without the cut, `(texts,)`.

        Some texts at a time: lists of all would take ten times the memory.
        """
        lengths = [np.zeros(0, np.int64)]
        bar = ProgressBar("reading texts", len(texts))
        with GrowingRows(np.int32, room) as rows, bar as progress:
            for start in range(0, len(texts), _AT_ONCE):
                whole = self._whole_ids(list(texts.iloc[start : start + _AT_ONCE]))
                rows.add(self._cut(whole))
                lengths.append(np.fromiter(map(len, whole), np.int64, len(whole)))
                progress.add(len(whole))
            return rows.finish(), np.concatenate(lengths)

    def token_ids(self, texts: Sequence[str | None]) -> list[list[int]]:
        """`whole_ids`; sequences are cut at `max_length`."""
        return self._cut(self.whole_ids(texts))

    def _cut(self, ids: list[list[int]]) -> list[list[int]]:
        most = self.settings.max_length
        if self._subwords is not None:
            return [self._subwords.cut(each, most) for each in ids]
        if self.settings.representation == "tokens":
            return [each[:most] for each in ids]
        return ids

    def terms(self, texts: Sequence[str | None]) -> list[list[str]]:
        """What each token of a sequence stands for: words, or a tokenizer's pieces."""
        if self._subwords is not None:
            return [self._subwords.pieces(ids) for ids in self.token_ids(texts)]
        most, analyze = self.settings.max_length, _analyzer(self.settings)
        return [analyze(text)[:most] if isinstance(text, str) else [] for text in texts]

    def ragged_ids(self, whole: list[list[int]]) -> tf.RaggedTensor:
        """`whole_ids`, cut, as a tensor, int32 `(texts, None)`."""
        import tensorflow as tf

        ids = self._cut(whole)
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        values = np.fromiter(itertools.chain.from_iterable(ids), np.int32, lengths.sum())
        return tf.RaggedTensor.from_row_lengths(values, lengths)

    def input_maker(self) -> InputMaker:
        """What makes batches of word numbers model inputs.

        These are token sequences, padded to about the batch's longest, or bags of words.
        """
        import tensorflow as tf

        from mmkeras.data.sources import padded_length

        representation, size = self.settings.representation, len(self.vocabulary)
        idf = tf.constant(self.idf, tf.float32)

        def make_tokens(ids: tf.RaggedTensor, seed: tf.Tensor | None) -> tf.Tensor:
            padded = ids.to_tensor()
            length = tf.shape(padded)[1]
            return tf.pad(padded, [[0, 0], [0, padded_length(length) - length]])

        def make_bags(ids: tf.RaggedTensor, seed: tf.Tensor | None) -> tf.Tensor:
            words = [tf.cast(ids.value_rowids(), tf.int32), ids.values - FIRST_WORD]
            ones = tf.ones_like(ids.values, tf.float32)
            rows = tf.cast(ids.nrows(), tf.int32)
            bags = tf.scatter_nd(tf.stack(words, axis=1), ones, (rows, size))
            if representation == "binary":
                return tf.minimum(bags, 1.0)
            return tf.math.l2_normalize(bags * idf, axis=1) if representation == "tfidf" else bags

        return make_tokens if representation == "tokens" else make_bags


def _analyzer(settings: TextSettings) -> Callable[[str], list[str]]:
    """What makes terms of a text."""
    return make_analyzer(
        lowercase=settings.lowercase,
        stop_words=settings.stop_words,
        stemmer=settings.stemmer,
        ngrams=settings.ngrams,
        characters=settings.characters,
    )


def _frequency(texts: Sequence[str], settings: TextSettings) -> Counter[str]:
    """In how many texts each term is, under a progress bar.

    Of more different terms than memory should hold, one is taken off each count, and those that
    have none left are forgotten ([Misra & Gries,
    1982](https://doi.org/10.1016/0167-6423(82)90012-0)): no count is too low by more than how often
    that was done, which is said, and is little for terms that are frequent enough for a vocabulary.
    """
    frequency: Counter[str] = Counter()
    analyze, rounds = _analyzer(settings), 0
    most = max(_MOST_COUNTED, 4 * settings.vocabulary_size)
    with ProgressBar("counting words", len(texts)) as progress:
        for text in texts:
            frequency.update(set(analyze(text)))
            progress.add()
            while len(frequency) > most:
                rounds += 1
                frequency = Counter({t: n - 1 for t, n in frequency.items() if n > 1})
    if rounds:
        print(
            f"more than {most:,} different terms: the rarest were forgotten on the way, and counts "
            f"of texts are too low by {rounds} at most"
        )
    return frequency


def _is_whole(value: Any, floats: bool) -> bool:
    """Whether a cell is a whole number, which a text file says in one way; or a float of one."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return True
    whole = floats and isinstance(value, float | np.floating)
    return whole and float(value).is_integer() and abs(value) < EXACT


def _most(values: np.ndarray) -> list[list[int]]:
    """The places of each bag's words, the most probable first.

    How many there are is not said by their shares; those at least half as probable as the first
    are taken, and no more than ten.
    """
    found = []
    for shares in np.asarray(values):
        order = np.argsort(-shares, kind="stable")[:_MOST_WORDS_MADE]
        found.append(order[shares[order] >= shares[order[0]] / 2].tolist())
    return found


class TextKind(Kind[TextSettings, TextPreprocessor]):
    """Texts; nothing in them can be unreadable."""

    name = noun = "text"
    settings, preprocessor = TextSettings, TextPreprocessor
    has_words = varying_length = True

    def check_fitted(self, modality, fitted):
        if len(set(fitted.vocabulary)) < len(fitted.vocabulary):
            raise ValueError("`vocabulary` has a term twice.")
        weighed = fitted.settings.representation == "tfidf"
        if len(fitted.idf) != (len(fitted.vocabulary) if weighed else 0):
            raise ValueError(
                f"`idf` does not go with `vocabulary`: {len(fitted.idf)} weights of "
                f"{len(fitted.vocabulary)} terms."
            )
        if bool(fitted.tokenizer) != bool(fitted.settings.tokenizer):
            raise ValueError("`tokenizer` does not go with the settings.")

    def read_cells(self, cells: pd.Series, folder: Path) -> tuple[pd.Series, list[Problem]]:
        hint = f"read the column as text: pandas.read_csv(..., dtype={{{cells.name!r}: str}}), "
        hint += "or put it into a Tabular modality"
        empty, values = empty_cells(cells), cells.to_numpy(object, copy=True)
        values[empty] = None
        # pandas makes floats of whole numbers where there are holes, and only there.
        whole = pd.api.types.is_float_dtype(cells) and bool(empty.any())
        if pd.api.types.is_numeric_dtype(cells) and not all(
            _is_whole(value, whole) for value in values[~empty]
        ):
            return cells, [(None, f"holds numbers ({cells.dtype}), not texts; {hint}")]
        problems: list[Problem] = []
        is_text = np.array([isinstance(value, str) for value in values], bool)
        others = np.flatnonzero(~empty & ~is_text)
        for position in others:
            value, row = values[position], int(position) + 1
            if _is_whole(value, whole):
                values[position] = str(int(value))
            elif isinstance(value, numbers.Number | np.bool_):
                problems.append((row, f"{value} is a number, not a text; {hint}"))
            else:
                problems.append((row, f"{shown_cell(value)} is not a text; give a string"))
        if len(others) and not problems:
            warnings.warn(
                f"column {cells.name!r}: {len(others):,} of {len(cells):,} cells are whole numbers "
                f"and read as texts, such as {values[others[0]]!r}.",
                UserWarning,
                stacklevel=5,
            )
        return object_series(values, cells), problems

    def is_augmented(self, settings: TextSettings) -> bool:
        return False

    def filtered(self, frame, modality, fitted, task) -> TextPreprocessor:
        if fitted.settings.filter == "none":
            return fitted
        filtered = fitted.filtered(frame, modality, task)
        print(
            f"{modality.name!r}: {fitted.settings.filter} keeps {len(filtered.vocabulary):,} of "
            f"{len(fitted.vocabulary):,} terms"
        )
        return filtered

    def source(self, rows, modality, fitted, store) -> Source:
        from mmkeras.data.sources import RaggedSource

        ids, lengths = fitted.encoded(rows.frame[modality.column], rows.room)
        return RaggedSource(ids, fitted.input_maker(), lengths)

    def unprepared(self, frame, modality, fitted, source) -> list[Unprepared]:
        ids, nothing = source.rows, list(fitted.nothing_known)
        known = np.zeros(len(frame), bool)
        for start in range(0, len(frame), _AT_ONCE):
            places = ids.splits[start : start + _AT_ONCE + 1]
            says = ~np.isin(ids.values[places[0] : places[-1]], nothing)
            before = np.concatenate([[0], np.cumsum(says)])[places - places[0]]
            known[start : start + _AT_ONCE] = np.diff(before) > 0
            ids.let_go()
        found = without_known_words(modality.column, ~known & ~empty_cells(frame[modality.column]))
        cut = []
        if fitted.settings.representation == "tokens":
            most = fitted.settings.max_length
            cut = cut_short(modality.column, source.lengths, most, "words", "`max_length`")
        return [found, *cut] if found.cells else cut

    def cells_of(self, values, modality, fitted) -> pd.DataFrame:
        """Of each bag the most probable words: those that are half as probable as the first."""
        if fitted.settings.representation == "tokens":
            return super().cells_of(values, modality, fitted)
        words = np.array(fitted.vocabulary, object)
        texts = [" ".join(words[places]) for places in _most(values)]
        return pd.DataFrame({modality.column: pd.Series(texts, dtype=object)})

    def as_inputs(self, values, modality, fitted) -> np.ndarray:
        """Bags of the most probable words."""
        ids = [[FIRST_WORD + place for place in places] for places in _most(values)]
        return fitted.input_maker()(fitted.ragged_ids(ids), None).numpy()

    def raw_values(self, frame, modality, fitted, source) -> list[str | None]:
        return list(frame[modality.column])

    def inputs_of(self, values, fitted, length) -> np.ndarray:
        return fitted.input_maker()(fitted.ragged_ids(fitted.whole_ids(values)), None).numpy()
