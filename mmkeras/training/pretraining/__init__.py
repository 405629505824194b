"""Encoders trained to agree before they are trained to predict."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ContrastiveSettings": "pretrain",
        "copy_encoders": "pretrain",
        "embed": "pretrain",
        "ContrastiveModel": "contrastive",
        "info_nce": "contrastive",
        "projection_model": "contrastive",
    },
)
