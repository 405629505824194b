"""The rows of a table as views of numbers for clustering, and what to show of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from mmkeras.classical import ScaledViews
from mmkeras.classical.features import ModalityFeatures
from mmkeras.data.kinds import KINDS
from mmkeras.experiment.settings import Settings
from mmkeras.schema import Schema, Tabular

TOPICS = 100


@dataclass(frozen=True, eq=False)
class Features:
    """What is clustered.

    Args:
        X: `(rows, columns)`. Words' weights are reduced to topics.
        views: Each modality's columns in X.
        standardise: The modalities whose columns are standardised: those without topics.
        terms: `(rows, terms)`, what cells of a map are described by: words' weights where there are
            texts, otherwise the columns that have names of their own; `None` without either.
        names: What the terms are called.
        fitted: What made the features.
    """

    X: np.ndarray
    views: dict[str, slice]
    standardise: list[str]
    terms: Any
    names: np.ndarray
    fitted: ModalityFeatures

    @property
    def scaler(self) -> ScaledViews:
        return ScaledViews(self.views, standardise=self.standardise)

    @property
    def described(self) -> str:
        widths = {name: columns.stop - columns.start for name, columns in self.views.items()}
        return ", ".join(f"{name} ({width:,} features)" for name, width in widths.items())


def make_features(table: pd.DataFrame, schema: Schema, settings: Settings) -> Features:
    """The features of all rows; see `Features`.

    Latent semantic analysis with a fixed seed makes at most 100 topics of a modality of words.
    """
    fitted = ModalityFeatures(schema, settings.preprocessing(schema))
    whole = fitted.fit_transform(table)
    names = fitted.get_feature_names_out()
    parts, views, standardise, start = [], {}, [], 0
    for name, columns in fitted.views_.items():
        part = whole[:, columns]
        if fitted.sparse_[name]:
            topics = min(TOPICS, min(part.shape) - 1)
            if topics >= 1:
                part = normalize(TruncatedSVD(topics, random_state=0).fit_transform(part))
        else:
            standardise.append(name)
        part = part.toarray() if scipy.sparse.issparse(part) else part
        parts.append(part)
        views[name] = slice(start, start := start + part.shape[1])
    said = [name for name in views if fitted.sparse_[name]] or [
        name for name in views if isinstance(schema[name], Tabular)
    ]
    kept = np.concatenate([np.arange(len(names))[fitted.views_[name]] for name in said] or [[]])
    kept = kept.astype(int)
    terms = scipy.sparse.csc_array(whole)[:, kept] if len(kept) else None
    short = np.array([name.partition("__")[2] for name in names[kept]], dtype=object)
    return Features(np.concatenate(parts, axis=1), views, standardise, terms, short, fitted)


def cell_words(features: Features, cells: np.ndarray, number: int) -> list[str] | None:
    """For each cell the term that its rows have most above the average, in standard deviations.

    An empty text for a cell without rows; `None` where there are no terms.
    """
    if features.terms is None:
        return None
    rows = len(cells)
    members = scipy.sparse.csr_array((np.ones(rows), (cells, np.arange(rows))), (number, rows))
    counts = np.asarray(members.sum(axis=1)).ravel()
    mean = np.asarray(features.terms.mean(axis=0)).ravel()
    squares = np.asarray(features.terms.multiply(features.terms).mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(squares - mean**2, 1e-12))
    # Of a mean of n rows; so a rare term of a single row does not outdo all others.
    sums = (members @ features.terms).toarray()
    above = (sums - counts[:, None] * mean) / (spread * np.sqrt(np.maximum(counts, 1))[:, None])
    best = above.argmax(axis=1)
    return [
        str(features.names[place]) if count and above[cell, place] > 0 else ""
        for cell, (place, count) in enumerate(zip(best, counts, strict=True))
    ]


def row_pictures(
    features: Features, table: pd.DataFrame, schema: Schema, examples: np.ndarray
) -> dict[int, np.ndarray]:
    """By cell of a map, the picture of its most typical row, of the first modality with pictures.

    Args:
        features: What was clustered.
        table: The rows.
        schema: Which column is what.
        examples: For each cell a row's position, or -1.
    """
    cells = np.flatnonzero(examples >= 0)
    for modality in schema.modalities:
        column = table[modality.columns[0]].iloc[examples[cells]]
        there = column.notna().to_numpy()
        shown = KINDS[modality.kind].pictures(column[there], features.fitted.fitted_[modality.name])
        if shown is not None:
            return dict(zip(cells[there].tolist(), map(np.squeeze, shown), strict=True))
    return {}
