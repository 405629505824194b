"""Compare many fusions on the same rows, and say which are better."""

from mmkeras.comparison.config import ENSEMBLES, ComparisonConfig
from mmkeras.comparison.run import compare

__all__ = ["ENSEMBLES", "ComparisonConfig", "compare"]
