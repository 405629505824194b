"""Generative models of several modalities: any of them from any others, or from nothing.

A model is a `keras.Model` of the class `MultimodalVAE`. A new one is one class in a file of its own
and one line in the table of `models.py`.
"""

# First, so that any module of the package may be the first to be imported: Keras' import registers
# these models.
import mmkeras.generation.models  # noqa: F401
from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "DEFAULT_DENSITIES": "build",
        "build_vae": "build",
        "DENSITIES": "densities",
        "Density": "densities",
        "JMVAE": "jmvae",
        "MMVAE": "mmvae",
        "MMVAEPlus": "mmvae_plus",
        "MODELS": "models",
        "MVAE": "mvae",
        "MVTCAE": "mvtcae",
        "MixtureSampler": "samplers",
        "MoPoE": "mopoe",
        "MultimodalVAE": "model",
        "View": "view",
    },
)
