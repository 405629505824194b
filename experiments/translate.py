"""Translate with the help of a picture: does it help, also where words of the source are hidden?

    python experiments/translate.py                              # emoji's names, three languages
    python experiments/translate.py --targets german --seeds 0
    python experiments/translate.py --seeds                      # by similar rows, without training
    python experiments/translate.py --data my.csv --schema my.json --targets german french

The table has the source text, what else there is, and a column for each target. For each target
and each share of hidden words, a model of each modality and one of all are trained with several
seeds. Nearest neighbours are the floor, their consensus is a translator without a network. Called
again with the same `--out`, it trains what is missing.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.translate import TranslateConfig, translate


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per target, share of hidden words, model and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return translate(parse(TranslateConfig, arguments, __doc__, dataset="emoji_names"))


if __name__ == "__main__":
    run_script(main, resumes=True)
