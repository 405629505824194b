"""Train a model on pipelines: best epoch by validation, early stopping, resumable bit for bit."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from mmkeras.data.pipeline import Pipeline
from mmkeras.models.compile import output_names
from mmkeras.models.parts import decoder_layer
from mmkeras.multimodal_model import MultimodalModel
from mmkeras.training.averaging import JudgeAverages
from mmkeras.training.balance.distillation import teacher_model
from mmkeras.training.balance.gradient_blending import GradientBlending
from mmkeras.training.callbacks import EpochLine, Keeper, PlainNames
from mmkeras.training.compiled import compile_for_training, model_for_training
from mmkeras.training.distribution import (
    InStep,
    StopTogether,
    agreed,
    all_here,
    check_batches,
    check_last_batch,
    leads,
    on_devices,
    used_devices,
)
from mmkeras.training.model_parts import check_parts, frozen_parts, phases
from mmkeras.training.precision import check_precision, computing_in
from mmkeras.training.rates import ReduceOnPlateau
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.step_check import refuse_too_few_steps
from mmkeras.training.teacher_forcing import teacher_forced
from mmkeras.training.watching import (
    Figures,
    figures_to_compute,
    metrics_by_name,
    monitor_mode,
)


@dataclass(frozen=True, eq=False)
class OwnTraining:
    """What of a training is the caller's own and not the task's; nothing, by default.

    Args:
        loss: In place of the task's: what Keras takes as a loss.
        metrics: More than the task's: what Keras takes as such. `monitor` can name them.
        callbacks: Keras callbacks. They see an epoch before its checkpoint is written, so that
            what they log is in the history, and variables that they change are resumed; counters
            of their own are not. Of several processes each calls them: what writes a file asks
            `mmkeras.training.distribution.leads()` first.
    """

    loss: Any = None
    metrics: Sequence[Any] = ()
    callbacks: Sequence[keras.callbacks.Callback] = ()


TASKS_OWN = OwnTraining()


@dataclass(frozen=True)
class FitResult:
    """What happened in training.

    Args:
        history: One row per epoch: `epoch` (from 1), `loss`, `val_loss`, metrics, `seconds`.
        best_epoch: The epoch (from 1) whose weights the model now has.
        still_better: Whether the validation loss was lowest at the end, so that more epochs may
            give more.
    """

    history: pd.DataFrame
    best_epoch: int
    still_better: bool = False


def fit(
    model: keras.Model,
    train: Pipeline,
    validation: Pipeline | None,
    settings: TrainingSettings,
    *,
    seed: int,
    checkpoint: str | Path | None = None,
    label: str = "training",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    recorders: Sequence[keras.callbacks.Callback] = (),
    own: OwnTraining = TASKS_OWN,
    kept: Callable[[], keras.Model] | None = None,
) -> FitResult:
    """Compiles and trains a model, and leaves it with the weights of its best epoch.

    Args:
        model: Built for the pipelines' preprocessing.
        train: Rows to learn from.
        validation: Rows that choose the epoch. Without them the last epoch's weights are kept.
        settings: How to train.
        seed: Decides the order of the rows and the augmentation. The weights and dropout
            follow from `set_seed`, before the model is built.
        checkpoint: A `.npz` file that is written after every epoch. If it exists, training
            continues from it, and ends with the very weights of a run never interrupted.
        label: What the progress line begins with.
        callbacks: More Keras callbacks, which see an epoch when its checkpoint is written.
        recorders: Keras callbacks that write an epoch down. They see it before its checkpoint is
            written: killed in between, the epoch is written down twice, and never lost.
        own: A loss, metrics and callbacks of one's own.
        kept: Gives, when an epoch ends, the model whose weights `settings.keep_best` keeps in
            files, where that is not `model`.

    Raises:
        ValueError: `settings.refit` is set, which is a second training
            (`mmkeras.training.refit.refit`); the monitored value does not exist; the loss is not a
            number; a target text is longer than the steps along which it is written; the model
            computes in another precision.
    """
    check_precision(model, settings.precision)
    if settings.refit:
        raise ValueError("`refit` has no effect in a single training; `train_run` trains again.")
    # What is made around the model computes as the model does.
    with computing_in(settings.precision), on_devices(model) as trained:
        return _fit(
            trained, train, validation, settings, seed, checkpoint,
            label=label, callbacks=callbacks, recorders=recorders, own=own, answering=model,
            kept=kept or (lambda: model),
        )  # fmt: skip


def _fit(
    model: keras.Model,
    train: Pipeline,
    validation: Pipeline | None,
    settings: TrainingSettings,
    seed: int,
    checkpoint: str | Path | None,
    *,
    label: str,
    callbacks: Sequence[keras.callbacks.Callback],
    recorders: Sequence[keras.callbacks.Callback],
    own: OwnTraining,
    answering: keras.Model,
    kept: Callable[[], keras.Model],
) -> FitResult:
    settings, figures = _watched(model, train, settings, own)
    several = len(train.preprocessing.schema.modalities) > 1
    _check_validation(
        settings if several else dataclasses.replace(settings, balance="none"), validation
    )
    check_parts(model, settings)
    decoder = decoder_layer(model) if isinstance(model, MultimodalModel) else None
    if decoder is not None:
        for pipeline in (train, validation):
            if pipeline is not None:
                refuse_too_few_steps(model, decoder, pipeline)
    teachers = None
    if settings.balance == "distillation":
        teachers = _train_teachers(
            model, train, validation, settings, seed=seed, checkpoint=checkpoint, label=label,
            own=OwnTraining(own.loss, own.metrics),
        )  # fmt: skip
    trained, auxiliary = model_for_training(model, train, settings, teachers)
    keeper = Keeper(settings, checkpoint, has_validation=validation is not None, kept=kept)
    watching = []
    if figures and validation is not None:
        watching = [Figures(answering, validation, figures, trained=model)]
    train, validation = _shared(train), validation and _shared(validation)
    targets, stored = batches_for(trained), _stored_for_all(keeper, checkpoint)
    for start, end, frozen in phases(settings):
        if stored > end:
            continue
        with frozen_parts(model, frozen):
            compile_for_training(
                trained, model, train, settings, auxiliary,
                epochs=end - start, loss=own.loss, metrics=_made_here(own.metrics),
            )  # fmt: skip
            if stored > start:
                keeper.restore(trained)
            if keeper.finished or keeper.epoch == end:
                continue
            trained.fit(
                train.train(seed=seed, epochs=end, first_epoch=keeper.epoch).map(targets),
                validation_data=None if validation is None else validation.evaluate().map(targets),
                steps_per_epoch=train.steps,
                initial_epoch=keeper.epoch,
                epochs=end,
                callbacks=[
                    PlainNames(),
                    *watching,
                    InStep(),
                    JudgeAverages(),
                    # Before the keeper, whose checkpoint then has the next epoch's weights of
                    # losses and learning rate.
                    *_between_epochs(trained, model, settings, keeper.history, start),
                    *own.callbacks,
                    *(recorders if leads() else ()),
                    keeper,
                    *callbacks,
                    *([EpochLine(label, max(end, settings.epochs), train.steps)] * leads()),
                    StopTogether(),
                ],
                shuffle=False,
                verbose=0,
            )
        if trained.stop_training:
            break
    trained.set_weights(keeper.best_weights)
    if keeper.still_better and leads():
        print(
            f"{label}: the validation loss was lowest at the end of {keeper.epoch} epochs; more "
            f"may give more (--epochs {2 * keeper.epoch})",
            file=sys.stderr,
        )
    return FitResult(pd.DataFrame(keeper.history), keeper.best_epoch, keeper.still_better)


def _made_here(metrics: Sequence[Any]) -> list[Any]:
    """Metrics of one's own; on several devices copies, whose variables all devices have."""
    if used_devices() is None:
        return list(metrics)
    return [
        each.__class__.from_config(each.get_config())
        if isinstance(each, keras.metrics.Metric)
        else each
        for each in metrics
    ]


