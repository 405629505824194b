"""Training that leaves no modality behind."""

from mmkeras.training.balance.distillation import distillation_model, teacher_model
from mmkeras.training.balance.gradient_blending import (
    GradientBlending,
    blended_model,
    blending_weights,
)
from mmkeras.training.balance.methods import balanced_model

__all__ = [
    "GradientBlending",
    "balanced_model",
    "blended_model",
    "blending_weights",
    "distillation_model",
    "teacher_model",
]
