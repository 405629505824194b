"""What the text of the most similar training row would answer: the floor under a translation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from mmkeras.classical.features.modality_features import ModalityFeatures
from mmkeras.data.kinds import KINDS
from mmkeras.data.tables.splits import Splits
from mmkeras.schema import Modality, Schema
from mmkeras.tasks import Task

# How much the other modalities count beside the texts; chosen on the validation rows.
_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Answers:
    """What is answered without a network.

    Args:
        weight: How much modalities that are not texts counted, beside 1 for texts.
        said: The test rows' answers, `(rows,)` texts.
    """

    weight: float
    said: np.ndarray


@dataclass(frozen=True)
class Likeness:
    """How alike rows are to each training row, by one modality: cosines `(rows, training rows)`.

    Args:
        words: Whether the modality is a text.
        train, validation, test: Of the rows of each part.
    """

    words: bool
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def likeness_of_rows(splits: Splits, schema: Schema) -> dict[str, Likeness]:
    """The cosine of all rows with the training rows, by modality; it knows nothing of the target.

    Of texts it is that of the TF-IDF of their runs of 2 to 5 characters, of other modalities that
    of the features that classical models read, less the training rows' mean.
    """
    parts = [part for _, part in splits.items()]
    return {
        m.name: Likeness(KINDS[m.kind].has_words, *_cosines(m, splits.train, parts))
        for m in schema.modalities
    }


def nearest_texts(
    splits: Splits, likeness: Mapping[str, Likeness], task: Task
) -> dict[str, Answers]:
    """Answers each test row with the text of the training row that is most like it.

    Likeness by all modalities together is the sum of their cosines.

    Args:
        splits: Training, validation and test rows.
        likeness: Of these rows, by modality.
        task: The fitted task of a text.

    Returns:
        As `by_modality` does.
    """
    known = task.true(splits.train)

    def answer(part: str, weights: Mapping[str, float]) -> np.ndarray:
        total = np.sum([w * getattr(likeness[n], part) for n, w in weights.items()], axis=0)
        return known[total.argmax(1)]

    return by_modality(splits, likeness, task, answer)


def by_modality(
    splits: Splits,
    likeness: Mapping[str, Likeness],
    task: Task,
    answer: Callable[[str, Mapping[str, float]], np.ndarray],
) -> dict[str, Answers]:
    """Answers of the test rows by each modality, and by all of them.

    Args:
        splits, likeness, task: As for `nearest_texts`.
        answer: From a part's name and the weights of some modalities to the part's texts.

    Returns:
        By modality, and as `"all"` where there are several. In this one modalities without words
        have a weight that the validation rows choose; without validation rows it is 0.5.
    """
    found = {name: Answers(1.0, answer("test", {name: 1.0})) for name in likeness}
    if len(likeness) > 1:

        def together(part: str, weight: float) -> np.ndarray:
            weights = {name: 1.0 if each.words else weight for name, each in likeness.items()}
            return answer(part, weights)

        weight = 0.5
        if len(splits.validation):
            true = task.true(splits.validation)
            scores = {w: task.main_score(true, together("validation", w)) for w in _WEIGHTS}
            weight = max(_WEIGHTS, key=lambda each: scores[each])
        found["all"] = Answers(weight, together("test", weight))
    return found


def _cosines(
    modality: Modality, train: pd.DataFrame, parts: Sequence[pd.DataFrame]
) -> list[np.ndarray]:
    """The cosine of the rows of each part with each training row, `(rows, training rows)`."""
    if KINDS[modality.kind].has_words:
        vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(2, 5), sublinear_tf=True)
        texts = [list(part[modality.columns[0]].fillna("")) for part in parts]
        known = vectorizer.fit_transform(train[modality.columns[0]].fillna(""))
        return [
            (vectorizer.transform(each) @ known.T).toarray() if each else np.zeros((0, len(train)))
            for each in texts
        ]
    features = ModalityFeatures(Schema([modality], None))
    known = np.asarray(features.fit_transform(train))
    mean = known.mean(axis=0)
    known = normalize(known - mean)
    return [
        normalize(np.asarray(features.transform(part)) - mean) @ known.T
        if len(part)
        else np.zeros((0, len(train)))
        for part in parts
    ]
