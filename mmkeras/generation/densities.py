"""How a modality's inputs are distributed around what a decoder says of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

_LOG_2PI = 1.8378770664093453


@dataclass(frozen=True)
class Density(ABC):
    """The distribution of a row's inputs `x` given a decoder's numbers, the parameters.

    Values are independent of each other given the parameters, so that logarithms add up.

    Attributes:
        normalized: Whether `log_prob` is a true log-density of the inputs as they are.
    """

    normalized: ClassVar[bool] = True

    @abstractmethod
    def log_prob(self, parameters: Any, x: Any) -> Any:
        """The log-density of each row.

        Args:
            parameters: A decoder's numbers, `(..., rows, *shape)`.
            x: Inputs `(rows, *shape)`.

        Returns:
            float32 `(..., rows)`.
        """

    @abstractmethod
    def mean(self, parameters: Any) -> Any:
        """What is expected, in the inputs' unit, as an array of the parameters' shape."""


def _total(values: Any, x: Any) -> Any:
    """The sum over a row's values, in float32."""
    first = len(values.shape) - len(x.shape) + 1
    return ops.sum(ops.cast(values, "float32"), axis=tuple(range(first, len(values.shape))))


@dataclass(frozen=True)
class Bernoulli(Density):
    """Values in `[0, 1]` as probabilities; the parameters are logits.

        log p(x) = sum_i x_i log s(l_i) + (1 - x_i) log(1 - s(l_i)),   s the sigmoid

    For values between 0 and 1, as grey values are, it is not normalised, as is common practice.

    Example:

    >>> logits, x = ops.zeros((1, 2)), ops.array([[0.0, 1.0]])
    >>> round(float(Bernoulli().log_prob(logits, x)[0]), 3)  # 2 log 0.5
    -1.386
    """

    normalized = False

    def log_prob(self, parameters, x):
        logits, x = ops.cast(parameters, "float32"), ops.cast(x, "float32")
        return _total(x * logits - ops.softplus(logits), x)

    def mean(self, parameters):
        return ops.sigmoid(parameters)


@dataclass(frozen=True)
class Gaussian(Density):
    """Normal with one standard deviation for all values; the parameters are the means.

        log p(x) = -sum_i (x_i - m_i)^2 / (2 s^2) + log s + log(2 pi) / 2

    Args:
        scale: `s`.
    """

    scale: float = 1.0

    def __post_init__(self):
        _check_scale(self)

    def log_prob(self, parameters, x):
        x = ops.cast(x, "float32")
        apart = (ops.cast(parameters, "float32") - x) / self.scale
        constant = _LOG_2PI / 2 + ops.log(ops.cast(self.scale, "float32"))
        return _total(-ops.square(apart) / 2 - constant, x)

    def mean(self, parameters):
        return parameters


@dataclass(frozen=True)
class Laplace(Density):
    """Laplace with one scale for all values; the parameters are the medians.

        log p(x) = -sum_i |x_i - m_i| / b + log(2 b)

    Args:
        scale: `b`.
    """

    scale: float = 1.0

    def __post_init__(self):
        _check_scale(self)

    def log_prob(self, parameters, x):
        x = ops.cast(x, "float32")
        apart = ops.abs(ops.cast(parameters, "float32") - x) / self.scale
        return _total(-apart - ops.log(ops.cast(2 * self.scale, "float32")), x)

    def mean(self, parameters):
        return parameters


@dataclass(frozen=True)
class Categorical(Density):
    """Groups of values of which one is 1, such as one-hot columns; the parameters are logits.

        log p(x) = sum_g sum_{i in g} x_i log softmax(l_g)_i

    Args:
        groups: The width of each group, in order. A group of one value is a number: normal, with
            standard deviation 1.

    Example:

    >>> x = ops.array([[0.0, 1.0, 0.0, 0.0, 0.0]])  # the second of four classes, and a number
    >>> round(float(Categorical((4, 1)).log_prob(ops.zeros((1, 5)), x)[0]), 3)  # -log 4 - 0.919
    -2.305
    """

    groups: tuple[int, ...]

    def __post_init__(self):
        object.__setattr__(self, "groups", tuple(int(width) for width in self.groups))
        if not self.groups or min(self.groups) < 1:
            raise ValueError(f"`groups` are widths of at least 1. Received: {self.groups}.")

    def _parts(self, values: Any) -> Sequence[Any]:
        if len(self.groups) == 1:  # `ops.split` takes no empty list
            return [ops.cast(values, "float32")]
        ends, places = 0, []
        for width in self.groups[:-1]:
            ends += width
            places.append(ends)
        return ops.split(ops.cast(values, "float32"), places, axis=-1)

    def log_prob(self, parameters, x):
        logs = []
        for width, said, true in zip(
            self.groups, self._parts(parameters), self._parts(x), strict=True
        ):
            if width == 1:
                logs.append(-ops.square(said - true) / 2 - _LOG_2PI / 2)
            else:
                logs.append(true * ops.log_softmax(said, axis=-1))
        return _total(ops.concatenate(logs, axis=-1), ops.cast(x, "float32"))

    def mean(self, parameters):
        parts = zip(self.groups, self._parts(parameters), strict=True)
        return ops.concatenate(
            [said if width == 1 else ops.softmax(said, axis=-1) for width, said in parts], axis=-1
        )


@dataclass(frozen=True)
class BagOfWords(Density):
    """Words drawn one by one, in no order; the parameters are logits of the vocabulary.

        log p(x) = sum_w x_w log softmax(l)_w

    with `x_w` how often the word `w` is in the text, or its weight. The number of orders, which no
    parameter changes, is left out, and how many words there are is not modelled.

    Example:

    >>> counts = ops.array([[2.0, 0.0, 1.0, 0.0]])
    >>> round(float(BagOfWords().log_prob(ops.zeros((1, 4)), counts)[0]), 3)  # -3 log 4
    -4.159

    References:
        - [Miao et al., 2016](https://arxiv.org/abs/1511.06038) (neural variational document model)
    """

    normalized = False

    def log_prob(self, parameters, x):
        x = ops.cast(x, "float32")
        return _total(x * ops.log_softmax(ops.cast(parameters, "float32"), axis=-1), x)

    def mean(self, parameters):
        """The share of each word."""
        return ops.softmax(parameters, axis=-1)


def _check_scale(density: Any) -> None:
    if not density.scale > 0:
        raise ValueError(
            f"`scale` of {type(density).__name__} must be above 0. Received: {density.scale}."
        )


DENSITIES: dict[str, type[Density]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "categorical": Categorical,
    "bag_of_words": BagOfWords,
}
