"""Figures of class probabilities, from arrays."""

from __future__ import annotations

import numpy as np


def brier_score(targets: np.ndarray, outputs: np.ndarray, *, single_label: bool) -> float:
    """The mean squared distance of probabilities from the truth (Brier, 1950).

    Summed over the classes, as Brier does; over labels their mean.

    >>> round(brier_score(np.eye(2), np.array([[0.8, 0.2], [0.4, 0.6]]), single_label=True), 3)
    0.2
    """
    squares = np.square(outputs.astype(np.float64) - targets)
    return float((squares.sum(axis=1) if single_label else squares).mean())


def precision_recall_f1(
    true: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each class, however many there are: precision, recall and F1; 0 where undefined.

    Args:
        true, guess: Which rows have it, and are said to, booleans `(rows, ...)`.

    >>> [float(x) for x in precision_recall_f1(np.array([1, 1, 0]) > 0, np.array([1, 0, 0]) > 0)]
    [1.0, 0.5, 0.6666666666666666]
    """
    both, said, real = (true & guess).sum(axis=0), guess.sum(axis=0), true.sum(axis=0)
    precision, recall = both / np.maximum(said, 1), both / np.maximum(real, 1)
    return precision, recall, 2 * both / np.maximum(said + real, 1)


def class_curves(targets: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
    """`roc_auc` and `average_precision` of each class against the rest, `(classes,)`.

    As scikit-learn defines them, ties included, but for all classes at once: the bootstrap asks
    hundreds of times. NaN for a class that no row, or every row, has.
    """
    from scipy.stats import rankdata

    true = targets >= 0.5
    rows, positives = len(true), true.sum(axis=0)
    negatives = rows - positives
    with np.errstate(divide="ignore", invalid="ignore"):
        ranks = (rankdata(outputs, axis=0) * true).sum(axis=0)
        area = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
        order = np.argsort(-outputs, axis=0, kind="stable")
        scores = np.take_along_axis(outputs, order, axis=0)
        found = np.take_along_axis(true, order, axis=0).cumsum(axis=0)
        # A threshold lies behind rows of one score, never between them.
        ends = np.concatenate([scores[:-1] != scores[1:], np.ones_like(true[:1])])
        found = np.where(ends, found, 0)
        before = np.maximum.accumulate(np.concatenate([np.zeros_like(found[:1]), found[:-1]]))
        precision = found / np.arange(1, rows + 1)[:, None]
        mean_precision = np.where(ends, (found - before) * precision, 0.0).sum(axis=0) / positives
    defined = (positives > 0) & (negatives > 0)
    return {
        "roc_auc": np.where(defined, area, np.nan),
        "average_precision": np.where(defined, mean_precision, np.nan),
    }
