"""Cross-validate each modality alone and all of them fused: every row is tested once.

    python experiments/cross_validate.py --dataset emoji                # 5 folds, one seed
    python experiments/cross_validate.py --dataset emoji --seeds 0 1 2

A fold's validation rows are split from its training rows; its test rows are looked at once.
Called again with the same `--out`, it trains what is missing.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.cross_validate import CrossValidationConfig, cross_validate


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model, fold and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return cross_validate(parse(CrossValidationConfig, arguments, __doc__, by_rows=True))


if __name__ == "__main__":
    run_script(main, resumes=True)
