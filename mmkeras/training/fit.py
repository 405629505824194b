"""Train a model on pipelines: best epoch by validation, early stopping, resumable bit for bit."""

from __future__ import annotations

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
from mmkeras.training.checkpoint import load_checkpoint, save_checkpoint


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
    patience: int = 10
    monitor: str = "val_loss"

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        for name in ("weight_decay", "label_smoothing", "clip_norm", "auxiliary", "patience"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")
        if not self.learning_rate > 0:
            raise ValueError(f"`learning_rate` must be above 0. Received: {self.learning_rate}.")


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
    schema = train.preprocessing.schema
    trained = model
    if settings.auxiliary and len(schema.modalities) > 1:
        trained = auxiliary_model(model, train.preprocessing.num_outputs)
    compile_model(
        trained,
        schema.target.task,
        auxiliary=settings.auxiliary,
        learning_rate=_learning_rate(settings, train.steps),
        weight_decay=settings.weight_decay,
        label_smoothing=settings.label_smoothing,
        global_clipnorm=settings.clip_norm or None,
        per_step=schema.target.per_step,
    )
    trained.optimizer.build(trained.trainable_variables)
    keeper = _Keeper(settings, checkpoint, has_validation=validation is not None)
    if checkpoint is not None and Path(checkpoint).exists():
        keeper.restore(trained)
    if not keeper.finished:
        targets = _for_each_output(trained)
        trained.fit(
            train.train(seed=seed, epochs=settings.epochs, first_epoch=keeper.epoch).map(targets),
            validation_data=None if validation is None else validation.evaluate().map(targets),
            steps_per_epoch=train.steps,
            initial_epoch=keeper.epoch,
            epochs=settings.epochs,
            callbacks=[
                _PlainNames(),
                keeper,
                *callbacks,
                _EpochLine(label, settings.epochs, train.steps),
            ],
            shuffle=False,
            verbose=0,
        )
    trained.set_weights(keeper.best_weights)
    return FitResult(pd.DataFrame(keeper.history), keeper.best_epoch)


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


def _for_each_output(model: keras.Model):
    """Gives every output of the model the same target, and the same weights."""
    if not isinstance(model.output, Mapping):
        return lambda *batch: batch
    names = list(model.output)
    return lambda inputs, *rest: (inputs, *(dict.fromkeys(names, part) for part in rest))


class _PlainNames(keras.callbacks.Callback):
    """With auxiliary outputs, `loss` and `val_accuracy` still are those of the model itself.

    Keras hands one dict to all callbacks in turn; this one comes first and renames in place.
    """

    def on_epoch_end(self, epoch, logs=None):
        for side in ("", "val_"):
            for name in [n for n in logs if n.startswith(f"{side}output_")]:
                logs[f"{side}{name.removeprefix(f'{side}output_')}"] = logs.pop(name)


class _Keeper(keras.callbacks.Callback):
    """Keeps the history and the best weights, stops early, and writes the checkpoint."""

    def __init__(
        self, settings: TrainingSettings, checkpoint: str | Path | None, has_validation: bool
    ):
        super().__init__()
        self._settings = settings
        self._has_validation = has_validation
        self._path = None if checkpoint is None else Path(checkpoint)
        self._best_path = None if checkpoint is None else self._path.with_name("best.npz")
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


class _EpochLine(keras.callbacks.Callback):
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
