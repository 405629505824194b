"""All figures of a model on labelled rows, with their intervals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import sklearn

from mmkeras.progress import ProgressBar
from mmkeras.tasks import Task
from mmkeras.tasks.class_figures import class_curves, precision_recall_f1


def by_class(task: Task, targets: np.ndarray, outputs: np.ndarray) -> pd.DataFrame:
    """One row for each class or label: rows, precision, recall, F1, ROC-AUC and average precision.

    In classification an answer is the most probable class; labels apply from their thresholds.
    """
    true, guess = targets >= 0.5, task.said(outputs)
    precision, recall, f1 = precision_recall_f1(true, guess)
    columns = {"rows": true.sum(axis=0), "precision": precision, "recall": recall, "F1": f1}
    columns |= class_curves(targets, outputs)
    index = pd.Index(task.classes, name="class")
    return pd.DataFrame(columns, index=index).rename(
        columns={"roc_auc": "ROC-AUC", "average_precision": "average precision"}
    )


def performance_intervals(
    task: Task,
    targets: np.ndarray,
    outputs: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """All figures of a task with 95 % intervals by bootstrap over the rows.

    The interval lies between the 2.5 and 97.5 % quantiles of the figure over `draws` samples of as
    many rows, drawn with replacement. It says how the figure would differ on other rows of the
    same kind; not how it would differ if the model were trained again.

    Args:
        task: The fitted task.
        targets, outputs: In the target's own unit, `(examples, outputs)`.
        groups: A name for each row; rows of one name are drawn together.
        draws: How often.
        seed: Decides the draws.

    Returns:
        One row for each figure: `value`, `low`, `high` (NaN where `Task.interval_figures` leaves
        it out).

    References:
        - Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.
    """
    values = task.all_figures(targets, outputs)
    random = np.random.default_rng(seed)
    names = np.arange(len(targets)) if groups is None else pd.factorize(np.asarray(groups, str))[0]
    order = np.argsort(names, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(names[order])) + 1)
    drawn = []
    quick = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with ProgressBar("drawing rows again", draws) as progress, warnings.catch_warnings(), quick:
        # A sample may lack a class; its figures are then those of the classes that it has.
        warnings.simplefilter("ignore")
        for _ in range(draws):
            chosen = random.integers(0, len(members), len(members))
            rows = np.concatenate([members[unit] for unit in chosen])
            drawn.append(task.interval_figures(targets[rows], outputs[rows]))
            progress.add()
    # A figure without an interval has none here: of all answers together, it takes too long.
    found = pd.DataFrame(drawn).reindex(columns=list(values))
    table = pd.DataFrame({"value": values}).rename_axis("figure")
    return table.assign(low=found.quantile(0.025), high=found.quantile(0.975))
