"""What a frozen encoder gave, in the encoder's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from mmkeras.encoders.configured_layer import ConfiguredLayer


@keras.saving.register_keras_serializable(package="mmkeras")
class FrozenFeatures(ConfiguredLayer):
    """Hands tokens on that a frozen encoder made before.

    Args:
        masked: Whether tokens of zeros are padding.
        grid: The encoder's `token_grid` of an input, where it has one.

    Call arguments:
        inputs: Tokens `(batch, tokens, dim)`.

    Returns:
        The same.

    Example:

    >>> FrozenFeatures(masked=True)(keras.Input((None, 8))).shape
    (None, None, 8)
    """

    def __init__(self, masked: bool = False, grid: Sequence[int | None] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.masked = masked
        self.grid = grid

    def build(self, input_shape):
        pass

    def call(self, inputs):
        return inputs

    def token_mask(self, inputs) -> Any | None:
        """Which tokens are not padding, `(batch, tokens)`."""
        return ops.any(ops.not_equal(inputs, 0), axis=-1) if self.masked else None

    @property
    def token_grid(self) -> Callable[[Sequence[int | None]], tuple[int | None, ...]]:
        """The grid, whatever the inputs' shape; not there without one."""
        if self.grid is None:
            raise AttributeError("These tokens are not a grid.")
        grid = tuple(self.grid)
        return lambda input_shape: grid
