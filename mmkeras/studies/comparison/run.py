"""Train many fusions on the same rows with the same budget, and say which are better."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from mmkeras.cli import to_json
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.experiment.run_folder import read_json
from mmkeras.files import write_json, write_text
from mmkeras.fusion import FUSIONS
from mmkeras.reports.run_report import differences
from mmkeras.schema import Schema
from mmkeras.studies.comparison.comparison_config import (
    ENSEMBLES,
    ComparisonConfig,
    obstacle,
    with_encoders,
)
from mmkeras.studies.comparison.jobs import Job, choose_settings, ensemble_rows, train_model
from mmkeras.studies.comparison.report import write_comparison

# Models a process trains before a new one takes over: Keras leaks a little with each.
_MODELS_A_PROCESS = 8
RESULTS = "results.csv"


def compare(config: ComparisonConfig) -> pd.DataFrame:
    """Runs the comparison, prints and saves its tables; returns a row a model and seed.

    Leaves `results.csv`, `comparison.md`, `comparison.png`, and for each model the predictions,
    histories and TensorBoard's HParams of its seeds.
    """
    variants = config.encoders or ("",)
    for variant in variants:
        with_encoders(config.settings, variant)  # a wrong name is reported before any work
    table, schema = config.data.load()
    fusions = _fitting(config, schema)
    ensembles = [name for name in fusions if name in ENSEMBLES]
    trained = [*schema.names, *(name for name in fusions if name not in ENSEMBLES)]
    out = config.out or Path("runs/compare") / config.data.name / time.strftime("%Y%m%d-%H%M%S")
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "data": fingerprint(table, schema),
        "backend": "jax" if config.vectorized else keras.config.backend(),
    }
    _check_same(out / "config.json", {**to_json(config), "about": about})

    results = _finished(out / RESULTS)
    jobs = _jobs(config, out, variants, trained, results)
    print(f"{len(jobs)} jobs to do; {out} holds {len(results)} finished runs")
    if config.trials > 1:
        models = list({(job.encoders, job.model): job for job in jobs}.values())
        for number, _ in enumerate(_in_processes(config, choose_settings, models), start=1):
            print(f"settings chosen for {number} of {len(models)} models")
    for number, rows in enumerate(_in_processes(config, train_model, jobs), start=1):
        results = pd.concat([results, pd.DataFrame(rows)], ignore_index=True)
        write_text(out / RESULTS, results.to_csv(index=False))
        scores = ", ".join(f"{row['score']:.3f}" for row in rows if "score" in row)
        print(f"{number}/{len(jobs)} {rows[0]['encoders']} {rows[0]['model']}: {scores}")
    results = results[~results["model"].isin(ENSEMBLES)]
    rows = []
    for variant in variants:
        for name in ensembles:
            rows += ensemble_rows(Job(config, out, variant, name, ()), schema, results)
    results = pd.concat([results, pd.DataFrame(rows)], ignore_index=True)
    write_text(out / RESULTS, results.to_csv(index=False))
    write_comparison(out, config, results, schema)
    return results


def _fitting(config: ComparisonConfig, schema: Schema) -> list[str]:
    """The wanted fusions that fit the data; says why the others do not."""
    if len(schema.modalities) < 2:
        raise ValueError(f"There is nothing to fuse: the only modality is {schema.names[0]!r}.")
    wanted = config.fusions or (*FUSIONS, *ENSEMBLES)
    if taken := sorted({*FUSIONS, *ENSEMBLES} & set(schema.names)):
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
    results = pd.read_csv(path).fillna({"encoders": ""})
    if "score" not in results:  # all have failed so far
        return results[:0]
    return results[results["score"].notna()].reset_index(drop=True)


def _jobs(
    config: ComparisonConfig,
    out: Path,
    variants: tuple[str, ...],
    models: list[str],
    results: pd.DataFrame,
) -> list[Job]:
    """What is still to be trained."""
    done = set(results[["encoders", "model", "seed"]].itertuples(index=False, name=None))
    jobs = []
    for variant in variants:
        for model in models:
            left = [s for s in range(config.seeds) if (variant, model, s) not in done]
            parts = [tuple(left)] if config.vectorized else [(seed,) for seed in left]
            jobs += [Job(config, out, variant, model, part) for part in parts if part]
    return jobs


def _check_same(path: Path, config: dict[str, Any]) -> None:
    """Writes the configuration; raises if the folder holds a comparison of another one."""
    free = ("seeds", "fusions", "encoders", "workers", "out", "results")
    if path.exists():
        before, now = (
            {name: value for name, value in each.items() if name not in free}
            for each in (read_json(path), config)
        )
        if shown := differences(before, now):
            raise ValueError(f"{path.parent} holds a comparison of other settings: {shown}")
    write_json(path, config)


def _in_processes(
    config: ComparisonConfig, work: Callable[[Job], Any], jobs: Sequence[Job]
) -> Iterator[Any]:
    """What `work` gives for each job, as they end; in new processes every now and then.

    Raises:
        RuntimeError: A process was killed.
    """
    # (Those of an executor can be renewed by itself from Python 3.11 on, with a deadlock.)
    part = config.workers * _MODELS_A_PROCESS
    for start in range(0, len(jobs), part):
        with (
            _backend("jax" if config.vectorized else None),
            ProcessPoolExecutor(
                config.workers, mp_context=multiprocessing.get_context("spawn")
            ) as executor,
        ):
            futures = [executor.submit(work, job) for job in jobs[start : start + part]]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BrokenProcessPool as error:
                raise RuntimeError(
                    "A training process was killed, most likely for want of memory. The same "
                    "command with --out goes on; fewer --workers or --fusions need less."
                ) from error


@contextlib.contextmanager
def _backend(name: str | None) -> Iterator[None]:
    """Makes new processes use a Keras backend, whatever this one runs on."""
    before = os.environ.get("KERAS_BACKEND")
    if name is not None:
        os.environ["KERAS_BACKEND"] = name
    try:
        yield
    finally:
        if name is not None and before is None:
            del os.environ["KERAS_BACKEND"]
        elif name is not None:
            os.environ["KERAS_BACKEND"] = before