def _stored_for_all(keeper: Keeper, checkpoint: str | Path | None) -> int:
    """How many epochs the checkpoint has, the same one for all processes."""
    stored = keeper.stored_epochs
    if (of_first := agreed(stored)) != stored:
        raise ValueError(
            f"The first process goes on from {of_first} epochs, and {checkpoint} has {stored} "
            "here. All processes need the same folder: one on a disk that all of them see."
        )
    all_here()  # before the first one writes another
    return stored


def _shared(pipeline: Pipeline) -> Pipeline:
    """The pipeline; on several devices, with this process's share of each batch."""
    devices = used_devices()
    if devices is None:
        return pipeline
    if devices.shares_batches:
        return pipeline.shared(devices.share)
    check_batches(pipeline.batch_size)
    check_last_batch(len(pipeline), pipeline.batch_size)
    return pipeline


def _check_validation(settings: TrainingSettings, validation: Pipeline | None) -> None:
    """Refuses what watches validation rows where there are none."""
    if validation is not None:
        return
    if settings.watch:
        raise ValueError(
            f"`watch` is of validation rows, and there are none. Received: {settings.watch}."
        )
    if settings.schedule == "plateau":
        raise ValueError("schedule='plateau' watches validation rows, and there are none.")
    if settings.balance == "gradient_blending":
        raise ValueError(
            "balance='gradient_blending' compares training and validation losses. There are no "
            "validation rows."
        )


