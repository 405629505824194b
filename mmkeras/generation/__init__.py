"""Generative models of several modalities: any of them from any others, or from nothing.

A model is a `keras.Model` of the class `MultimodalVAE`. A new one is one class in a file of its own
and one line in the table below.
"""

from __future__ import annotations

from mmkeras.generation.build import DEFAULT_DENSITIES, MODELS, build_vae
from mmkeras.generation.densities import DENSITIES, Density
from mmkeras.generation.jmvae import JMVAE
from mmkeras.generation.mmvae import MMVAE
from mmkeras.generation.mmvae_plus import MMVAEPlus
from mmkeras.generation.model import MultimodalVAE
from mmkeras.generation.mopoe import MoPoE
from mmkeras.generation.mvae import MVAE
from mmkeras.generation.mvtcae import MVTCAE
from mmkeras.generation.view import View

__all__ = [
    "DEFAULT_DENSITIES",
    "DENSITIES",
    "JMVAE",
    "MMVAE",
    "MODELS",
    "MVAE",
    "MVTCAE",
    "Density",
    "MMVAEPlus",
    "MoPoE",
    "MultimodalVAE",
    "View",
    "build_vae",
]
