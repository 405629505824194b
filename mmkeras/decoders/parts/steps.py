"""Sequences as arrays whose first number says whether a step exists, and their loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def check_steps(class_name: str, steps: int, features: int) -> tuple[int, int]:
    """Both as integers.

    Raises:
        ValueError: Less than one of either.
    """
    if steps < 1 or features < 1:
        raise ValueError(
            f"{class_name} gives at least 1 step of at least 1 feature. Received: steps={steps} "
            f"and features={features}."
        )
    return int(steps), int(features)


@keras.saving.register_keras_serializable(package="mmkeras")
class StepLoss(keras.losses.Loss):
    """The squared error of the steps that exist, and where lengths are given, theirs.

    With `e` whether a step exists, `y` its features, and the mean over all steps, padding too:

        mean of e * mean((y - y')^2) - e log e' - (1 - e) log(1 - e')

    So each step that exists weighs the same, in long sequences and short ones.

    Args:
        with_lengths: Whether answers say which steps exist; the cross-entropy is left out
            otherwise.

    Example:

    >>> import numpy as np
    >>> true, said = np.array([[[1.0, 3.0], [0.0, 0.0]]]), np.array([[[1.0, 1.0], [1.0, 9.0]]])
    >>> float(StepLoss(with_lengths=False)(true, said))  # of two steps one exists
    2.0
    """

    def __init__(self, with_lengths: bool = True, name: str = "step_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.with_lengths = with_lengths

    def call(self, y_true, y_pred):
        there = y_true[..., 0]
        errors = ops.mean(ops.square(y_true[..., 1:] - y_pred[..., 1:]), axis=-1)
        losses = there * errors
        if self.with_lengths:
            said = ops.clip(y_pred[..., 0], 1e-6, 1 - 1e-6)
            losses = losses - there * ops.log(said) - (1 - there) * ops.log(1 - said)
        return ops.mean(losses, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "with_lengths": self.with_lengths}
