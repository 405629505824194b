"""Compare fusions honestly: same rows, same budget, several seeds, tests against baselines.

    python experiments/compare_fusion.py --dataset wikipedia --seeds 10 --vectorized
    python experiments/compare_fusion.py --dataset emoji --fusions concat attention gmu --trials 4
    python experiments/compare_fusion.py --data my.csv --target label --encoders text=lstm

Every fusion that fits the data is trained with every seed, as are the modalities alone and the
ensembles of these. Results stream to `results.csv`: the same command with `--out FOLDER` resumes
where it stopped. `comparison.md` has the table (mean, deviation and 95 % interval, parameters,
seconds per epoch, rank) and what the tests say against the best single modality, the simple
baseline SimBaMM and concatenation; `pictures/comparison.png` shows accuracy against cost.

`--vectorized` trains all seeds of a model in one program on JAX, several times as fast for small
models without convolutions and recurrences (`experiments/benchmarks/seeds.py`).
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.comparison import ComparisonConfig, compare


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the comparison; returns one row per model and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return compare(
        parse(ComparisonConfig, arguments, __doc__, fusion="concat", by_rows=True, once=True)
    )


if __name__ == "__main__":
    run_script(main, resumes=True)
