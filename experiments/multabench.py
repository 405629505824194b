"""A table with a text, by the protocol of MulTaBench: does each add, and does tuning the text pay?

    python experiments/multabench.py --source MINILM --dataset bikewale
    python experiments/multabench.py --source MINILM --dataset babies_r_us --tune

MINILM is a folder with config.json, model.safetensors and tokenizer.json, such as that of
all-MiniLM-L6-v2. The files of the sets are in `$MMKERAS_DATA/multabench`. What the network makes of
the texts is computed once for all models. Called again with the same `--out`, it trains what is
missing.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.multabench import MulTaBenchConfig, run_multabench


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return run_multabench(parse(MulTaBenchConfig, arguments, __doc__, dataset="bikewale"))


if __name__ == "__main__":
    run_script(main, resumes=True)
