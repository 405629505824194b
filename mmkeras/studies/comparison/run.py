"""Train many fusions on the same rows with the same budget, and say which are better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from mmkeras.classical.floor.budget import wants_floor
from mmkeras.csv_files import read_csv, write_csv
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.experiment.data_config import to_json
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.experiment.rows import experiment_rows, look_at_rows, save_findings
from mmkeras.files import write_json
from mmkeras.fusion import FUSIONS
from mmkeras.nested import differences
from mmkeras.reading import read_json
from mmkeras.schema import Schema
from mmkeras.studies.comparison.comparison_config import (
    CLASSICAL,
    ENSEMBLES,
    ComparisonConfig,
    obstacle,
    with_encoders,
)
from mmkeras.studies.comparison.floor import floor_rows
from mmkeras.studies.comparison.model_job import (
    SETTINGS,
    ModelJob,
    choose_settings,
    ensemble_rows,
    train_model,
)
from mmkeras.studies.comparison.report import write_comparison
from mmkeras.studies.comparison.shared_rows import ROWS
from mmkeras.studies.jobs import Job, Outcome, refuse_missing, run_jobs

# Jobs of a process share its decoded rows. Keras leaks a little with each.
_JOBS_PER_PROCESS = 8
RESULTS = "results.csv"


def compare(config: ComparisonConfig) -> pd.DataFrame:
    """Runs the comparison, prints and saves its tables; returns one row per model and seed.

    Leaves `results.csv`, `comparison.md`, its picture, and for each model the predictions,
    histories and TensorBoard's HParams of its seeds.

    Raises:
        JobsMissing: Some models could not be trained; the tables show the others.
    """
    # What is wrong is reported before any work.
    name_and_tags(config)
    variants = config.encoders or ("",)
    for variant in variants:
        with_encoders(config.settings, variant)
    if config.vectorized and not config.workers and keras.config.backend() != "jax":
        raise ValueError(
            "--vectorized needs the JAX backend, which separate processes use: give --workers "
            "1 or more, or set KERAS_BACKEND=jax."
        )
    rows = experiment_rows(config)
    table, schema = rows.table, rows.schema
    findings = look_at_rows(rows)
    fusions = _fitting(config, schema)
    ensembles = [name for name in fusions if name in ENSEMBLES]
    trained = [*schema.names, *(name for name in fusions if name not in ENSEMBLES)]
    out = experiment_folder(config.out, Path("runs/compare") / config.data.name)
    with locked(out):
        save_findings(out, findings)
        about = {
            "data": fingerprint(table, schema),
            "backend": "jax" if config.vectorized else keras.config.backend(),
        }
        _check_same(out / "config.json", {**to_json(config), "about": about})
        results = _finished(out / RESULTS)
        jobs = _jobs(config, out, variants, trained, results)
        print(f"{len(jobs)} jobs to do; {out} holds {len(results)} finished runs")
        results, failed = _train(config, out, jobs, results)
        results = results[~results["model"].isin([*ENSEMBLES, CLASSICAL])]
        more: list[dict[str, Any]] = []
        if wants_floor(config.floor, schema, min(len(rows.splits.train), config.rows or 10**9)):
            more += floor_rows(config, out, variants, rows)
        for variant in variants:
            for name in ensembles:
                more += ensemble_rows(ModelJob(config, out, variant, name, ()), schema, results)
        results = pd.concat([results, pd.DataFrame(more)], ignore_index=True)
        write_csv(out / RESULTS, results)
        if "score" in results:  # otherwise all have failed
            write_comparison(out, config, results, schema)
    refuse_missing(failed, len(jobs))
    return results


def _train(
    config: ComparisonConfig, out: Path, jobs: Sequence[ModelJob], results: pd.DataFrame
) -> tuple[pd.DataFrame, list[Outcome]]:
    """Does the jobs; returns the results with theirs, and the jobs that failed.

    A model that failed has one row per seed, which says why in `error`.
    """
    how = {
        "workers": config.workers,
        "jobs_per_process": _JOBS_PER_PROCESS,
        "environment": {"KERAS_BACKEND": "jax"} if config.vectorized else None,
    }
    failed = []
    if config.trials > 1:
        models = {job.folder: job for job in jobs}.values()
        tried = [
            Job(f"{job.name}, settings", choose_settings, (job,), job.folder, (out / ROWS,))
            for job in models
            if not (job.folder / SETTINGS).exists()
        ]
        failed += [each for each in run_jobs(tried, **how) if each.error is not None]
    by_name = {job.name: job for job in jobs}
    trained = [Job(job.name, train_model, (job,), job.folder, (out / ROWS,)) for job in jobs]
    for outcome in run_jobs(trained, **how):
        if outcome.error is None:
            rows = outcome.result
            print("score " + ", ".join(f"{row['score']:.3f}" for row in rows), flush=True)
        else:
            failed.append(outcome)
            job = by_name[outcome.job.name]
            about = {"encoders": job.encoders, "model": job.model, "error": outcome.reason}
            rows = [{**about, "seed": seed} for seed in job.seeds]
        results = pd.concat([results, pd.DataFrame(rows)], ignore_index=True)
        write_csv(out / RESULTS, results)
    return results, failed


def _fitting(config: ComparisonConfig, schema: Schema) -> list[str]:
    """The wanted fusions that fit the data; says why the others do not."""
    if len(schema.modalities) < 2:
        raise ValueError(f"There is nothing to fuse: the only modality is {schema.names[0]!r}.")
    wanted = config.fusions or (*FUSIONS, *ENSEMBLES)
    if taken := sorted({*FUSIONS, *ENSEMBLES, CLASSICAL} & set(schema.names)):
        raise ValueError(f"Modalities {taken} have the names of fusions; rename them.")
    reasons = {name: obstacle(name, config, schema) for name in wanted}
    for name, reason in reasons.items():
        if reason is not None:
            print(f"{name} is left out: {reason}")
    return [name for name, reason in reasons.items() if reason is None]


def _finished(path: Path) -> pd.DataFrame:
    """The rows of runs that ended well."""
    if not path.exists():
        return pd.DataFrame({"encoders": [], "model": [], "seed": []})
    results = read_csv(path).fillna({"encoders": ""})
    if "score" not in results:  # all have failed so far
        return results[:0]
    return results[results["score"].notna()].reset_index(drop=True)


def _jobs(
    config: ComparisonConfig,
    out: Path,
    variants: tuple[str, ...],
    models: list[str],
    results: pd.DataFrame,
) -> list[ModelJob]:
    """What is still to be trained."""
    done = set(results[["encoders", "model", "seed"]].itertuples(index=False, name=None))
    jobs = []
    for variant in variants:
        for model in models:
            left = [s for s in range(config.seeds) if (variant, model, s) not in done]
            parts = [tuple(left)] if config.vectorized else [(seed,) for seed in left]
            jobs += [ModelJob(config, out, variant, model, part) for part in parts if part]
    return jobs


def _check_same(path: Path, config: dict[str, Any]) -> None:
    """Writes the configuration; raises if the folder holds a comparison of another one."""
    free = ("seeds", "fusions", "encoders", "workers", "out", "results", "floor", "name", "tags")
    if path.exists():
        before, now = (
            {name: value for name, value in each.items() if name not in free}
            for each in (read_json(path), config)
        )
        if shown := differences(before, now):
            raise ValueError(f"{path.parent} holds a comparison of other settings: {shown}")
    write_json(path, config)
