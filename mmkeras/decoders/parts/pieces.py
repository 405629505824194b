"""Texts as ids of their pieces: which ids have a meaning of their own, the loss and the metric."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# No piece: padding (and CTC's blank), what stands before the first piece, what ends a text, and
# what stands for pieces that the training rows do not have.
PADDING, START, END, UNKNOWN = range(4)
FIRST_PIECE = 4


def check_pieces(class_name: str, vocabulary_size: int, max_length: int) -> tuple[int, int]:
    """Both as integers.

    Raises:
        ValueError: Without a piece, or without room for one and the end.
    """
    if vocabulary_size <= FIRST_PIECE or max_length < 2:
        raise ValueError(
            f"{class_name} writes pieces with ids from {FIRST_PIECE}, and an end: "
            f"`vocabulary_size` is {FIRST_PIECE + 1} at least, `max_length` 2. Received: "
            f"vocabulary_size={vocabulary_size} and max_length={max_length}."
        )
    return int(vocabulary_size), int(max_length)


@keras.saving.register_keras_serializable(package="mmkeras")
class PieceCrossentropy(keras.losses.Loss):
    """Cross-entropy over the pieces of a batch; padding is not among them.

    A long text weighs more than a short one: the mean is over all pieces.

    Args:
        label_smoothing: The share of the target that goes to all pieces alike.

    Example:

    >>> import numpy as np
    >>> loss = PieceCrossentropy()(np.array([[5, 2, 0]]), np.zeros((1, 3, 8), "float32"))
    >>> round(float(loss), 4) == round(float(np.log(8)), 4)
    True
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "piece_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        ids = ops.cast(y_true, "int32")
        log_shares = ops.log_softmax(y_pred, axis=-1)
        right = ops.take_along_axis(log_shares, ops.expand_dims(ids, axis=-1), axis=-1)[..., 0]
        smooth = self.label_smoothing
        losses = -(1.0 - smooth) * right - smooth * ops.mean(log_shares, axis=-1)
        counts = ops.not_equal(ids, PADDING)
        rows = ops.sum(ops.where(counts, losses, 0.0), axis=1)
        # Of each row what makes the mean over rows that over pieces.
        pieces = ops.maximum(ops.sum(ops.cast(counts, rows.dtype)), 1.0)
        return rows * (ops.cast(ops.shape(ids)[0], rows.dtype) / pieces)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenAccuracy(keras.metrics.Mean):
    """The share of pieces, ends among them, that are the likeliest where all before are right.

    Example:

    >>> import numpy as np
    >>> metric = TokenAccuracy()
    >>> metric.update_state(np.array([[5, 2, 0]]), np.eye(8)[[[5, 6, 7]]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str = "token_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        ids = ops.cast(y_true, "int32")
        right = ops.equal(ids, ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
        weights = ops.cast(ops.not_equal(ids, PADDING), self.dtype)
        if sample_weight is not None:
            weights = weights * ops.cast(ops.reshape(sample_weight, (-1, 1)), self.dtype)
        return super().update_state(ops.cast(right, self.dtype), sample_weight=weights)
