"""Keras layers from elsewhere as fusions."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import pool_each

MERGE_LAYERS = (
    layers.Add,
    layers.Average,
    layers.Concatenate,
    layers.Dot,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.Subtract,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class MergeFusion(Fusion):
    """Merges the modalities' pooled tokens by one of Keras' own merging layers.

        F(X) = merge([pool(X_1), pool(X_2), ..., pool(X_n)])

    An absent modality's part is zeros, also in a product or a mean: the fusions `"product"`,
    `"max"` and `"mean"` leave it out instead.

    Args:
        merge: `keras.layers.Concatenate()`, `Add()`, `Average()`, `Maximum()`, `Minimum()`,
            `Multiply()`, `Subtract()` or `Dot(axes=1)`.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`: what the layer makes of the vectors.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 8))
    >>> MergeFusion(keras.layers.Add())([image, text]).shape
    (None, 8)
    """

    def __init__(self, merge: layers.Layer, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.merge = merge
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("MergeFusion", tokens_shape)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        return self.merge(pool_each(tokens, masks, self.poolings))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "merge": keras.saving.serialize_keras_object(self.merge),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MergeFusion:
        merge = keras.saving.deserialize_keras_object(config["merge"])
        return cls(**{**config, "merge": merge})


def as_fusion(layer: layers.Layer) -> layers.Layer:
    """A layer that can be used as a fusion: one of Keras' merging layers is wrapped.

    Any other layer stays what it is. It is called as a fusion is, with as many of the arguments
    `masks` and `present` as the model has; `check_takes` refuses one that would ignore them.
    """
    return MergeFusion(layer) if isinstance(layer, MERGE_LAYERS) else layer


def check_takes(layer: layers.Layer, arguments: Sequence[str]) -> None:
    """Raises a ValueError unless a fusion layer can be called with `masks` and `present`.

    Args:
        layer: The layer.
        arguments: Those that the model has.
    """
    parameters = inspect.signature(layer.call).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    ignored = [name for name in arguments if name not in parameters]
    if ignored:
        raise ValueError(
            "A fusion is called with a list of tokens (batch, tokens, dim), with `masks` where "
            "there is padding and with `present` where modalities may be absent "
            "(`mmkeras.fusion.Fusion`). Received: "
            f"{type(layer).__name__}, whose `call` takes {list(parameters)}, for a model that also "
            f"has {ignored}."
        )
