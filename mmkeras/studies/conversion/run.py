"""Train models that make one modality of others, and say how good they are."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.pipeline import Pipeline
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import name_and_tags, run_details
from mmkeras.experiment.rows import look_at_rows, save_findings
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.same_run import is_finished
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import train_run
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.wording import subset_name
from mmkeras.schema import Schema
from mmkeras.studies.conversion.conversion_config import ConvertConfig
from mmkeras.studies.conversion.floors import floors
from mmkeras.studies.conversion.impute import IMPUTED, impute
from mmkeras.studies.conversion.judge import Judge
from mmkeras.studies.conversion.report import MODEL, Scores, conversion_report
from mmkeras.studies.conversion.rows import ConversionRows, conversion_rows
from mmkeras.studies.jobs import Job, refuse_missing, run_jobs

RESULTS = "results.csv"


def convert(config: ConvertConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its tables; returns one row per model and seed.

    Leaves `results.csv`, `summary.md` and a run folder for each model and seed, and with `impute`
    also `impute.csv`. In a folder that has it, the summary keeps that section without `impute`.

    Raises:
        JobsMissing: Some models could not be trained; called again, only these are.
    """
    name_and_tags(config)  # what is wrong is reported before any work
    rows = conversion_rows(config)
    findings = look_at_rows(rows)
    out = experiment_folder(config.out, Path("runs") / f"convert-{config.data.name}")
    subsets = _subsets(config, rows.schema)
    print(
        f"{config.data.name}: {rows.made.name} of {', '.join(rows.schema.names)}; "
        f"{len(rows.splits.train):,} rows to learn from, {len(rows.splits.test):,} test rows"
    )
    with locked(out):
        save_findings(out, findings)
        _train_missing(config, rows, subsets, out)
        judge, scores = Judge(config, rows), {}
        found = []
        for subset in subsets:
            found += _floor_rows(rows, judge, subset, scores)
            found += _model_rows(config, rows, judge, subset, out, scores)
        results = pd.DataFrame(found)
        write_csv(out / RESULTS, results)
        report = conversion_report(config, rows, judge, results, scores)
        # What was tried in this folder before stays in its report.
        if config.imputes or (out / IMPUTED).exists():
            runs = {s: Run(_folder(out, s, rows.schema.names)) for s in config.seeds}
            section = impute(config, rows, runs, out)
            report = dataclasses.replace(report, sections=[*report.sections, section])
        print("\n" + write_markdown(report, out / "summary.md"))
    return results


def _subsets(config: ConvertConfig, schema: Schema) -> list[tuple[str, ...]]:
    sizes = range(1, len(schema.names) + 1) if config.subsets else [len(schema.names)]
    return [part for size in sizes for part in itertools.combinations(schema.names, size)]


def _folder(out: Path, seed: int, subset: Sequence[str]) -> Path:
    return out / f"seed{seed}-{'+'.join(subset)}"


def _settings(config: ConvertConfig, seed: int, schema: Schema) -> Settings:
    return dataclasses.replace(config.settings, seed=seed).select(schema)


def _train_missing(
    config: ConvertConfig, rows: ConversionRows, subsets: Sequence[tuple[str, ...]], out: Path
) -> None:
    """Trains what has not been trained yet."""
    jobs = []
    for subset, seed in itertools.product(subsets, config.seeds):
        folder, schema = _folder(out, seed, subset), rows.schema.select(subset)
        if not is_finished(folder, rows.splits, schema, _settings(config, seed, schema)):
            opened = None if config.workers else rows
            arguments = (config, subset, seed, folder, opened)
            jobs.append(Job(folder.name, _train, arguments, folder))
    print(f"{len(jobs)} of {len(subsets) * len(config.seeds)} models are to be trained")
    outcomes = list(run_jobs(jobs, workers=config.workers))
    refuse_missing([each for each in outcomes if each.error is not None], len(jobs))


def _train(
    config: ConvertConfig,
    subset: tuple[str, ...],
    seed: int,
    folder: Path,
    rows: ConversionRows | None,
) -> None:
    """One job: in a process of its own it opens the rows itself."""
    rows = rows or conversion_rows(config)
    schema = rows.schema.select(subset)
    settings = _settings(config, seed, schema)
    train_run(rows.splits, schema, folder, settings, details=run_details(config))


def _floor_rows(
    rows: ConversionRows, judge: Judge, subset: tuple[str, ...], scores: Scores
) -> list[dict[str, Any]]:
    found = []
    for floor in floors(rows.splits, rows.schema.select(subset), judge.task):
        about = {"sources": subset_name(subset), "model": floor.method, "seed": ""}
        figures = judge.figures(floor.outputs, floor.cells)
        found.append({**about, **figures, "setting": floor.setting})
        scores[about["sources"], floor.method] = [judge.row_scores(floor.outputs)]
    return found


def _model_rows(
    config: ConvertConfig,
    rows: ConversionRows,
    judge: Judge,
    subset: tuple[str, ...],
    out: Path,
    scores: Scores,
) -> list[dict[str, Any]]:
    found, name = [], subset_name(subset)
    for seed in config.seeds:
        run = Run(_folder(out, seed, subset))
        task = run.preprocessing.task
        outputs = run.outputs_of(Pipeline(rows.splits.test, run.preprocessing, batch_size=256))
        own = task.own_unit(outputs)
        figures = judge.figures(own, task.decode(outputs))
        rest = {key: run.metrics[key] for key in ("parameters", "best_epoch", "seconds")}
        found.append({"sources": name, "model": MODEL, "seed": seed, **figures, **rest})
        scores.setdefault((name, MODEL), []).append(np.asarray(judge.row_scores(own)))
    return found
