"""One trial of a search: a model trained with a trial's settings, judged on validation rows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import keras
import pandas as pd

from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import FEATURES, fitted_pipelines, judge, train_and_judge
from mmkeras.files import write_json
from mmkeras.nested import flatten
from mmkeras.schema import Schema
from mmkeras.tasks import Figure, better_sign
from mmkeras.training.tensorboard import TensorBoardReport, TensorBoardScalars

CHECKPOINT = "checkpoint/last.npz"
Judge: TypeAlias = Callable[[int, float], bool]


class StopHopeless(keras.callbacks.Callback):
    """Hands every epoch's value to a judge, and stops training when it says so.

    Args:
        name: Of the value, e.g. `val_accuracy`.
        main: The figure of the search. A value whose better way is the other one (a loss, beside
            an accuracy) is handed on with the other sign.
        judge: Called with the epoch (from 1) and the value; true is the end.

    Attributes:
        stopped: Whether it said so.
    """

    def __init__(self, name: str, main: Figure, judge: Judge):
        super().__init__()
        self._name, self._judge, self.stopped = name, judge, False
        self._sign = main.sign * better_sign(name)

    def on_epoch_end(self, epoch, logs=None):
        if self._judge(epoch + 1, self._sign * float(logs[self._name])):
            self.stopped = self.model.stop_training = True


def train_trial(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    schema: Schema,
    settings: Settings,
    folder: Path,
    *,
    values: dict[str, Any],
    judged: Judge,
    cache_dir: Path,
) -> dict[str, Any]:
    """Trains a model and judges it; no other rows are known here.

    Called again on the folder of an interrupted trial, it resumes after the last whole epoch.

    Args:
        train: Rows to learn from.
        validation: Rows to choose the epoch and to judge the settings.
        schema: The modalities.
        settings: The trial's.
        folder: The trial's; gets `settings.json`, TensorBoard's files and the checkpoint.
        values: What the search chose, for TensorBoard.
        judged: May end the training early; see `StopHopeless`.
        cache_dir: Where `cache="file"` keeps decoded media.

    Returns:
        Whether it was `stopped`; `metrics` on the validation rows unless it was; `best_epoch`,
        `epochs`, `parameters`, `seconds`.
    """
    started = time.perf_counter()
    (folder / CHECKPOINT).parent.mkdir(parents=True, exist_ok=True)
    write_json(folder / "settings.json", settings.to_dict())
    preprocessing, pipelines = fitted_pipelines(
        Splits(train, validation, train[:0]), schema, settings, cache_dir
    )
    task = preprocessing.task
    stopper = StopHopeless(f"val_{task.watched}", task.main, judged)
    once = dataclasses.replace(settings.training, refit=False)  # validation rows are the judges
    trained = train_and_judge(
        preprocessing,
        pipelines,
        dataclasses.replace(settings, training=once),
        parts=(),
        checkpoint=folder / CHECKPOINT,
        label=folder.name,
        callbacks=[stopper],
        recorders=[TensorBoardScalars(folder)],
        features=cache_dir / FEATURES,
    )
    outcome = {"stopped": stopper.stopped, **trained.summary()}
    if not stopper.stopped:
        rest, fed = trained.judged_by
        rows = fed["validation"]
        _, metrics, _ = judge(rest, {"validation": rows}, task, rows)
        outcome["metrics"] = metrics["validation"]
        with TensorBoardReport(folder) as board:
            board.settings(flatten(values), outcome["metrics"], part="validation")
    return {**outcome, "seconds": round(time.perf_counter() - started, 2)}
