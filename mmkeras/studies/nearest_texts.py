"""What the text of the most similar training row would answer: the floor under a translation."""

from __future__ import annotations

from collections.abc import Sequence
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
_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Nearest:
    """The answers of the nearest training rows.

    Args:
        weight: How much modalities that are not texts counted, beside 1 for texts.
        said: The test rows' answers, `(rows,)` texts.
    """

    weight: float
    said: np.ndarray


def nearest_texts(splits: Splits, schema: Schema, task: Task) -> dict[str, Nearest]:
    """Answers each test row with the text of the training row that is most like it.

    Likeness is the cosine: of texts that of the TF-IDF of their runs of 2 to 5 characters, of
    other modalities that of the features that classical models read, less the training rows' mean.
    Of all modalities together it is the sum, in which those without words have a weight that the
    validation rows choose; without validation rows it is 0.5.

    Args:
        splits: Training, validation and test rows.
        schema: The modalities.
        task: The fitted task of a text.

    Returns:
        By modality, and as `"all"` where there are several.
    """
    parts = (splits.validation, splits.test)
    likeness = {m.name: _likeness(m, splits.train, parts) for m in schema.modalities}
    known, (true, _) = task.true(splits.train), (task.true(part) for part in parts)
    found = {name: Nearest(1.0, known[test.argmax(1)]) for name, (_, test) in likeness.items()}
    words = {m.name for m in schema.modalities if KINDS[m.kind].has_words}
    if len(likeness) > 1:

        def together(part: int, weight: float) -> np.ndarray:
            total = sum((1.0 if n in words else weight) * x[part] for n, x in likeness.items())
            return known[np.asarray(total).argmax(1)]

        weight = 0.5
        if len(true):
            weight = max(_WEIGHTS, key=lambda each: task.main_score(true, together(0, each)))
        found["all"] = Nearest(weight, together(1, weight))
    return found


def _likeness(
    modality: Modality, train: pd.DataFrame, parts: Sequence[pd.DataFrame]
) -> list[np.ndarray]:
    """The cosine of the rows of each part with each training row, `(rows, training rows)`."""
    if KINDS[modality.kind].has_words:
        vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(2, 5), sublinear_tf=True)
        texts = [list(part[modality.columns[0]].fillna("")) for part in (train, *parts)]
        known = vectorizer.fit_transform(texts[0])
        return [
            (vectorizer.transform(each) @ known.T).toarray() if each else np.zeros((0, len(train)))
            for each in texts[1:]
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
