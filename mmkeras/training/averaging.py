"""Moving averages of the weights, which judge and are kept in the place of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Puts the averages that a model's optimizer keeps in the place of its weights, for a while.

    Without such averages (`TrainingSettings.ema`) nothing changes. Batch normalization keeps the
    statistics that it has: they are averages of their own.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema:
        yield
        return
    variables = model.trainable_variables
    weights = [keras.ops.copy(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)
    for variable in variables:
        # On JAX it has the average's own array now, which a compiled step would give away.
        variable.assign(keras.ops.copy(variable))
    try:
        yield
    finally:
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)


class JudgeAverages(keras.callbacks.Callback):
    """Validation values are those of the averaged weights."""

    def __init__(self):
        super().__init__()
        self._open = ExitStack()

    def on_test_begin(self, logs=None):
        self._open.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs=None):
        self._open.close()
