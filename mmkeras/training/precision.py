"""The precision that a model computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import keras

Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Layers and models that are made inside have this dtype policy; afterwards all is as before.

    Args:
        precision: A name of Keras' dtype policies.

    Example:

    >>> with computing_in("mixed_bfloat16"):
    ...     layer = keras.layers.Dense(3)
    >>> layer.compute_dtype, keras.layers.Dense(3).compute_dtype
    ('bfloat16', 'float32')

    References:
        - [Micikevicius et al., 2018](https://arxiv.org/abs/1710.03740)
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def check_precision(model: keras.Model, precision: str) -> None:
    """Refuses a model that was made with another dtype policy than the settings say."""
    if model.dtype_policy.name != precision:
        raise ValueError(
            f"The model computes in {model.dtype_policy.name}, and `precision` is {precision!r}. "
            f"Make the model inside `computing_in({precision!r})`, or set precision="
            f"{model.dtype_policy.name!r}."
        )
