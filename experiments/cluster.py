"""Clustering: which rows belong together, by each modality and by all, without labels.

    python experiments/cluster.py                            # mfeat: six views of digits
    python experiments/cluster.py --dataset emoji            # picture and description
    python experiments/cluster.py --dataset emoji --deep     # and contrastive encoders
    python experiments/cluster.py --data my.csv              # no target needed
    python experiments/cluster.py --data my.csv --judge kind --clusters 5

Features of every modality (`mmkeras.classical.features`) are clustered by k-means on each modality
alone, side by side, scaled, and on components; and by spectral clustering, whose settings are fixed
and whose clusters are saved. With --deep also what encoders make of the rows that
learnt, without labels, to agree about each row (`mmkeras.training.pretraining.contrastive`). The
number of clusters is chosen without labels, unless it is given. A target, or the column --judge,
only judges the result.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.cluster import ClusterConfig, cluster

DATASET = "mfeat"


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per method and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return cluster(parse(ClusterConfig, arguments, __doc__, dataset=DATASET))


if __name__ == "__main__":
    run_script(main)
