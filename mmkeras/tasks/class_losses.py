"""The loss of labels that are weighted, each with and without."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy, or focal loss, with weights for each label's presence and absence.

    With `t` whether a row has a label, `p` its probability, and `p_t = p` where it has it, else
    `1 - p`:

        L = 1/labels sum over labels of w_{label, t} (1 - p_t)^gamma (-log p_t)

    Args:
        weights: For each label that of rows without it, and that of rows with it.
        gamma: Of the focal loss; 0 for cross-entropy.
        label_smoothing: Moves `t` from 0 and 1 towards one half.

    Example:

    >>> loss = WeightedBinaryCrossentropy([(1.0, 3.0)])
    >>> round(float(loss([[1.0]], [[0.5]])) / float(loss([[0.0]], [[0.5]])), 4)
    3.0

    References:
        - [Lin et al., 2017](https://arxiv.org/abs/1708.02002) (focal loss)
    """

    def __init__(
        self,
        weights: Sequence[Sequence[float]],
        gamma: float = 0.0,
        label_smoothing: float = 0.0,
        name: str = "weighted_binary_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.weights = [[float(absent), float(present)] for absent, present in weights]
        self.gamma, self.label_smoothing = float(gamma), float(label_smoothing)

    def call(self, y_true, y_pred):
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        absent, present = ops.moveaxis(ops.convert_to_tensor(self.weights, y_pred.dtype), -1, 0)
        # Keras' losses are means over the last axis: of one label each, they stay apart.
        each = keras.losses.binary_focal_crossentropy(
            ops.expand_dims(y_true, -1),
            ops.expand_dims(y_pred, -1),
            gamma=self.gamma,
            label_smoothing=self.label_smoothing,
        )
        return ops.mean((present * y_true + absent * (1 - y_true)) * each, axis=-1)

    def get_config(self):
        own = ("weights", "gamma", "label_smoothing")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
