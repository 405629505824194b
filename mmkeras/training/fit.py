"""Train a model on pipelines: best epoch by validation, early stopping, resumable bit for bit."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pandas as pd

from mmkeras.data.pipeline import Pipeline
from mmkeras.models import compile_model
from mmkeras.submodels import auxiliary_model
from mmkeras.training.balance import BALANCES, balanced_model
from mmkeras.training.checkpoint import load_checkpoint, save_checkpoint
from mmkeras.training.distillation import teacher_model
from mmkeras.training.gradient_blending import GradientBlending


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained.

    Args:
        epochs: Passes over the training rows, at most.
        batch_size: Rows a step.
        learning_rate: Adam's, at the start.
        schedule: `"constant"`, or `"cosine"`: up from 0 in the first tenth of the steps, then
            down to 0 along half a cosine.
        weight_decay: AdamW's decoupled decay; 0 is plain Adam.
        label_smoothing: Share of the target spread evenly over all classes.
        clip_norm: Largest norm of the whole gradient; 0 is no limit.
        auxiliary: Weight of the loss of each modality's own prediction, beside the fused one's
            (`mmkeras.submodels.auxiliary_model`); 0 for none.
        balance: How no modality is left behind (`mmkeras.training.balance.balanced_model`): ogm,
            ogm_ge or agm slow an encoder down that is ahead, gradient_blending weighs the losses by
            how they generalise (instead of `auxiliary`), distillation first trains a teacher a
            modality. With one modality there is nothing to balance.
        balance_strength: alpha of ogm, ogm_ge and agm; weight of the distance in distillation.
        balance_epochs: Epochs after which gradient_blending weighs anew, 2 or more.
        patience: Stop after so many epochs without a better validation value; 0 never stops.
        monitor: The validation value that says which epoch is best, e.g. val_loss or
            val_accuracy.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    auxiliary: float = 0.0
    balance: Literal[BALANCES] = "none"
    balance_strength: float = 0.5
    balance_epochs: int = 4
    patience: int = 10
    monitor: str = "val_loss"

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        for name in ("weight_decay", "label_smoothing", "clip_norm", "auxiliary", "patience"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")
        for name in ("learning_rate", "balance_strength"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {getattr(self, name)}.")
        if self.balance not in BALANCES:
            raise ValueError(f"`balance` must be one of {BALANCES}. Received: {self.balance!r}.")
        if self.balance_epochs < 2:
            raise ValueError(
                f"`balance_epochs` must be at least 2. Received: {self.balance_epochs}."
            )


@dataclass(frozen=True)
class FitResult:
    """What happened in training.

    Args:
        history: A row an epoch: `epoch` (from 1), `loss`, `val_loss`, metrics, `seconds`.
        best_epoch: The epoch (from 1) whose weights the model now has.
    """

    history: pd.DataFrame
    best_epoch: int


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
        callbacks: More Keras callbacks.

    Raises:
        ValueError: The monitored value does not exist; the loss is not a number.
    """
    teachers = None
    if settings.balance == "distillation":
        teachers = _train_teachers(
            model, train, validation, settings, seed=seed, checkpoint=checkpoint, label=label
        )
    trained = compiled_for_training(model, train, settings, teachers)
    keeper = Keeper(settings, checkpoint, has_validation=validation is not None)
    if checkpoint is not None and Path(checkpoint).exists():
        keeper.restore(trained)
    balancing = []
    if settings.balance == "gradient_blending" and trained is not model:
        if validation is None:
            raise ValueError(
                "balance='gradient_blending' compares training and validation losses. There are "
                "no validation rows."
            )
        balancing = [GradientBlending(settings.balance_epochs, keeper.history)]
    if not keeper.finished:
        targets = for_each_output(trained)
        trained.fit(
            train.train(seed=seed, epochs=settings.epochs, first_epoch=keeper.epoch).map(targets),
            validation_data=None if validation is None else validation.evaluate().map(targets),
            steps_per_epoch=train.steps,
            initial_epoch=keeper.epoch,
            epochs=settings.epochs,
            callbacks=[
                PlainNames(),
                # Before the keeper, whose checkpoint then has the next epoch's weights of losses.
                *balancing,
                keeper,
                *callbacks,
                EpochLine(label, settings.epochs, train.steps),
            ],
            shuffle=False,
            verbose=0,
        )
    trained.set_weights(keeper.best_weights)
    return FitResult(pd.DataFrame(keeper.history), keeper.best_epoch)


