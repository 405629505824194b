"""Cross-modal retrieval: does a row's one modality find its other, and rows of its class?

    python experiments/retrieval.py                        # wikipedia: picture and text features
    python experiments/retrieval.py --dataset emoji        # picture and description
    python experiments/retrieval.py --dataset avmnist      # a digit's picture and its sound
    python experiments/retrieval.py --validation 0.15 --search validation    # to choose settings
    python experiments/retrieval.py --data my.csv --target label

Encoders are trained to agree (`mmkeras.training.pretraining.contrastive`), once to recognise the
row's own partner and once all rows of its class; encoders and preprocessing are those of the data
set's preset. Where all modalities are feature vectors, three linear models are compared too
(`mmkeras.classical.retrieval`). Last, a logistic regression on the frozen embeddings.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import option, parse, run_script
from mmkeras.studies.retrieval import PRESETS, RetrievalConfig, retrieve
from mmkeras.training.pretraining.pretrain import ContrastiveSettings

DATASET = "wikipedia"


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per method, direction and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = option(arguments, "--dataset") or ("own" if option(arguments, "--data") else DATASET)
    contrastive = PRESETS.get(name, ContrastiveSettings())
    return retrieve(
        parse(RetrievalConfig, arguments, __doc__, dataset=DATASET, contrastive=contrastive)
    )


if __name__ == "__main__":
    run_script(main)
