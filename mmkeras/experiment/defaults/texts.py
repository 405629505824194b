"""Texts: words, pairs of them and their parts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from mmkeras.data.kinds.base import drawn
from mmkeras.data.tables.cells import to_numbers
from mmkeras.data.words import split_words
from mmkeras.experiment.defaults.choice import Choice
from mmkeras.schema import Number, Schema, Text
from mmkeras.tasks import task_class

_LOOKED_AT = 5000  # texts, evenly
_SHORT = 20  # words
_TELLING = 0.1  # R² from which on a text says something of a number
_MOST = 0.8
_BEGINNING = 1000  # characters, which tell what a text is about
_FEW_ROWS = 50  # too few to tell
_OFTEN = 0.02  # of all running words, the share that is in one text alone


def choose_text(frame: pd.DataFrame, modality: Text, schema: Schema) -> Choice:
    """A bag of words: of their parts too where many words are rare, of pairs where there are few.

    A model from scratch learns no language from a few thousand texts, and reads bags of terms best.
    Texts that say nothing of a number, such as names of films of their ratings, are learnt by heart
    instead, and what else is known of the rows is then not learnt: most of their terms are dropped.
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
    dropout = 0.5 if task_class(schema.target).has_classes else 0.0
    said, dropped = f"text {modality.name!r}: {length} ({usual:.0f} words)", ""
    if isinstance(schema.target, Number) and len(schema.modalities) > 1:
        explained = _explained(frame, modality, schema.target)
        if explained is not None and explained < _TELLING:
            dropout, dropped = _MOST, ", most of them dropped in training"
            said += f", a linear model of it tells next to nothing of {schema.target.name!r}"
    options = {"units": (256,), "dropout": 0.0 if dropout else 0.3, "input_dropout": dropout}
    if once < _OFTEN and len(counts) <= 1000:
        reason = f"{said}, words repeat -> words and pairs of words{dropped}"
        return Choice(reason, {**common, "representation": "binary"}, "bag_of_words", options)
    if length == "short":
        reason = f"{said}, many words are rare -> words, pairs, and parts of words{dropped}"
        return Choice(reason, {**common, "characters": 4}, "bag_of_words", options)
    return Choice(f"{said} -> words and pairs of words{dropped}", common, "bag_of_words", options)


def _explained(frame: pd.DataFrame, modality: Text, target: Number) -> float | None:
    """R² of the answer's ranks by a linear model of words and pairs, in rows that it did not see.

    Predicted in three folds; of several numbers that of the one that is told best; `None` where
    there are too few rows to tell.
    """
    from scipy.stats import rankdata
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold, cross_val_predict

    answers = np.stack([to_numbers(frame[column]) for column in target.columns], axis=1)
    known = np.isfinite(answers).all(axis=1)
    known &= [isinstance(text, str) for text in frame[modality.column]]
    rows = drawn(frame.loc[known, modality.column].reset_index(drop=True), _LOOKED_AT)
    if len(rows) < _FEW_ROWS:
        return None
    ranks = rankdata(answers[known][rows.index], axis=0) / len(rows)
    terms = TfidfVectorizer(
        tokenizer=split_words, token_pattern=None, lowercase=False, ngram_range=(1, 2),
        min_df=2, max_features=5000,
    )  # fmt: skip
    try:
        features = terms.fit_transform(rows.str[:_BEGINNING])
    except ValueError:  # no word is in two texts
        return 0.0
    folds = KFold(3, shuffle=True, random_state=0)
    told = cross_val_predict(Ridge(solver="lsqr"), features, ranks, cv=folds)
    return float(max(r2_score(ranks, told.reshape(ranks.shape), multioutput="raw_values")))
