"""Is what a conversion makes as good as the real thing? A classifier of real ones says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.svm import SVC

from mmkeras.schema import Modality
from mmkeras.studies.conversion.rows import VectorFeatures


class Coherence:
    """A classifier trained on true cells of a modality, tested on cells that were made.

    A support vector machine (RBF kernel, C = 10) on scikit-learn's features of the modality. It has
    never seen a made cell. Where it is as often right on these as on true ones, all that they say
    of the class has been kept by the conversion.

    Args:
        modalities: The modality, or several.
        train: Training rows.
        labels: Their classes, `(rows,)`.

    References:
        - [Shi et al., 2019](https://arxiv.org/abs/1911.03393) (cross-modal coherence)
    """

    def __init__(self, modalities: Sequence[Modality], train: pd.DataFrame, labels: np.ndarray):
        self._features = VectorFeatures(modalities, train)
        self._classifier = SVC(C=10.0).fit(self._features(train), labels)

    def accuracy(self, rows: pd.DataFrame, labels: np.ndarray) -> float:
        """How often the classifier is right; the cells may be made ones (`with_cells`)."""
        return float((self._classifier.predict(self._features(rows)) == labels).mean())


def with_cells(rows: pd.DataFrame, column: str, cells: np.ndarray) -> pd.DataFrame:
    """Rows with other cells in a column."""
    return rows.assign(**{column: pd.Series(list(cells), rows.index, object)})
