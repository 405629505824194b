"""The optimizer of a training, and how its learning rate changes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import keras

from mmkeras.models.optimizers import make_optimizer
from mmkeras.training.settings import TrainingSettings


def optimizer_of(
    settings: TrainingSettings, steps: int, multipliers: Sequence[float] = ()
) -> keras.optimizers.Optimizer:
    """The optimizer of a training.

    Args:
        settings: How to train.
        steps: All of its steps.
        multipliers: As for `make_optimizer`.
    """
    if settings.accumulate > steps:
        raise ValueError(
            f"The weights would never change: accumulate={settings.accumulate}, and the training "
            f"has {steps} steps."
        )
    return make_optimizer(
        settings.optimizer,
        learning_rate(settings, steps),
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm or None,
        momentum=settings.momentum,
        accumulate=settings.accumulate,
        ema=settings.ema,
        multipliers=multipliers,
    )


def learning_rate(
    settings: TrainingSettings, steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate, or its schedule over so many steps."""
    share = settings.warmup
    if share is None:
        share = 0.1 if settings.schedule == "cosine" else 0.0
    warmup = int(steps * share)
    if settings.schedule != "cosine" and not warmup:
        return settings.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=steps - warmup,
        # Of a constant rate, the share that is left at the end is all of it.
        alpha=0.0 if settings.schedule == "cosine" else 1.0,
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
    )


class ReduceOnPlateau(keras.callbacks.Callback):
    """Makes the learning rate smaller where the monitored value no longer gets better.

    As Keras' `ReduceLROnPlateau`, but a function of the epochs so far, so that a resumed run
    goes on as the uninterrupted one does.

    Args:
        settings: With the monitored value under the name that it has in Keras' logs.
        history: A row for each epoch that was completed before.
    """

    def __init__(self, settings: TrainingSettings, history: Sequence[Mapping[str, float]] = ()):
        super().__init__()
        self._settings = settings
        self._values = [row[settings.monitor] for row in history]

    def on_epoch_end(self, epoch, logs=None):
        self._values.append(float(logs[self._settings.monitor]))
        self.model.optimizer.learning_rate = reduced_rate(self._values, self._settings)


def reduced_rate(values: Iterable[float], settings: TrainingSettings) -> float:
    """The learning rate after epochs with these values of what is monitored.

    >>> settings = TrainingSettings(learning_rate=1.0, schedule="plateau", plateau_patience=2)
    >>> [reduced_rate([3.0, 2.0, 2.5, 2.0][:epochs], settings) for epochs in (2, 3, 4)]
    [1.0, 1.0, 0.5]
    """
    best, waited, rate = -math.inf, 0, settings.learning_rate
    for value in values:
        score = settings.monitor_sign * value
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited == settings.plateau_patience:
            rate, waited = rate * settings.plateau_factor, 0
    return rate
