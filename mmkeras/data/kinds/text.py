"""What is fitted for texts: the vocabulary and its inverse document frequencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mmkeras.data.kinds.settings import TextSettings
from mmkeras.data.words import make_analyzer
from mmkeras.progress import ProgressBar
from mmkeras.schema import InputSpec, Text

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2


@dataclass(frozen=True)
class TextPreprocessor:
    """Fitted state of a text modality: the vocabulary, most frequent first, and its IDF."""

    settings: TextSettings
    vocabulary: tuple[str, ...]
    idf: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        if self.settings.representation == "tokens":
            return InputSpec((None,), "int32", vocabulary_size=FIRST_WORD + len(self.vocabulary))
        return InputSpec((len(self.vocabulary),))

    @classmethod
    def fit(cls, frame: pd.DataFrame, modality: Text, settings: TextSettings) -> TextPreprocessor:
        texts = [text for text in frame[modality.column] if isinstance(text, str)]
        frequency: Counter[str] = Counter()
        for terms in _analyzed("counting words", texts, settings):
            frequency.update(set(terms))
        kept = [item for item in frequency.items() if item[1] >= settings.min_count]
        # By frequency, then by alphabet, so that the vocabulary does not depend on row order.
        kept.sort(key=lambda item: (-item[1], item[0]))
        kept = kept[: settings.vocabulary_size]
        if not kept:
            raise ValueError(
                f"No word of column {modality.column!r} is left for the vocabulary: "
                f"{len(texts)} training texts, min_count={settings.min_count}."
            )
        idf = ()
        if settings.representation == "tfidf":
            idf = tuple(float(np.log((1 + len(texts)) / (1 + n)) + 1) for _, n in kept)
        return cls(settings, tuple(word for word, _ in kept), idf)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: FIRST_WORD + place for place, word in enumerate(self.vocabulary)}

    def token_ids(self, texts: Sequence[str | None]) -> list[list[int]]:
        """Word numbers of each text: 0 is padding, 1 an unknown word, 2 the most frequent word.

        Sequences are cut at `max_length`; bags are whole and leave unknown words out.
        """
        index = self._index
        sequences = (
            [index.get(term, UNKNOWN) for term in terms]
            for terms in _analyzed("reading texts", texts, self.settings)
        )
        if self.settings.representation == "tokens":
            return [ids[: self.settings.max_length] for ids in sequences]
        return [[i for i in ids if i != UNKNOWN] for ids in sequences]


def _analyzed(
    label: str, texts: Sequence[str | None], settings: TextSettings
) -> Iterator[list[str]]:
    """The terms of each text, none of an empty cell, under a progress bar."""
    analyze = make_analyzer(
        lowercase=settings.lowercase,
        stop_words=settings.stop_words,
        stemmer=settings.stemmer,
        ngrams=settings.ngrams,
        characters=settings.characters,
    )
    with ProgressBar(label, len(texts)) as progress:
        for text in texts:
            yield analyze(text) if isinstance(text, str) else []
            progress.add()
