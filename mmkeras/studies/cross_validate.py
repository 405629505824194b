"""Cross-validate each modality alone and all of them fused: every row is tested once."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import Named, name_and_tags, run_details
from mmkeras.experiment.rows import Rows, look_at_rows, open_fold, open_table, save_findings
from mmkeras.experiment.settings import Settings
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import joined, leader, name_and_tags_words
from mmkeras.schema import Target
from mmkeras.studies.jobs import refuse_missing
from mmkeras.studies.trainings import CONSTANT, RESULTS, Training, models_of, train_missing
from mmkeras.tasks import task_class


@dataclass(frozen=True)
class CrossValidationConfig(Named):
    """The experiment.

    Args:
        data: Which rows.
        folds: How many parts the rows are cut into; each is the test rows of one fold. With
            `--fold-column`, there is a fold for each of its values.
        fold_seed: Decides which rows are in which fold.
        validation: Share of a fold's training rows that choose the epoch; with 0, all of them are
            trained on for the full number of epochs.
        seeds: Each fold is trained once with each of these seeds.
        models: Modality names and "fused"; all by default.
        workers: Models trained at a time, each in a process of its own; 0 trains in this process.
        out: The experiment's folder; by default runs/cross_validate-NAME/TIME. The same folder
            again resumes.
        settings: Model, training and preprocessing. `seed` is replaced by `seeds`.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    folds: int = 5
    fold_seed: int = 0
    validation: float = 0.15
    seeds: tuple[int, ...] = (0,)
    models: tuple[str, ...] = ()
    workers: int = 1
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def cross_validate(config: CrossValidationConfig) -> pd.DataFrame:
    """Runs the experiment, saves its tables; returns one row per model, fold and seed.

    Leaves `results.csv`, `summary.md` and a run folder for each model, fold and seed.

    Raises:
        JobsMissing: Some models could not be trained; the tables show the others.
    """
    table, schema, messages = open_table(config.data, config.settings)
    task = task_class(schema.target)
    cut = {"folds": config.folds, "validation": config.validation, "seed": config.fold_seed}
    count = len(config.data.folds(table, schema, folds=config.folds, seed=config.fold_seed))
    folds = [
        Rows(table, schema, config.data.fold(table, schema, fold=fold, **cut), messages)
        for fold in range(count)
    ]
    details = run_details(config)
    out = experiment_folder(config.out, f"runs/cross_validate-{config.data.name}")
    trainings = [
        Training(
            model,
            {"fold": fold, "seed": seed},
            out / f"fold{fold}-seed{seed}-{model}",
            dataclasses.replace(config.settings, seed=seed),
            rows,
            functools.partial(open_fold, config.data, config.settings, fold=fold, **cut),
            {**details, "fold": fold},
        )
        for seed in config.seeds
        for fold, rows in enumerate(folds)
        for model in config.models or models_of(schema)
    ]
    # Of the folds the first: in what a column tells the others are alike, since all have the same
    # rows; what stands on both sides differs, and so their runs do not say that they were checked.
    findings = look_at_rows(folds[0])
    with locked(out):
        save_findings(out, findings)
        results, failed = train_missing(
            trainings,
            out,
            workers=config.workers,
            summary=lambda results: summary(results, task.headline_of(schema.target)),
        )
        if len(results):
            write_markdown(_report(config, results, schema.target), out / "summary.md")
    print(f"every fold: {out / RESULTS}")
    refuse_missing(failed, len(trainings))
    return results


def _report(config: CrossValidationConfig, results: pd.DataFrame, target: Target) -> Report:
    task = task_class(target)
    table, main = summary(results, task.headline_of(target)), task.main_of(target)
    return Report(
        f"{config.data.name}: {joined(table.index)}, cross-validated",
        f"Every row was a test row once, in one of {config.folds} folds.",
        [],
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)),
            "seed of the folds": str(config.fold_seed),
            "one row per model, fold and seed": RESULTS,
        },
        [
            Section(
                "models",
                "Figures on the test rows",
                leader(table[main.key], main),
                [
                    Table(
                        "models",
                        table,
                        "Means over all trainings. ± folds is the standard deviation between "
                        "folds, which differ in their rows; ± seeds, where there are several, that "
                        "between trainings on the same rows. Folds share training rows, so that "
                        "the true uncertainty is larger than ± folds says.",
                    )
                ],
            )
        ],
    )


def summary(results: pd.DataFrame, figures: tuple[str, ...]) -> pd.DataFrame:
    """Mean over all trainings, and the standard deviation over folds of the mean over seeds."""
    columns = {}
    for figure in (name for name in figures if name in results):
        by_fold = results.groupby(["model", "fold"], sort=False)[figure].mean().unstack("fold")
        columns[figure] = by_fold.mean(axis=1)
        columns[f"± folds ({figure})"] = by_fold.std(axis=1)
        if results["seed"].nunique() > 1:
            by_seed = results.groupby(["model", "seed"], sort=False)[figure].mean().unstack("seed")
            columns[f"± seeds ({figure})"] = by_seed.std(axis=1)
    columns[CONSTANT] = results.groupby("model", sort=False)[CONSTANT].mean()
    return pd.DataFrame(columns).rename_axis("model")
