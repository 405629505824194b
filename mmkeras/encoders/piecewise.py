"""Piecewise linear encoding of numbers: an encoder of a row's columns with thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from scipy.stats import norm

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.tabular import check_floats, check_vectors

_OUTERMOST = 0.02  # share of a standard normal distribution beyond the first and the last knot


@keras.saving.register_keras_serializable(package="mmkeras")
class PiecewiseLinearEncoder(ConfiguredLayer):
    """Numbers spread over bins, then dense layers with ReLU; the last one's output is the token.

    With knots t_0 < ... < t_B, a number x becomes, beside itself, B numbers

        e_b = (x - t_{b-1}) / (t_b - t_{b-1}),  cut to [0, 1]

    (the first not cut below, the last not above): a dense layer then bends where a tree would put
    a threshold, which a few layers of plain numbers hardly learn. The knots are the quantiles of
    the standard normal distribution, so that the scaling `"quantile"` makes them those of the
    training rows. One-hot codes of categories are read as they are.

    Args:
        units: The width of each dense layer.
        bins: B.
        dropout: Share of units that are dropped after each dense layer, in training.
        groups: How many inputs each column has, in order; by default one.
        numbers: How many of the columns, the first ones, are numbers or dates; by default all.

    Call arguments:
        inputs: Floats `(batch, features)`.

    Returns:
        Tokens `(batch, 1, units[-1])`.

    Example:

    >>> PiecewiseLinearEncoder(units=(16, 8), bins=4)(keras.Input((5,))).shape
    (None, 1, 8)

    References:
        - [Gorishniy et al., 2022](https://arxiv.org/abs/2203.05556)
    """

    def __init__(
        self,
        units: Sequence[int] = (128, 128),
        bins: int = 16,
        dropout: float = 0.1,
        groups: Sequence[int] | None = None,
        numbers: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not units or bins < 1:
            raise ValueError(
                "`units` needs one number per dense layer, and `bins` is at least 1. Received: "
                f"{units!r} and {bins}."
            )
        self.units = tuple(int(number) for number in units)
        self.bins, self.dropout = int(bins), dropout
        self.groups = None if groups is None else tuple(int(width) for width in groups)
        self.numbers = numbers

    def build(self, input_shape):
        check_vectors(type(self).__name__, input_shape)
        features = input_shape[-1]
        groups = self.groups or (1,) * features
        if sum(groups) != features:
            raise ValueError(
                f"`groups` are the inputs of each column, {features} in all. Received: {groups}."
            )
        self.spread = sum(groups[: len(groups) if self.numbers is None else self.numbers])
        shares = np.linspace(_OUTERMOST, 1 - _OUTERMOST, self.bins + 1)
        self.knots = norm.ppf(shares).astype(np.float32)
        shape: tuple[int | None, ...] = (None, features + self.spread * self.bins)
        self.steps = []
        for units in self.units:
            self.steps.append(layers.Dense(units, activation="relu", dtype=self.dtype_policy))
            self.steps.append(layers.Dropout(self.dropout, dtype=self.dtype_policy))
        for step in self.steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)

    def call(self, inputs, training=None):
        check_floats(type(self).__name__, inputs)
        x = ops.concatenate([inputs, self._encoded(inputs[:, : self.spread])], axis=-1)
        for step in self.steps:
            x = step(x, training=training) if isinstance(step, layers.Dropout) else step(x)
        return ops.expand_dims(x, axis=1)

    def _encoded(self, numbers: Any) -> Any:
        low, high = self.knots[:-1], self.knots[1:]
        shares = (ops.expand_dims(numbers, -1) - ops.cast(low, numbers.dtype)) / ops.cast(
            high - low, numbers.dtype
        )
        least, most = np.zeros(self.bins, np.float32), np.ones(self.bins, np.float32)
        least[0], most[-1] = -1e6, 1e6
        cut = ops.clip(shares, ops.cast(least, shares.dtype), ops.cast(most, shares.dtype))
        return ops.reshape(cut, (-1, self.spread * self.bins))

    def compute_output_shape(self, input_shape):
        return input_shape[0], 1, self.units[-1]

    def token_mask(self, inputs) -> None:
        """The one token always counts."""
        return None
