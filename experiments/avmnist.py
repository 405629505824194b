"""AV-MNIST: a blurred digit and the same digit spoken in babble; alone and fused, five seeds.

    python experiments/avmnist.py
    python experiments/avmnist.py --dataset avmnist-speakers    # the test speaker is never heard
    python experiments/avmnist.py --dataset avmnist-full        # 70,000 rows
    python experiments/avmnist.py --seeds 0 --models fused --fusion attention

The settings were chosen on the validation rows; the test rows are looked at once. Called again
with the same `--out`, it trains what is missing.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.repeat import RepeatConfig, repeat


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return repeat(parse(RepeatConfig, arguments, __doc__, dataset="avmnist"))


if __name__ == "__main__":
    run_script(main, resumes=True)