def compiled_for_training(
    model: keras.Model,
    train: Pipeline,
    settings: TrainingSettings,
    teachers: Mapping[str, keras.Model] | None = None,
) -> keras.Model:
    """The model to train, compiled, with its optimizer built; its layers are `model`'s.

    That is `model` itself, or with auxiliary losses or balancing a model around it.

    Args:
        model, train, settings: As for `fit`.
        teachers: By modality, for `balance="distillation"`.
    """
    schema, num_outputs = train.preprocessing.schema, train.preprocessing.num_outputs
    trained, auxiliary = model, settings.auxiliary
    if len(schema.modalities) > 1 and settings.balance != "none":
        trained = balanced_model(
            model,
            num_outputs,
            settings.balance,
            strength=settings.balance_strength,
            auxiliary=auxiliary,
            teachers=teachers,
        )
        if settings.balance == "gradient_blending":
            auxiliary = 1.0
    elif len(schema.modalities) > 1 and auxiliary:
        trained = auxiliary_model(model, num_outputs)
    compile_model(
        trained,
        schema.target.task,
        auxiliary=auxiliary,
        learning_rate=_learning_rate(settings, train.steps),
        weight_decay=settings.weight_decay,
        label_smoothing=settings.label_smoothing,
        global_clipnorm=settings.clip_norm or None,
        per_step=schema.target.per_step,
    )
    trained.optimizer.build(trained.trainable_variables)
    return trained


def _train_teachers(model, train, validation, settings, *, seed, checkpoint, label):
    """A model for each modality, trained with the same settings; resumable like any other."""
    names = train.preprocessing.schema.names
    if len(names) < 2:
        return None
    plain = dataclasses.replace(settings, balance="none", auxiliary=0.0)
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
        )
    return teachers


def _learning_rate(settings: TrainingSettings, steps: int):
    if settings.schedule == "constant":
        return settings.learning_rate
    warmup = settings.epochs * steps // 10
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=settings.epochs * steps - warmup,
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
    )


def for_each_output(model: keras.Model):
    """Gives every output of the model the same target, and the same weights."""
    if not isinstance(model.output, Mapping):
        return lambda *batch: batch
    names = list(model.output)
    return lambda inputs, *rest: (inputs, *(dict.fromkeys(names, part) for part in rest))


class PlainNames(keras.callbacks.Callback):
    """With auxiliary outputs, `loss` and `val_accuracy` still are those of the model itself.

    Keras hands one dict to all callbacks in turn; this one comes first and renames in place.
    """

    def on_epoch_end(self, epoch, logs=None):
        for side in ("", "val_"):
            for name in [n for n in logs if n.startswith(f"{side}output_")]:
                logs[f"{side}{name.removeprefix(f'{side}output_')}"] = logs.pop(name)


