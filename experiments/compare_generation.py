"""Generative models of several modalities side by side: models and seeds, one table.

    python experiments/compare_generation.py                                  # poly_mnist_small
    python experiments/compare_generation.py --compared mopoe mvtcae --seeds 0
    python experiments/compare_generation.py --dataset mnist_sound
    python experiments/compare_generation.py --data my.csv --workers 2

Says how often what is made of one, two, ... given modalities is of the right class, how often the
modalities of a sample agree, how near samples are to test rows, the log-likelihood, and what the
latent knows. Called again with the same --out, only what is missing is trained.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import option, parse, run_script
from mmkeras.studies.generation import CompareConfig, compare_generation, generation_preset

DATASET = "poly_mnist_small"


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    own = option(arguments, "--data") is not None
    settings, generation = generation_preset(
        None if own else option(arguments, "--dataset") or DATASET
    )
    return compare_generation(
        parse(
            CompareConfig,
            arguments,
            __doc__,
            dataset=DATASET,
            settings=settings,
            generation=generation,
        )
    )


if __name__ == "__main__":
    run_script(main, resumes=True)
