"""Cross-validate each modality alone and all of them fused: every row is tested once.

    python experiments/cross_validate.py --dataset emoji                # 5 folds, one seed
    python experiments/cross_validate.py --dataset emoji --seeds 0 1 2

A fold's validation rows are split from its training rows; its test rows are looked at once.
Called again with the same `--out`, it goes on where it was interrupted.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from mmkeras.cli import DataConfig, parse, run_script, to_json
from mmkeras.data.tables.splits import Splits, k_folds, split_table
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import drop_unreadable
from mmkeras.files import write_text
from mmkeras.reports.run_report import format_table
from mmkeras.studies.repeat import FUSED, train_models
from mmkeras.tasks import task_class


@dataclass(frozen=True)
class CrossValidationConfig:
    """The experiment.

    Args:
        data: Which rows.
        folds: How many parts the rows are cut into; each is the test rows of one fold.
        fold_seed: Decides which rows are in which fold.
        validation: Share of a fold's training rows that choose the epoch; with 0, all of them are
            trained on for the full number of epochs.
        seeds: Each fold is trained once with each of these seeds.
        models: Modality names and "fused"; all by default.
        out: The experiment's folder; by default runs/cross_validate-NAME/TIME.
        settings: Model, training and preprocessing. `seed` is replaced by `seeds`.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    folds: int = 5
    fold_seed: int = 0
    validation: float = 0.15
    seeds: tuple[int, ...] = (0,)
    models: tuple[str, ...] = ()
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns a row a model, fold and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    config = parse(CrossValidationConfig, arguments, __doc__)
    out = config.out or Path(f"runs/cross_validate-{config.data.name}") / time.strftime(
        "%Y%m%d-%H%M%S"
    )
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(config, out, fold, seed) for seed in config.seeds for fold in range(config.folds)]
    results = pd.DataFrame()
    # A process for each job: models trained one after the other in one process leak memory.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for done, (fold_rows, kind) in enumerate(pool.imap(run_fold, jobs), start=1):
            results = pd.concat([results, pd.DataFrame(fold_rows)], ignore_index=True)
            write_text(out / "results.csv", results.to_csv(index=False))
            print(f"\n{done} of {len(jobs)} trainings of all models:\n")
            print(format_table(summary(results, task_class(kind).headline)))
    write_text(out / "summary.md", format_table(summary(results, task_class(kind).headline)) + "\n")
    print(f"\nevery fold: {out / 'results.csv'}")
    return results


def run_fold(job: tuple[CrossValidationConfig, Path, int, int]) -> tuple[list[dict], str]:
    config, out, fold, seed = job
    table, schema = config.data.load()
    if config.settings.on_error == "skip":
        table, _ = drop_unreadable(table, schema, config.settings)
    folds = list(k_folds(table, schema, folds=config.folds, seed=config.fold_seed))
    train_rows, test_rows = folds[fold]
    inner = split_table(
        table.iloc[train_rows],
        schema,
        validation=config.validation,
        test=0.0,
        seed=config.fold_seed,
    )
    splits = Splits(inner.train, inner.validation, table.iloc[test_rows])
    settings = dataclasses.replace(config.settings, seed=seed)
    models = config.models or (*schema.names, FUSED)
    details = {"experiment": to_json(config), "fold": fold}
    runs = train_models(models, splits, schema, settings, out, f"fold{fold}-seed{seed}", details)
    rows = [
        {
            "model": name,
            "fold": fold,
            "seed": seed,
            **run.metrics["test"],
            **{key: run.metrics[key] for key in ("best_epoch", "seconds")},
        }
        for name, run in runs.items()
    ]
    return rows, schema.target.kind


def summary(results: pd.DataFrame, figures: tuple[str, ...]) -> pd.DataFrame:
    """Mean over all trainings, and the standard deviation over folds of the mean over seeds."""
    columns = {}
    for figure in figures:
        by_fold = results.groupby(["model", "fold"], sort=False)[figure].mean().unstack("fold")
        columns[figure] = by_fold.mean(axis=1)
        columns[f"± folds ({figure})"] = by_fold.std(axis=1)
        if results["seed"].nunique() > 1:
            by_seed = results.groupby(["model", "seed"], sort=False)[figure].mean().unstack("seed")
            columns[f"± seeds ({figure})"] = by_seed.std(axis=1)
    return pd.DataFrame(columns).rename_axis("model")


if __name__ == "__main__":
    run_script(main, "; the same command with --out FOLDER goes on")
