"""The floor of a deep experiment: classical late fusion on the very same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from mmkeras.classical.features import ModalityFeatures
from mmkeras.data.tables.splits import k_folds
from mmkeras.schema import Schema

_DENSE = 0.3  # a view with more of its numbers above 0 is dense


def features_of(
    features: ModalityFeatures, train: pd.DataFrame, *others: pd.DataFrame
) -> list[dict[str, Any]]:
    """Fits features on training rows; returns each view of these and of other rows.

    Returns:
        One dict for each frame, `(rows, features)` by modality.
    """
    matrices = [features.fit_transform(train), *map(features.transform, others)]
    views: list[dict[str, Any]] = [{} for _ in matrices]
    for name, columns in features.views_.items():
        parts = [matrix[:, columns] for matrix in matrices]
        first = parts[0]
        if sparse.issparse(first) and first.nnz > _DENSE * first.shape[0] * first.shape[1]:
            parts = [part.toarray() for part in parts]
        for view, part in zip(views, parts, strict=True):
            view[name] = part
    return views


def inner_folds(
    train: pd.DataFrame, schema: Schema, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of training rows; groups stay whole, and classes keep their shares."""
    return list(k_folds(train, schema, folds=folds, seed=seed))
