"""Optimizers by Keras' names."""

from __future__ import annotations

from typing import Any

import keras

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    cls.__name__.lower(): cls
    for cls in (
        keras.optimizers.Adam,
        keras.optimizers.AdamW,
        keras.optimizers.Nadam,
        keras.optimizers.Adamax,
        keras.optimizers.SGD,
        keras.optimizers.RMSprop,
        keras.optimizers.Adagrad,
        keras.optimizers.Adadelta,
        keras.optimizers.Lion,
        keras.optimizers.Lamb,
    )
}
WITH_MOMENTUM = ("sgd", "rmsprop")


def make_optimizer(
    name: str = "adam",
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    *,
    weight_decay: float = 0.0,
    global_clipnorm: float | None = None,
    momentum: float = 0.0,
    accumulate: int = 1,
    ema: float = 0.0,
) -> keras.optimizers.Optimizer:
    """An optimizer.

    Args:
        name: One of `OPTIMIZERS`.
        learning_rate: A number or a schedule.
        weight_decay: Decoupled weight decay, of kernels and embeddings only.
        global_clipnorm: The largest norm of all gradients together.
        momentum: Of `WITH_MOMENTUM`.
        accumulate: Steps whose gradients are averaged before the weights change.
        ema: Momentum of the moving average of the weights that the optimizer keeps (Polyak and
            Juditsky, 1992): `average = ema * average + (1 - ema) * weights` after each step.

    Example:

    >>> make_optimizer("sgd", 0.1, momentum=0.9).momentum
    0.9
    """
    given: dict[str, Any] = {
        "weight_decay": weight_decay or None,
        "momentum": momentum,
        "gradient_accumulation_steps": accumulate if accumulate > 1 else None,
        "use_ema": bool(ema),
        "ema_momentum": ema,
    }
    options = {option: value for option, value in given.items() if value}
    # Adam with decoupled decay is AdamW.
    cls = OPTIMIZERS["adamw" if name == "adam" and weight_decay else name]
    optimizer = cls(learning_rate, global_clipnorm=global_clipnorm, **options)
    if weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scores"])
    return optimizer
