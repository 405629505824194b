"""Train a generative model on pipelines: best epoch by its bound, resumable bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import pandas as pd

from mmkeras.data.pipeline import Pipeline
from mmkeras.models.compile import default_jit
from mmkeras.training.averaging import JudgeAverages
from mmkeras.training.callbacks import EpochLine, Keeper
from mmkeras.training.fit import FitResult
from mmkeras.training.precision import check_precision
from mmkeras.training.rates import ReduceOnPlateau, optimizer_of
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.watching import monitor_mode

if TYPE_CHECKING:
    from mmkeras.generation import MultimodalVAE

# Of a target, or of models with one.
_WITHOUT_EFFECT = (
    *("part_rates", "freeze", "keep_best", "label_smoothing", "loss", "class_weights"),
    *("auxiliary", "translation", "balance", "watch", "rounds", "refit"),
)


def check_generative(settings: TrainingSettings) -> TrainingSettings:
    """The same settings, if all of them act on a model without a target.

    Raises:
        ValueError: A setting is of models with a target.
    """
    default = TrainingSettings()
    for name in _WITHOUT_EFFECT:
        if getattr(settings, name) != getattr(default, name):
            raise ValueError(
                f"`{name}` is of models that predict a target, which a generative model does not. "
                f"Received: {getattr(settings, name)!r}. Leave it out."
            )
    if settings.monitor not in ("val_loss", "main"):
        raise ValueError(
            f"A generative model is monitored by val_loss. Received: {settings.monitor!r}."
        )
    settings = dataclasses.replace(settings, monitor="val_loss")
    return dataclasses.replace(settings, monitor_mode=monitor_mode(settings))


def fit_generative(
    model: MultimodalVAE,
    train: Pipeline,
    validation: Pipeline | None,
    settings: TrainingSettings,
    *,
    seed: int,
    checkpoint: str | Path | None = None,
    label: str = "training",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    recorders: Sequence[keras.callbacks.Callback] = (),
) -> FitResult:
    """Trains a generative model, and leaves it with the weights of its best epoch.

    Args:
        model: Of `mmkeras.generation.build_vae`, for the pipelines' preprocessing.
        train: Rows to learn from; targets are not read.
        validation: Rows that choose the epoch, by their loss with the full `beta`. Without them
            the last epoch's weights are kept.
        settings, seed, checkpoint, label, callbacks, recorders: As for `mmkeras.training.fit.fit`.

    Raises:
        ValueError: A setting is about a target; the loss is not a number.
    """
    settings = check_generative(settings)
    check_precision(model, settings.precision)
    optimizer = optimizer_of(settings, settings.epochs * train.steps)
    model.compile(optimizer=optimizer, jit_compile=default_jit())
    optimizer.build(model.trainable_variables)
    keeper = Keeper(settings, checkpoint, has_validation=validation is not None)
    keeper.restore(model)
    between = []
    if settings.schedule == "plateau":
        if validation is None:
            raise ValueError("schedule='plateau' watches validation rows, and there are none.")
        between = [ReduceOnPlateau(settings, keeper.history)]
    if not keeper.finished:
        model.fit(
            train.train(seed=seed, epochs=settings.epochs, first_epoch=keeper.epoch),
            validation_data=None if validation is None else validation.evaluate(),
            steps_per_epoch=train.steps,
            initial_epoch=keeper.epoch,
            epochs=settings.epochs,
            callbacks=[
                JudgeAverages(),
                *between,
                *recorders,
                keeper,
                *callbacks,
                EpochLine(label, settings.epochs, train.steps),
            ],
            shuffle=False,
            verbose=0,
        )
    model.set_weights(keeper.best_weights)
    return FitResult(pd.DataFrame(keeper.history), keeper.best_epoch)
