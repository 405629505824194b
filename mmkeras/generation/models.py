"""The generative models by name."""

from __future__ import annotations

from mmkeras.generation.jmvae import JMVAE
from mmkeras.generation.mmvae import MMVAE
from mmkeras.generation.mmvae_plus import MMVAEPlus
from mmkeras.generation.model import MultimodalVAE
from mmkeras.generation.mopoe import MoPoE
from mmkeras.generation.mvae import MVAE
from mmkeras.generation.mvtcae import MVTCAE

MODELS: dict[str, type[MultimodalVAE]] = {
    "jmvae": JMVAE,
    "mvae": MVAE,
    "mmvae": MMVAE,
    "mopoe": MoPoE,
    "mvtcae": MVTCAE,
    "mmvae_plus": MMVAEPlus,
}
