"""Fusions: the tokens of all modalities in, one vector `(batch, dim)` out.

(Late fusion's vector is the logits; its class says `gives_logits = True`.)

A fusion is a `keras.layers.Layer` with `call(tokens, masks=None, present=None, training=None)`;
see `mmkeras.fusion.pooling` for these arguments. Whatever stands in an absent modality's tokens
or in padding does not change its output by a bit, NaN and infinity included. One whose class says
`has_weights = True` also takes `return_weights=True` and then returns `(vector, weights)`. A new
fusion is one file and one line in the table below.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras

from mmkeras.fusion.attention import CrossAttentionFusion
from mmkeras.fusion.concat import ConcatFusion
from mmkeras.fusion.late import LateFusion
from mmkeras.fusion.modality_dropout import ModalityDropout
from mmkeras.fusion.stepwise import StepwiseFusion
from mmkeras.fusion.weighted_sum import WeightedSumFusion

FUSIONS: dict[str, type[keras.layers.Layer]] = {
    "concat": ConcatFusion,
    "weighted_sum": WeightedSumFusion,
    "attention": CrossAttentionFusion,
    "late": LateFusion,
}


def get_fusion(name_or_layer: str | keras.layers.Layer, **options: Any) -> keras.layers.Layer:
    """The fusion of a name; a layer is returned as it is.

    Args:
        name_or_layer: A name of `FUSIONS`, or a layer.
        **options: The fusion's constructor arguments.

    Raises:
        ValueError: For an unknown name or option.

    Example:

    >>> get_fusion("weighted_sum", dim=32).dim
    32
    """
    if isinstance(name_or_layer, keras.layers.Layer):
        if options:
            raise ValueError(
                f"Options are for fusions by name; the layer {name_or_layer.name!r} has its own. "
                f"Received: {sorted(options)}."
            )
        return name_or_layer
    if name_or_layer not in FUSIONS:
        raise ValueError(
            f"The fusions are {sorted(FUSIONS)}. Received: {name_or_layer!r}. Any other fusion "
            "can be given as a layer."
        )
    cls = FUSIONS[name_or_layer]
    known = [name for name in inspect.signature(cls).parameters if name != "kwargs"]
    unknown = sorted(set(options) - {*known, "name", "dtype", "trainable"})
    if unknown:
        raise ValueError(f"The fusion {name_or_layer!r} has no option {unknown}. It has {known}.")
    return cls(**options)


__all__ = [
    "FUSIONS",
    "ConcatFusion",
    "CrossAttentionFusion",
    "LateFusion",
    "ModalityDropout",
    "StepwiseFusion",
    "WeightedSumFusion",
    "get_fusion",
]
