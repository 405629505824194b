"""What each column of a table is worth to a model that is trained without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mmkeras.audit.subject import Subject
from mmkeras.classical.floor.answers import fit_outputs
from mmkeras.classical.floor.methods import METHODS
from mmkeras.evaluation.bootstrap import Difference, compare_paired
from mmkeras.tasks import Task

_MOST_ROWS = 2000  # of training
_MOST_TREES = 3000  # columns times classes, each a forest of its own


def lost_without(subject: Subject, name: str, places: np.ndarray) -> dict[str, Difference]:
    """What gradient boosting on the table alone loses, trained without each column in turn.

    Shuffling a column asks what this model makes of it; another column may say the same, and a new
    model would turn to that one. Leaving it out and training again tells what is lost for good
    (leave one covariate out; Lei et al., 2018).

    Args:
        subject: The audited model, its rows and its training rows.
        name: A table of the schema.
        places: By place of the table's vector, which column it is of.

    Returns:
        By column, the fall of the main figure on the audited rows, with its 95 % interval. Nothing
        where training rows are gone, where classical models do not suit the task, or where it
        would take minutes.
    """
    task, columns = subject.task, list(dict.fromkeys(places))
    trees = len(columns) * (task.num_outputs if task.has_classes else 1)
    known = subject.splits is not None and task.suits_classical
    if not known or len(columns) < 2 or trees > _MOST_TREES:
        return {}
    train = _rows(subject.splits.train, task, subject.settings.seed)
    fitted = subject.pipeline.preprocessing.modalities[name]
    X, targets = fitted.vectors(train), task.encode(train, subject.schema.id)
    judged = subject.rows.inputs[name]
    boosting = METHODS["boosting"]
    make, rate = boosting.estimator(task.has_classes), boosting.settings[0]
    assert make is not None

    def scores(kept: np.ndarray) -> np.ndarray:
        predict = fit_outputs(make(rate, subject.settings.seed), X[:, kept], targets, task)
        return subject.rows.row_scores(predict(judged[:, kept]))

    groups = subject.rows.pipeline.groups
    # So few rows are done sooner than threads have met.
    with threadpool_limits(1, "openmp"):
        whole = scores(places == places)
        return {
            column: compare_paired(whole, scores(places != column), groups=groups, draws=2000)
            for column in columns
        }


def _rows(train: pd.DataFrame, task: Task, seed: int) -> pd.DataFrame:
    if len(train) <= _MOST_ROWS:
        return train
    return train.sample(_MOST_ROWS, random_state=seed)
