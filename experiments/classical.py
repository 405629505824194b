"""Classical models of a table: each modality alone, all of them together, and late fusion.

    python experiments/classical.py --dataset emoji                   # 5 folds
    python experiments/classical.py --dataset mosi-utterance          # its official test rows
    python experiments/classical.py --data my.csv --target label
    python experiments/classical.py --data my.csv --target label --methods linear svm --folds 10

Features are made of every modality's cells (`mmkeras.classical.features`): HOG and colours of
images, TF-IDF of texts, statistics over time of sounds and sequences. Linear models, support vector
machines, naive Bayes, random forests and gradient boosting see each modality alone and all side by
side; the best of each modality are put together by their mean, their product and by stacking.
Settings are chosen inside the training rows. It is the line that a deep model has to beat. Called
again with the same `--out`, only folds that are missing are done.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.classical import ClassicalConfig, classical


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return classical(parse(ClassicalConfig, arguments, __doc__))


if __name__ == "__main__":
    run_script(main, resumes=True)