def _between_epochs(
    trained: keras.Model,
    model: keras.Model,
    settings: TrainingSettings,
    history: Sequence[Mapping[str, float]],
    start: int,
) -> list[keras.callbacks.Callback]:
    """What changes variables after an epoch, by the values of those before."""
    callbacks: list[keras.callbacks.Callback] = []
    if settings.balance == "gradient_blending" and trained is not model:
        callbacks.append(GradientBlending(settings.balance_epochs, history))
    if settings.schedule == "plateau":
        callbacks.append(ReduceOnPlateau(settings, history[start:]))
    return callbacks


def _watched(
    model: keras.Model, train: Pipeline, settings: TrainingSettings, own: OwnTraining
) -> tuple[TrainingSettings, tuple[str, ...]]:
    """The settings, with what is monitored as the logs have it, and the figures to compute."""
    task, names = train.preprocessing.task, train.preprocessing.schema.names
    settings = dataclasses.replace(settings, monitor=settings.monitored(task))
    alone = settings.auxiliary or settings.balance == "gradient_blending"
    metrics = metrics_by_name(model, own.metrics)
    alone_in = names if alone and len(names) > 1 else ()
    figures = figures_to_compute(settings, model, task, alone_in, metrics)
    mode = monitor_mode(settings, metrics)
    return dataclasses.replace(settings, monitor_mode=mode), figures


def _train_teachers(model, train, validation, settings, *, seed, checkpoint, label, own):
    """A model for each modality, trained with the same settings; resumable like any other."""
    names = train.preprocessing.schema.names
    if len(names) < 2:
        return None
    plain = dataclasses.replace(
        settings, balance="none", auxiliary=0.0, part_rates={}, freeze=(), freeze_epochs=0,
        keep_best=1,
    )  # fmt: skip
    teachers = {}
    for name in names:
        teachers[name] = teacher_model(model, name, train.preprocessing.num_outputs)
        path = None if checkpoint is None else Path(checkpoint).with_name(f"teacher_{name}.npz")
        fit(
            teachers[name],
            train,
            validation,
            plain,
            seed=seed,
            checkpoint=path,
            label=f"{label}, teacher of {name}",
            own=own,
        )
    return teachers


def batches_for(model: keras.Model):
    """What makes a pipeline's batches those that the model trains on.

    A decoder may read the target itself, one step late; of several outputs each has the same
    target, and the same weights.
    """
    decoder = decoder_layer(model) if isinstance(model, MultimodalModel) else None
    if decoder is not None and decoder.reads_previous:
        return teacher_forced(decoder)
    if not (names := output_names(model)):
        return lambda *batch: batch
    return lambda inputs, *rest: (inputs, *(dict.fromkeys(names, part) for part in rest))
