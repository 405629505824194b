"""A second training, from the beginning, of the model that the validation rows chose the epoch of.

Once it is known how long to train, the rows that said so are worth more as rows to learn from: of
few rows they are a large share. What was measured on them remains what the model before said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from mmkeras.data.pipeline import Pipeline
from mmkeras.training.fit import TASKS_OWN, OwnTraining, fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.settings import TrainingSettings

REFIT = "refit"  # the name of its checkpoint, beside the first training's, and of its curves


@dataclass(frozen=True)
class Refit:
    """What a run says of its second training, as `refit` in `metrics.json`.

    Args:
        rows: Those of training and validation.
        epochs: As many as were best in the first training.
        seconds: What they took.
        loss: Of the last epoch.

    >>> Refit(rows=1287, epochs=32, seconds=12.4, loss=0.1).words
    'trained again from its beginning, for 32 epochs on all 1,287 training and validation rows'
    """

    rows: int
    epochs: int
    seconds: float
    loss: float

    @property
    def words(self) -> str:
        """What was done."""
        return (
            f"trained again from its beginning, for {self.epochs} epochs on all {self.rows:,} "
            "training and validation rows"
        )


def beginning_of(model: keras.Model) -> list[np.ndarray]:
    """All variables of a model, with its layers' random state: what a training begins with."""
    # By way of a tensor: a variable that several devices have gives none itself.
    tensors = map(keras.ops.convert_to_tensor, model.variables)
    return [np.array(keras.ops.convert_to_numpy(tensor)) for tensor in tensors]


def refit(
    model: keras.Model,
    beginning: Sequence[np.ndarray],
    train: Pipeline,
    validation: Pipeline,
    settings: TrainingSettings,
    *,
    epochs: int,
    seed: int,
    checkpoint: Path | None = None,
    label: str = "training",
    recorders: Sequence[keras.callbacks.Callback] = (),
    own: OwnTraining = TASKS_OWN,
) -> Refit:
    """Trains a model again, on the validation rows too.

    The schedule of the rate goes over the epochs that there are, so that it ends where all of it
    ends: stopped in the middle, where the rate of the first training was in its best epoch, models
    were worse on rows held out of the training rows, and as far from there as all epochs of the
    first training no better.

    Args:
        model: Trained by `fit`; left with the weights of the last epoch.
        beginning: What it began with, of `beginning_of`.
        train, validation: The rows.
        settings: As they were in the first training.
        epochs: How many: the best one of the first training.
        seed: As in the first training.
        checkpoint: Of the first training; this one writes its own beside it.
        label, recorders, own: As for `fit`. Callbacks of one's own are not called again.
    """
    for variable, value in zip(model.variables, beginning, strict=True):
        variable.assign(value)
    set_seed(seed)
    # Where the parts that are frozen at first were so in the best epoch, they are to the end.
    frozen = settings.freeze_epochs if settings.freeze_epochs < epochs else 0
    settings = dataclasses.replace(
        settings,
        refit=False,
        epochs=epochs,
        rounds=1,
        freeze_epochs=frozen,
        watch=(),
        keep_best=1,
        patience=0,
        monitor="val_loss",
        monitor_mode="auto",
    )
    rows = train.followed_by(validation)
    result = fit(
        model,
        rows,
        None,
        settings,
        seed=seed,
        checkpoint=checkpoint and checkpoint.with_name(f"{REFIT}.npz"),
        label=f"{label}, again with the validation rows",
        recorders=recorders,
        own=OwnTraining(own.loss, own.metrics),
    )
    seconds, losses = result.history["seconds"], result.history["loss"]
    return Refit(len(rows), epochs, round(float(seconds.sum()), 2), float(losses.iloc[-1]))
