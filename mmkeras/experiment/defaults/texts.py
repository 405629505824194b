"""Texts: words, pairs of them and their parts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from mmkeras.data.kinds.base import drawn
from mmkeras.data.words import split_words
from mmkeras.experiment.defaults.choice import Choice
from mmkeras.schema import Text
from mmkeras.tasks import Task

_LOOKED_AT = 5000  # texts, evenly
_SHORT = 20  # words
_OFTEN = 0.02  # of all running words, the share that is in one text alone


def choose_text(frame: pd.DataFrame, modality: Text, task: type[Task]) -> Choice:
    """A bag of words: of their parts too where many words are rare, of pairs where there are few.

    A model from scratch learns no language from a few thousand texts, and reads bags of terms best.
    """
    texts = frame[modality.column]
    texts = texts[[isinstance(text, str) for text in texts]]
    words = [split_words(text) for text in drawn(texts, _LOOKED_AT)]
    running = max(1, sum(map(len, words)))
    counts = Counter(word for each in words for word in set(each))
    once = sum(1 for count in counts.values() if count == 1) / running
    usual = float(np.median([len(each) for each in words])) if words else 0.0
    length = "short" if usual <= _SHORT else "long"
    many = len(texts) >= 500
    common = {
        "representation": "tfidf",
        "vocabulary_size": 5000 if len(texts) < 5000 else 10_000,
        "min_count": 2 if many else 1,
        "ngrams": 2,
    }
    # Of few rows, classes are learnt by heart by single words; numbers take all of them.
    dropout = 0.5 if task.has_classes else 0.0
    options = {"units": (256,), "dropout": 0.0 if dropout else 0.3, "input_dropout": dropout}
    said = f"text {modality.name!r}: {length} ({usual:.0f} words)"
    if once < _OFTEN and len(counts) <= 1000:
        reason = f"{said}, words repeat -> words and pairs of words"
        return Choice(reason, {**common, "representation": "binary"}, "bag_of_words", options)
    if length == "short":
        reason = f"{said}, many words are rare -> words, pairs, and parts of words"
        return Choice(reason, {**common, "characters": 4}, "bag_of_words", options)
    return Choice(f"{said} -> words and pairs of words", common, "bag_of_words", options)
