"""Fusions: the tokens of all modalities in, one vector `(batch, dim)` out.

A fusion is a subclass of `Fusion`, whose documentation says what it is called with and what it can
do. A new fusion is one file and one line in the table below; `docs/extending.md` shows it. A layer
from elsewhere can be one too, see `as_fusion`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, cast

import keras

from mmkeras.encoders.configured_layer import constructor_arguments
from mmkeras.fusion.attention import CrossAttentionFusion
from mmkeras.fusion.bilinear import FactorizedBilinearFusion
from mmkeras.fusion.bottleneck import BottleneckFusion
from mmkeras.fusion.cca import DeepCCAFusion
from mmkeras.fusion.co_attention import CoAttentionFusion
from mmkeras.fusion.concat import ConcatFusion
from mmkeras.fusion.crossmodal import MulTFusion
from mmkeras.fusion.early_concat import EarlyConcatFusion
from mmkeras.fusion.elementwise import ElementwiseFusion
from mmkeras.fusion.experts import MixtureOfExpertsFusion
from mmkeras.fusion.film import FiLMFusion
from mmkeras.fusion.gated_sum import GatedSumFusion
from mmkeras.fusion.gmu import GatedMultimodalUnit
from mmkeras.fusion.hypernetwork import HypernetworkFusion
from mmkeras.fusion.late import LateFusion
from mmkeras.fusion.low_rank import LowRankFusion
from mmkeras.fusion.memory import MemoryFusion
from mmkeras.fusion.misa import MISAFusion
from mmkeras.fusion.modality_attention import ModalityAttentionFusion
from mmkeras.fusion.multiplicative import MultiplicativeFusion
from mmkeras.fusion.non_local import NonLocalGateFusion
from mmkeras.fusion.parts.fusion import Fusion, traits
from mmkeras.fusion.parts.merge import MergeFusion, as_fusion, check_takes
from mmkeras.fusion.parts.modality_dropout import ModalityDropout
from mmkeras.fusion.parts.stepwise import StepwiseFusion
from mmkeras.fusion.perceiver import PerceiverFusion
from mmkeras.fusion.self_attention import SelfAttentionFusion
from mmkeras.fusion.simbamm import SimBaMMFusion
from mmkeras.fusion.stack import StackFusion
from mmkeras.fusion.tensor import TensorFusion
from mmkeras.fusion.weighted_sum import WeightedSumFusion

# A name's class, or its class with some arguments.
FUSIONS: dict[str, Callable[..., Fusion]] = {
    # Of features: vectors side by side, added up, multiplied.
    "concat": ConcatFusion,
    "early_concat": EarlyConcatFusion,
    "stack": StackFusion,
    "weighted_sum": WeightedSumFusion,
    "gated_sum": GatedSumFusion,
    "product": functools.partial(ElementwiseFusion, rule="product"),
    "max": functools.partial(ElementwiseFusion, rule="max"),
    "mean": functools.partial(ElementwiseFusion, rule="mean"),
    # Attention over tokens; the first is the simple baseline to hold all others against.
    "simbamm": SimBaMMFusion,
    "self_attention": SelfAttentionFusion,
    "attention": CrossAttentionFusion,
    "cross_attention": functools.partial(CrossAttentionFusion, query=0),
    "co_attention": CoAttentionFusion,
    "modality_attention": ModalityAttentionFusion,
    "perceiver": PerceiverFusion,
    "bottleneck": BottleneckFusion,
    "mult": MulTFusion,
    # One modality changes how another is read.
    "gmu": GatedMultimodalUnit,
    "film": FiLMFusion,
    "hypernetwork": HypernetworkFusion,
    "multiplicative": MultiplicativeFusion,
    "non_local": NonLocalGateFusion,
    # Tensor products, whole and factorized.
    "tensor": TensorFusion,
    "low_rank": LowRankFusion,
    "bilinear": FactorizedBilinearFusion,
    # Memory, and losses that shape what the modalities share.
    "memory": MemoryFusion,
    "misa": MISAFusion,
    "cca": DeepCCAFusion,
    "experts": MixtureOfExpertsFusion,
    # Of decisions.
    "late": LateFusion,
    "late_mean": functools.partial(LateFusion, rule="mean"),
    "late_weights": functools.partial(LateFusion, rule="weights"),
    "late_vote": functools.partial(LateFusion, rule="vote"),
}


def fusion_class(name: str) -> type[Fusion]:
    """The class that a name of `FUSIONS` stands for."""
    make: Any = FUSIONS[name]
    if isinstance(make, functools.partial):
        make = make.func
    return cast(type[Fusion], make)


def fusion_options(name: str) -> set[str]:
    """The constructor arguments that a name of `FUSIONS` leaves open."""
    make = FUSIONS[name]
    fixed = make.keywords if isinstance(make, functools.partial) else {}
    return set(constructor_arguments(fusion_class(name))) - set(fixed)


def get_fusion(name_or_layer: str | keras.layers.Layer, **options: Any) -> keras.layers.Layer:
    """The fusion of a name; a layer is returned as it is, or as `as_fusion` makes it one.

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
        return as_fusion(name_or_layer)
    check_fusion_options(name_or_layer, options)
    return FUSIONS[name_or_layer](**options)


def check_fusion_options(name: str, options: Iterable[str]) -> None:
    """Refuses a name that is not in `FUSIONS`, and options that its constructor does not have.

    Raises:
        ValueError: For an unknown name or option.
    """
    if name not in FUSIONS:
        raise ValueError(
            f"The fusions are {sorted(FUSIONS)}. Received: {name!r}. Any other fusion can be given "
            "as a layer."
        )
    known = fusion_options(name)
    unknown = sorted(set(options) - {*known, "name", "dtype", "trainable"})
    if unknown:
        raise ValueError(f"The fusion {name!r} has no option {unknown}. It has {sorted(known)}.")


__all__ = [
    "FUSIONS",
    "BottleneckFusion",
    "CoAttentionFusion",
    "ConcatFusion",
    "CrossAttentionFusion",
    "DeepCCAFusion",
    "EarlyConcatFusion",
    "ElementwiseFusion",
    "FactorizedBilinearFusion",
    "FiLMFusion",
    "Fusion",
    "GatedMultimodalUnit",
    "GatedSumFusion",
    "HypernetworkFusion",
    "LateFusion",
    "LowRankFusion",
    "MISAFusion",
    "MemoryFusion",
    "MergeFusion",
    "MixtureOfExpertsFusion",
    "ModalityAttentionFusion",
    "ModalityDropout",
    "MulTFusion",
    "MultiplicativeFusion",
    "NonLocalGateFusion",
    "PerceiverFusion",
    "SelfAttentionFusion",
    "SimBaMMFusion",
    "StackFusion",
    "StepwiseFusion",
    "TensorFusion",
    "WeightedSumFusion",
    "as_fusion",
    "check_fusion_options",
    "check_takes",
    "fusion_class",
    "fusion_options",
    "get_fusion",
    "traits",
]
