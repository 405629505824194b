"""Experiments with generative models of several modalities."""

from mmkeras.studies.generation.compare import compare_generation
from mmkeras.studies.generation.generation_config import (
    CompareConfig,
    GenerateConfig,
    MeasureSettings,
    generation_preset,
)
from mmkeras.studies.generation.run import generate

__all__ = [
    "CompareConfig",
    "GenerateConfig",
    "MeasureSettings",
    "compare_generation",
    "generate",
    "generation_preset",
]
