"""Several answers at once, each from dense layers of its own over the fused vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.decoders.parts.decoder import Decoder, no_label_smoothing
from mmkeras.tasks import task_class


@keras.saving.register_keras_serializable(package="mmkeras")
class HeadsDecoder(Decoder):
    """A head of dense layers for each of several targets (multi-task learning).

    With `f` the fused vector and `g_t` the activation of target `t`:

        y_t = g_t(W_t relu(V_t f + a_t) + b_t)
        loss = sum over t of weight_t * loss_t(y_t)

    Args:
        kinds: The kind of each target: `"label"`, `"labels"` or `"number"`.
        widths: How many classes or numbers each has.
        names: What each is called.
        loss_weights: What its loss weighs; by default 1 each.
        hidden: The widths of the dense layers (ReLU) of each head.
        dropout: Share of units that are dropped after each of them, in training.

    Returns:
        `(batch, sum of widths)`: the answers, concatenated.

    Example:

    >>> heads = HeadsDecoder(("label", "number"), (5, 1), ("species", "age"))
    >>> heads(keras.Input((32,)), [keras.Input((9, 8))]).shape
    (None, 6)

    References:
        - [Caruana, 1997](https://doi.org/10.1023/A:1007379606734) (multi-task learning)
    """

    is_head = True

    def __init__(
        self,
        kinds: Sequence[str],
        widths: Sequence[int],
        names: Sequence[str],
        loss_weights: Sequence[float] | None = None,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kinds, self.names = tuple(kinds), tuple(names)
        self.widths = tuple(int(width) for width in widths)
        if loss_weights is None:
            loss_weights = (1.0,) * len(self.kinds)
        self.loss_weights = tuple(loss_weights)
        self.hidden = tuple(int(units) for units in hidden)
        self.dropout = dropout
        if not len(self.kinds) == len(self.widths) == len(self.names) == len(self.loss_weights):
            raise ValueError(
                "`kinds`, `widths`, `names` and `loss_weights` have an entry for each target. "
                f"Received: {self.kinds}, {self.widths}, {self.names} and {self.loss_weights}."
            )

    def build(self, vector_shape, tokens_shape=None):
        self.heads: list[list[layers.Layer]] = []
        for width in self.widths:
            head: list[layers.Layer] = []
            shape = tuple(vector_shape)
            for units in self.hidden:
                head.append(layers.Dense(units, activation="relu", dtype=self.dtype_policy))
                head.append(layers.Dropout(self.dropout, dtype=self.dtype_policy))
                head[-2].build(shape)
                shape = (*shape[:-1], units)
            head.append(layers.Dense(width, dtype=self.dtype_policy))
            head[-1].build(shape)
            self.heads.append(head)

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        answers = []
        for kind, head in zip(self.kinds, self.heads, strict=True):
            x = vector
            for layer in head:
                x = layer(x, training=training) if isinstance(layer, layers.Dropout) else layer(x)
            activation = keras.activations.get(task_class(kind).activation)
            # Probabilities are computed in float32 also where the policy is float16.
            answers.append(activation(ops.cast(x, "float32")))
        return ops.cast(ops.concatenate(answers, axis=-1), self.compute_dtype)

    def loss(self, label_smoothing=0.0, gamma=0.0, class_weights=None):
        if not any(task_class(kind).has_classes for kind in self.kinds):
            no_label_smoothing(self, label_smoothing)
        return HeadsLoss(
            self.kinds, self.widths, self.loss_weights, label_smoothing, gamma, class_weights
        )

    def training_metrics(self):
        return [
            PartMetric(metric, start, stop, f"{metric.name}({name})")
            for kind, name, (start, stop) in zip(
                self.kinds, self.names, _spans(self.widths), strict=True
            )
            for metric in task_class(kind).metrics()
        ]

    @property
    def answer_shape(self):
        return (sum(self.widths),)


@keras.saving.register_keras_serializable(package="mmkeras")
class HeadsLoss(keras.losses.Loss):
    """The weighted sum of several targets' losses, each on its own columns.

    Args:
        kinds, widths, weights: As for `HeadsDecoder`.
        label_smoothing, gamma: Of the targets with classes.
        class_weights: As their tasks give them, one entry for each target.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        widths: Sequence[int],
        weights: Sequence[float],
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
        class_weights: Sequence[Any] | None = None,
        name: str = "heads_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.kinds, self.widths, self.weights = tuple(kinds), tuple(widths), tuple(weights)
        self.label_smoothing, self.gamma = label_smoothing, gamma
        self.class_weights = [None] * len(kinds) if class_weights is None else list(class_weights)
        of_classes = {"label_smoothing": label_smoothing, "gamma": gamma}
        self._losses = [
            task.loss(**of_classes, class_weights=own) if task.has_classes else task.loss()  # type: ignore[call-arg]
            for task, own in zip(map(task_class, self.kinds), self.class_weights, strict=True)
        ]

    def call(self, y_true, y_pred):
        parts = zip(self._losses, self.weights, _spans(self.widths), strict=True)
        return sum(
            weight * loss.call(y_true[:, start:stop], y_pred[:, start:stop])
            for loss, weight, (start, stop) in parts
        )

    def get_config(self):
        own = ("kinds", "widths", "weights", "label_smoothing", "gamma", "class_weights")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable(package="mmkeras")
class PartMetric(keras.metrics.Metric):
    """A metric of some of the columns.

    Args:
        metric: The metric.
        start, stop: Of the columns.
        name: Its name in the history.

    Example:

    >>> metric = PartMetric(keras.metrics.MeanAbsoluteError(), 1, 2, "mae(age)")
    >>> metric.update_state([[9.0, 1.0]], [[0.0, 3.0]])
    >>> float(metric.result())
    2.0
    """

    def __init__(self, metric: Any, start: int, stop: int, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        if isinstance(metric, dict):
            metric = keras.saving.deserialize_keras_object(metric)
        self.metric, self.start, self.stop = metric, int(start), int(stop)

    def update_state(self, y_true, y_pred, sample_weight=None):
        columns = slice(self.start, self.stop)
        y_true, y_pred = (ops.convert_to_tensor(x)[:, columns] for x in (y_true, y_pred))
        self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def result(self):
        return self.metric.result()

    def reset_state(self):
        self.metric.reset_state()

    @property
    def variables(self):
        return self.metric.variables

    def get_config(self):
        metric = keras.saving.serialize_keras_object(self.metric)
        own = {"metric": metric, "start": self.start, "stop": self.stop}
        return {"name": self.name, "dtype": self.dtype, **own}


def _spans(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Where each target's columns start and stop."""
    starts = [sum(widths[:place]) for place in range(len(widths))]
    return [(start, start + width) for start, width in zip(starts, widths, strict=True)]
