"""Compare many fusions on the same rows, and say which are better."""

from mmkeras.studies.comparison.comparison_config import ENSEMBLES, ComparisonConfig
from mmkeras.studies.comparison.run import compare

__all__ = ["ENSEMBLES", "ComparisonConfig", "compare"]