class Keeper(keras.callbacks.Callback):
    """Keeps the history and the best weights, stops early, and writes the checkpoint."""

    def __init__(
        self, settings: TrainingSettings, checkpoint: str | Path | None, has_validation: bool
    ):
        super().__init__()
        self._settings = settings
        self._has_validation = has_validation
        self._path = None if checkpoint is None else Path(checkpoint)
        self._best_path = (
            None if checkpoint is None else self._path.with_name(f"best_{self._path.name}")
        )
        lower_is_better = not any(
            word in settings.monitor for word in ("accuracy", "auc", "f1", "precision", "recall")
        )
        self._sign = -1.0 if lower_is_better else 1.0
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self._improved_epoch = 0
        self.best_value = -math.inf
        self.best_weights: list[np.ndarray] = []

    @property
    def finished(self) -> bool:
        if self.epoch >= self._settings.epochs:
            return True
        patience = self._settings.patience
        return bool(patience) and self.epoch - self._improved_epoch >= patience

    def restore(self, model: keras.Model) -> None:
        progress = load_checkpoint(self._path, model)
        self.history = progress["history"]
        self.epoch = len(self.history)
        self.best_epoch, self.best_value = progress["best_epoch"], progress["best_value"]
        self._improved_epoch = progress["improved_epoch"]
        with np.load(self._best_path, allow_pickle=False) as stored:
            self.best_weights = [stored[name] for name in stored.files]

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        if self._has_validation and self._settings.monitor not in logs:
            raise ValueError(
                f"There is no {self._settings.monitor!r} to monitor. There are: {sorted(logs)}."
            )
        watched = ["loss", *([self._settings.monitor] if self._has_validation else [])]
        wrong = [name for name in watched if not math.isfinite(logs[name])]
        if wrong:
            raise ValueError(
                f"{wrong[0]} became {logs[wrong[0]]} in epoch {epoch + 1}. Try a smaller learning "
                "rate or clip_norm, and look for extreme numbers in the table."
            )
        seconds = time.perf_counter() - self._started
        self.history.append({"epoch": epoch + 1, **logs, "seconds": round(seconds, 3)})
        self.epoch = epoch + 1
        # Without validation rows every epoch is the best so far. Of equally good ones the later
        # is kept, since accuracies on few rows often tie and it has been trained longer; patience
        # counts from the last that was better.
        value = self._sign * logs[self._settings.monitor] if self._has_validation else self.epoch
        if value > self.best_value:
            self._improved_epoch = epoch + 1
        if value >= self.best_value:
            self.best_value, self.best_epoch = value, epoch + 1
            self.best_weights = self.model.get_weights()
            if self._path is not None:
                # Before the checkpoint that speaks of it: a crash between the two is harmless,
                # since the repeated epoch writes the same file again.
                temporary = self._best_path.with_suffix(".tmp")
                with temporary.open("wb") as file:
                    np.savez(file, *self.best_weights)
                temporary.replace(self._best_path)
        if self._path is not None:
            progress = {
                "history": self.history,
                "best_epoch": self.best_epoch,
                "best_value": self.best_value,
                "improved_epoch": self._improved_epoch,
            }
            save_checkpoint(self._path, self.model, progress)
        if self.finished:
            self.model.stop_training = True


class EpochLine(keras.callbacks.Callback):
    """One line of progress: rewritten at every step on a terminal, else now and then."""

    _SECONDS_BETWEEN_STEPS = 0.2
    _SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, label: str, epochs: int, steps: int):
        super().__init__()
        self._label, self._epochs, self._steps = label, epochs, steps
        self._terminal = sys.stderr.isatty()
        self._last, self._values, self._width = 0.0, "", 0
        self._epoch = self._last_shown = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self._terminal and now - self._last >= self._SECONDS_BETWEEN_STEPS:
            self._last = now
            self._show(f"step {batch + 1}/{self._steps}  {self._values}")

    def on_epoch_end(self, epoch, logs=None):
        shown = {k: v for k, v in (logs or {}).items() if k in ("loss", "val_loss")}
        shown |= {k: v for k, v in (logs or {}).items() if k in ("val_accuracy", "val_mae")}
        self._values = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
        now = time.monotonic()
        if self._terminal:
            self._show(self._values)
        elif now - self._last >= self._SECONDS_BETWEEN_LINES:
            self._last = now
            self._show(self._values)

    def on_train_end(self, logs=None):
        if self._terminal:
            print(file=sys.stderr, flush=True)
        elif self._last_shown != self._epoch:
            self._show(self._values)

    def _show(self, text: str) -> None:
        self._last_shown = self._epoch
        line = f"{self._label}: epoch {self._epoch}/{self._epochs}  {text}"
        if self._terminal:
            print(f"\r{line.ljust(self._width)}", end="", file=sys.stderr, flush=True)
            self._width = len(line)
        else:
            print(line, file=sys.stderr, flush=True)
