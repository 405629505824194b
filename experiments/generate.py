"""Generation: a model of all modalities, which makes any of them of any others, or of nothing.

    python experiments/generate.py                                   # poly_mnist_small, MoPoE
    python experiments/generate.py --model mmvae_plus --options own_dim 8
    python experiments/generate.py --dataset mnist_sound --model mvtcae
    python experiments/generate.py --dataset emoji --densities image laplace:0.5
    python experiments/generate.py --data my.csv --beta 2 --epochs 50

Where rows have a label, classifiers of each modality judge what is made; the label is no part of
the model. The run's folder has the model, `report.md` with grids of what it makes, and files for
TensorBoard; `mmkeras.GenerativeRun(FOLDER).predict(rows, given=["image"])` generates from new rows.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

from mmkeras.cli import option, parse, run_script
from mmkeras.experiment.generative import GenerativeRun
from mmkeras.studies.generation import GenerateConfig, generate, generation_preset

DATASET = "poly_mnist_small"


def main(arguments: list[str] | None = None) -> GenerativeRun:
    """Runs the experiment; returns the run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    own = option(arguments, "--data") is not None
    name = option(arguments, "--dataset") or DATASET
    settings, generation = generation_preset(None if own else name, option(arguments, "--model"))
    return generate(
        parse(
            GenerateConfig,
            arguments,
            __doc__,
            dataset=DATASET,
            settings=settings,
            generation=generation,
        )
    )


if __name__ == "__main__":
    run_script(main, resumes=True)
