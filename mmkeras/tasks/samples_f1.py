"""The mean of rows' F1 as a Keras metric."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def rows_f1(y_true: Any, y_pred: Any) -> Any:
    """Each row's F1 at threshold 0.5; 1 for a row without labels that is given none.

    Args:
        y_true: Multi-hot rows `(batch, labels)`.
        y_pred: Probabilities `(batch, labels)`.

    Returns:
        `(batch,)`.
    """
    true = ops.cast(ops.cast(y_true, "float32") >= 0.5, "float32")
    guess = ops.cast(ops.cast(y_pred, "float32") >= 0.5, "float32")
    both = ops.sum(true * guess, axis=-1)
    either = ops.sum(true, axis=-1) + ops.sum(guess, axis=-1)
    return ops.where(either > 0, 2 * both / ops.maximum(either, 1.0), 1.0)


@keras.saving.register_keras_serializable(package="mmkeras")
class SamplesF1(keras.metrics.MeanMetricWrapper):
    """The mean over rows of `rows_f1`, as `sklearn.metrics.f1_score(average="samples")`.

    Example:

    >>> metric = SamplesF1()
    >>> metric.update_state([[1, 1, 0], [0, 0, 1]], [[0.9, 0.2, 0.1], [0.1, 0.2, 0.9]])
    >>> round(float(metric.result()), 3)
    0.833
    """

    def __init__(self, name: str = "samples_f1", dtype: Any = None):
        super().__init__(fn=rows_f1, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}
