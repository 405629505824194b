"""Optimizers by Keras' names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

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
_SUM = "_all_reduce_sum_gradients"  # of Keras' optimizers on TensorFlow


class _Partwise(keras.optimizers.Optimizer):
    # Keras has no rates per variable but in a MultiOptimizer, which would limit the norm of each
    # part's gradient on its own, and has no rate to be shown or reduced. Here each variable goes a
    # multiple of the way that the optimizer moves it, which is the same whatever the optimizer is.
    multipliers: list[float]

    def __init__(self, *args, multipliers=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.multipliers = [float(factor) for factor in multipliers]

    def build(self, variables):
        if len(variables) != len(self.multipliers):
            raise ValueError(
                f"There are {len(self.multipliers)} multipliers for {len(variables)} variables."
            )
        super().build(variables)

    @contextmanager
    def _multiplied(self, variables) -> Iterator[None]:
        own = {place: self.multipliers[self._get_variable_index(v)] for place, v in
               enumerate(variables)}  # fmt: skip
        before = {place: ops.copy(variables[place]) for place, f in own.items() if f != 1.0}
        yield
        for place, old in before.items():
            variables[place].assign(old + own[place] * (variables[place] - old))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        with self._multiplied(trainable_variables):
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _apply_weight_decay(self, variables):
        with self._multiplied(variables):
            super()._apply_weight_decay(variables)

    def get_config(self):
        return {**super().get_config(), "multipliers": self.multipliers}


# The same optimizers, with a multiple of the learning rate for each variable.
_PARTWISE = {
    name: keras.saving.register_keras_serializable(package="mmkeras")(
        type(f"Partwise{cls.__name__}", (_Partwise, cls), {})
    )
    for name, cls in OPTIMIZERS.items()
}


def make_optimizer(
    name: str = "adam",
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    *,
    weight_decay: float = 0.0,
    global_clipnorm: float | None = None,
    momentum: float = 0.0,
    accumulate: int = 1,
    ema: float = 0.0,
    multipliers: Sequence[float] = (),
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
        multipliers: For each trainable variable of the model, in their order, what its learning
            rate is a multiple of `learning_rate` by; none where all are 1.

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
        "multipliers": list(multipliers),
    }
    options = {option: value for option, value in given.items() if value}
    # Adam with decoupled decay is AdamW.
    name = "adamw" if name == "adam" and weight_decay else name
    optimizer = (_PARTWISE if multipliers else OPTIMIZERS)[name](
        learning_rate, global_clipnorm=global_clipnorm, **options
    )
    if weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scores"])
    return leaving_nothing(optimizer)


def leaving_nothing(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer, whose training steps can be forgotten when the model is.

    On TensorFlow, Keras sums gradients over the devices also where there is one. TensorFlow then
    registers a gradient of this sum, for good, and with it keeps the whole graph of the training
    step: some 5 MB for each small model that a process trains. With one device the sum is left out.
    """
    if keras.backend.backend() != "tensorflow" or not hasattr(optimizer, _SUM):
        return optimizer
    over_devices = getattr(optimizer, _SUM)

    def summed(gradients: Sequence[Any]) -> Sequence[Any]:
        import tensorflow as tf

        alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
        return gradients if alone else over_devices(gradients)

    setattr(optimizer, _SUM, summed)
    return optimizer
