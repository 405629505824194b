"""Pre-train encoders without labels, then fine-tune with few labels, against from scratch."""

from mmkeras.studies.pretraining.pretrain_config import PretrainConfig, pretrain_defaults
from mmkeras.studies.pretraining.run import pretrain_and_tune

__all__ = ["PretrainConfig", "pretrain_and_tune", "pretrain_defaults"]
