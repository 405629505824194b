"""Convert one modality into another, `Y = T(X)`, and say how well, and what it is good for."""

from mmkeras.studies.conversion.conversion_config import ConvertConfig, conversion_settings
from mmkeras.studies.conversion.run import convert

__all__ = ["ConvertConfig", "conversion_settings", "convert"]
