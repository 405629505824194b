"""Search for good settings of a data set: encoders, fusion, optimizer; judged on validation rows.

    python experiments/tune.py                                  # glyphs, 30 trials
    python experiments/tune.py --trials 60                      # the same search resumes
    python experiments/tune.py --dataset emoji --fusions concat late attention --epochs 15
    python experiments/tune.py --data my.csv --target label --workers 2 --final-seeds 5
    tensorboard --logdir runs/tune                              # the HParams tab compares trials

The first trial has the settings given (or the data set's own); what follows is drawn by a
tree-structured Parzen estimator, and trials that stay behind the median of the others after as many
epochs are stopped. The folder gets `trials.csv`, `best.json` (`Settings.from_dict` reads its
settings) and a folder for each trial. The test rows are looked at with `--final-seeds` only.

Optuna does the drawing. Unlike KerasTuner, which works here too (tried: 1.4.8 on TensorFlow and
JAX, its state in JSON files), it stops single trials by comparison with the others, lets this
script train each trial in a process of its own, from its own checkpoint if it was interrupted, and
says which settings mattered; KerasTuner trains all trials in one process and restarts an
interrupted one. Optuna installs SQLAlchemy too; the journal used here, a file of JSON lines, does
not need it.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.experiment.settings import Settings
from mmkeras.reading import read_json
from mmkeras.reports.markdown import write_markdown
from mmkeras.studies.repeat import RepeatConfig, repeat
from mmkeras.studies.trainings import FUSED
from mmkeras.studies.tuning.results import BEST, TRIALS, search_report, trials_table
from mmkeras.studies.tuning.search import search
from mmkeras.studies.tuning.tuning_config import TuneConfig


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the search; returns one row per trial."""
    arguments = sys.argv[1:] if arguments is None else arguments
    config = parse(TuneConfig, arguments, __doc__, by_rows=True)
    study, figure = search(config)
    report = search_report(study, figure, config)
    print("\n" + write_markdown(report, config.folder / "summary.md"))
    best = read_json(config.folder / BEST, {"trial": int, "settings": Mapping[str, Any]})
    print(f"\nbest settings: {config.folder / BEST}; all: {config.folder / TRIALS}")
    print(f"look: tensorboard --logdir {config.folder}")
    if config.final_seeds:
        print(f"\nTrial {best['trial']}'s settings with {config.final_seeds} seeds, test rows:")
        repeat(
            RepeatConfig(
                data=config.data,
                seeds=tuple(range(config.final_seeds)),
                models=(FUSED,),
                validation=config.validation,
                test=config.test,
                split_seed=config.split_seed,
                workers=config.workers,
                name=config.name,
                tags=config.tags,
                out=config.folder / f"final-trial{best['trial']:03d}",
                settings=Settings.from_dict(best["settings"]),
            )
        )
    return trials_table(study)


if __name__ == "__main__":
    run_script(main, resumes=True)
