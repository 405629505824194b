"""Pre-training without labels, then fine-tuning with few: does it beat training from scratch?

    python experiments/pretrain.py                              # emoji: picture and description
    python experiments/pretrain.py --dataset avmnist            # a digit's picture and its sound
    python experiments/pretrain.py --labels 0.01 0.1 1 --seeds 0 1 2
    python experiments/pretrain.py --ways scratch both --contrastive 1 --masked 0.5
    python experiments/pretrain.py --from runs/pretrain-emoji/20260102-030405 --fine.epochs 60
    python experiments/pretrain.py --judge validation           # to choose settings
    python experiments/pretrain.py --data my.csv --target label

Encoders learn from all training rows without labels: to agree about a row (contrastive), to predict
what was hidden of it (masked), or both; then the whole model learns from the share of the rows that
have labels, the same rows for all ways. Encoders, model and preprocessing are those of the data
set's preset. `--epochs` and what else has no prefix is of pre-training, `--fine.epochs` and the
like of fine-tuning.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import option, parse, run_script
from mmkeras.studies.pretraining import PretrainConfig, pretrain_and_tune, pretrain_defaults

DATASET = "emoji"


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per share of labels, way and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    own = option(arguments, "--data") is not None
    defaults = pretrain_defaults(None if own else option(arguments, "--dataset") or DATASET)
    return pretrain_and_tune(parse(PretrainConfig, arguments, __doc__, dataset=DATASET, **defaults))


if __name__ == "__main__":
    run_script(main, resumes=True)
