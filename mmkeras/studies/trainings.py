"""Models of an experiment, each trained by a job into a run folder; only those that are missing."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.leakage.finding import Finding
from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.name_and_tags import run_details
from mmkeras.experiment.rows import Rows, experiment_rows
from mmkeras.experiment.run_folder import METRICS, Run
from mmkeras.experiment.same_run import is_finished
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import train_run
from mmkeras.reports.markdown import format_table
from mmkeras.schema import Schema
from mmkeras.studies.jobs import Job, Outcome, run_jobs

FUSED = "fused"
RESULTS = "results.csv"
CONSTANT = "constant answer"  # what the best one scores on the test rows


@dataclass(frozen=True, eq=False)
class Training:
    """One model of an experiment.

    Args:
        model: A modality's name, or "fused" for all of them.
        about: What else tells this model from the others, e.g. its seed: columns of the results.
        folder: Its run folder.
        settings: How it is trained.
        rows: On what.
        open_rows: Opens the same rows in another process; picklable.
        details: More for the run's `config.json`.
        findings: What the leakage check found in these very rows; `None` where it was not made.
    """

    model: str
    about: Mapping[str, Any]
    folder: Path
    settings: Settings
    rows: Rows
    open_rows: Callable[[], Rows]
    details: Mapping[str, Any]
    findings: Sequence[Finding] | None = None

    @property
    def finished(self) -> bool:
        """Whether it was trained; raises if the folder holds a run of other rows or settings."""
        schema = schema_of(self.rows.schema, self.model)
        settings = self.settings.select(schema)
        return is_finished(self.folder, self.rows.splits, schema, settings)

    @property
    def job(self) -> Job:
        own = (self.model, self.settings, self.folder, self.details, self.findings)
        return Job(self.folder.name, _train, (self.open_rows, *own), self.folder)


def models_of(schema: Schema) -> tuple[str, ...]:
    """The models that an experiment compares: each modality alone, where there are several; all.

    One that lacks the modality that the target is about is not among them.
    """
    alone = [name for name in schema.names if {name} >= set(schema.needed)]
    alone = alone if len(schema.names) > 1 else []
    return (*alone, FUSED)


def with_each_seed(
    config: Any, rows: Rows, out: Path, findings: Sequence[Finding] | None
) -> list[Training]:
    """The trainings of an experiment on one split: each of its models with each of its seeds.

    Args:
        config: The experiment: `seeds`, `models`, `settings`, and what `experiment_rows` reads.
        rows: Its rows.
        out: Its folder.
        findings: What the leakage check found in the rows.
    """
    return [
        Training(
            model,
            {"seed": seed},
            out / f"seed{seed}-{model}",
            dataclasses.replace(config.settings, seed=seed),
            rows,
            functools.partial(experiment_rows, config),
            run_details(config),
            findings,
        )
        for seed in config.seeds
        for model in config.models or models_of(rows.schema)
    ]


def schema_of(schema: Schema, model: str) -> Schema:
    return schema if model == FUSED else schema.select([model])


@decoded_once()
def train_subsets(
    splits: Splits, schema: Schema, settings: Settings, folder: str | Path
) -> dict[str, Run]:
    """Trains each modality alone and all of them, on the same rows; called again, what is missing.

    Args:
        splits: Training, validation and test rows.
        schema: All modalities.
        settings: How.
        folder: Where the run folders go.

    Returns:
        The runs by modalities: `"image"`, `"text"`, `"image+text"`.
    """
    runs = {}
    for model in models_of(schema):
        part = schema_of(schema, model)
        name = "+".join(part.names)
        runs[name] = train_run(splits, part, Path(folder) / name, settings.select(part))
    return runs


def train_missing(
    trainings: Sequence[Training],
    out: Path,
    *,
    workers: int,
    summary: Callable[[pd.DataFrame], pd.DataFrame],
) -> tuple[pd.DataFrame, list[Outcome]]:
    """Trains what has not been trained yet; keeps `results.csv` and prints a summary on the way.

    Args:
        trainings: The models.
        out: The experiment's folder.
        workers: How many are trained at a time; 0 for none in a process of its own.
        summary: Makes the printed table from the results.

    Returns:
        One row per trained model, and the jobs that failed.
    """
    jobs = [training.job for training in trainings if not training.finished]
    print(f"{len(jobs)} of {len(trainings)} models are to be trained")
    results, failed = _results(trainings, out), []
    if not jobs:
        print(f"\n{format_table(summary(results))}\n")
    for outcome in run_jobs(jobs, workers=workers):
        if outcome.error is not None:
            failed.append(outcome)
        else:
            results = _results(trainings, out)
            print(f"\n{format_table(summary(results))}\n")
    return results, failed


def _results(trainings: Sequence[Training], out: Path) -> pd.DataFrame:
    rows = []
    for training in trainings:
        if (training.folder / METRICS).exists():
            metrics = Run(training.folder).metrics
            rest = {key: metrics[key] for key in ("parameters", "best_epoch", "seconds")}
            constant = metrics.get("constant", {}).get("test", {})  # the main figure first
            rest[CONSTANT] = next(iter(constant.values()), float("nan"))
            rows.append({"model": training.model, **training.about, **metrics["test"], **rest})
    results = pd.DataFrame(rows)
    write_csv(out / RESULTS, results)
    return results


def _train(
    open_rows: Callable[[], Rows],
    model: str,
    settings: Settings,
    folder: Path,
    details: Mapping[str, Any],
    findings: Sequence[Finding] | None,
) -> None:
    rows = open_rows()
    schema = schema_of(rows.schema, model)
    train_run(
        rows.splits,
        schema,
        folder,
        settings.select(schema),
        details=details,
        findings=findings,
        cache_dir=folder.parent / "cache",
    )
