"""Encoders trained without labels, to agree and to fill gaps, before they learn to predict."""

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
        "CombinedModel": "combined",
        "PretrainingSettings": "combined",
        "pretrain_encoders": "combined",
        "MaskedModel": "masked",
    },
)
