"""All figures of a model on labelled rows, with their intervals; from scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import sklearn
from scipy.stats import rankdata
from sklearn import metrics as sk

from mmkeras.evaluation.metrics import evaluate_predictions
from mmkeras.progress import ProgressBar

# The one figure of a task by which subsets of modalities and kinds of noise are held against each
# other; more is better.
MAIN = {"classification": "accuracy", "multilabel": "micro_f1", "regression": "r2"}


def main_score(task: str, targets: np.ndarray, outputs: np.ndarray) -> float:
    """The figure `MAIN` of a task: accuracy, micro-F1 at threshold 0.5, or R²."""
    if task == "classification":
        return float((targets.argmax(axis=1) == outputs.argmax(axis=1)).mean())
    if task == "multilabel":
        return float(sk.f1_score(targets >= 0.5, outputs >= 0.5, average="micro", zero_division=0))
    return float(sk.r2_score(targets, outputs)) if len(targets) > 1 else np.nan


def constant_score(task: str, targets: np.ndarray) -> float:
    """What the best answer scores that is the same for all of these rows.

    The most frequent class; of labels, the most frequent ones, as many as score best; the mean.
    """
    frequent = targets.mean(axis=0)
    if task == "classification":
        return float(frequent.max())
    if task == "regression":
        return 0.0
    order = np.argsort(-frequent, kind="stable")
    answers = np.tri(len(order), dtype=bool)[:, np.argsort(order)]
    return max(main_score(task, targets, np.tile(a, (len(targets), 1))) for a in answers)


def brier_score(task: str, targets: np.ndarray, outputs: np.ndarray) -> float:
    """The mean squared distance of probabilities from the truth (Brier, 1950).

    Summed over the classes, as Brier does; over labels their mean.

    >>> round(brier_score("classification", np.eye(2), np.array([[0.8, 0.2], [0.4, 0.6]])), 3)
    0.2
    """
    squares = np.square(outputs.astype(np.float64) - targets)
    return float((squares.sum(axis=1) if task == "classification" else squares).mean())


def performance(task: str, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Every figure of a task.

    Args:
        task, targets, outputs: As for `mmkeras.evaluation.metrics.evaluate_predictions`, whose
            figures are among these.

    Returns:
        For classes and labels also micro-F1, the areas under the ROC curve and the average
        precision (one class against the rest; the mean over the classes that some rows have and
        some have not), and the Brier score; for numbers also Pearson's correlation. What is not
        defined for these rows is NaN.

    Example:

    >>> figures = performance("classification", np.eye(2), np.array([[0.8, 0.2], [0.4, 0.6]]))
    >>> round(figures["brier"], 3), figures["roc_auc"]
    (0.2, 1.0)
    """
    figures = evaluate_predictions(task, targets, outputs)
    if task == "regression":
        true, guess = targets[:, 0].astype(np.float64), outputs[:, 0].astype(np.float64)
        varies = len(true) > 1 and true.std() > 0 and guess.std() > 0
        figures["pearson"] = float(np.corrcoef(true, guess)[0, 1]) if varies else np.nan
        return figures
    curves = class_curves(targets, outputs)
    if task == "classification":
        true, guess = targets.argmax(axis=1), outputs.argmax(axis=1)
        figures["micro_f1"] = float(sk.f1_score(true, guess, average="micro"))
    figures["brier"] = brier_score(task, targets, outputs)
    return figures | {
        name: float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
        for name, values in curves.items()
    }


def class_curves(targets: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
    """`roc_auc` and `average_precision` of each class against the rest, `(classes,)`.

    As scikit-learn defines them, ties included, but for all classes at once: the bootstrap asks
    hundreds of times. NaN for a class that no row, or every row, has.
    """
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


def by_class(
    task: str, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """A row a class or label: rows, precision, recall, F1, ROC-AUC and average precision.

    In classification an answer is the most probable class; labels apply from 0.5.
    """
    true = (targets >= 0.5).astype(int)
    guess = (outputs >= 0.5).astype(int)
    if task == "classification":
        guess = np.eye(outputs.shape[1], dtype=int)[outputs.argmax(axis=1)]
    precision, recall, f1, rows = sk.precision_recall_fscore_support(true, guess, zero_division=0)
    columns = {"rows": rows, "precision": precision, "recall": recall, "F1": f1}
    columns |= class_curves(targets, outputs)
    index = pd.Index(classes, name="class")
    return pd.DataFrame(columns, index=index).rename(
        columns={"roc_auc": "ROC-AUC", "average_precision": "average precision"}
    )


def performance_intervals(
    task: str,
    targets: np.ndarray,
    outputs: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """The figures of `performance` with 95 % intervals by bootstrap over the rows.

    The interval lies between the 2.5 and 97.5 % quantiles of the figure over `draws` samples of as
    many rows, drawn with replacement. It says how the figure would differ on other rows of the
    same kind; not how it would differ if the model were trained again.

    Args:
        task, targets, outputs: As for `performance`.
        groups: A name for each row; rows of one name are drawn together.
        draws: How often.
        seed: Decides the draws.

    Returns:
        A row a figure: `value`, `low`, `high`.

    References:
        - Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.
    """
    values = performance(task, targets, outputs)
    random = np.random.default_rng(seed)
    names = np.arange(len(targets)) if groups is None else pd.factorize(np.asarray(groups, str))[0]
    order = np.argsort(names, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(names[order])) + 1)
    drawn = []
    quick = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with ProgressBar("drawing rows anew", draws) as progress, warnings.catch_warnings(), quick:
        # A sample may lack a class; its figures are then those of the classes that it has.
        warnings.simplefilter("ignore")
        for _ in range(draws):
            chosen = random.integers(0, len(members), len(members))
            rows = np.concatenate([members[unit] for unit in chosen])
            drawn.append(list(performance(task, targets[rows], outputs[rows]).values()))
            progress.add()
        low, high = np.nanquantile(np.array(drawn), [0.025, 0.975], axis=0)
    columns = {"value": list(values.values()), "low": low, "high": high}
    return pd.DataFrame(columns, index=pd.Index(list(values), name="figure"))
