"""One generative run: rows, judges, training, measures, report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mmkeras.data.pipeline import Pipeline
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.generative import (
    GenerationSettings,
    GenerativeRun,
    check_settings,
    train_generative,
)
from mmkeras.experiment.name_and_tags import run_details
from mmkeras.experiment.rows import Rows, open_rows
from mmkeras.experiment.run_folder import METRICS
from mmkeras.experiment.settings import Settings
from mmkeras.files import write_json
from mmkeras.generation.samplers import MixtureSampler
from mmkeras.studies.generation.generation_config import (
    CompareConfig,
    GenerateConfig,
    MeasureSettings,
)
from mmkeras.studies.generation.judges import Judge, check_judges, train_judges
from mmkeras.studies.generation.measures import all_latents, measure, whole_rows
from mmkeras.studies.generation.report import save_measures, write_generation_report

SAMPLER = "sampler.npz"
_MOST_FITTED = 5000


def generate(config: GenerateConfig) -> GenerativeRun:
    """Runs the experiment: trains, measures and reports; returns the run."""
    details = run_details(config)
    parent = Path("runs") / f"generate-{config.data.name}"
    out = experiment_folder(config.out, parent, ending=f"-{config.generation.model}")
    rows = generation_rows(config)
    for message in rows.messages:
        print(message)
    folder = config.judges or out / "judges"
    judges = train_judges(rows, config.settings, config.judging_settings, folder, details)
    run = train_and_measure(
        rows,
        judges,
        config.settings,
        config.generation,
        config.measures,
        out,
        details=details,
    )
    print(f"report: {run.path / 'report.md'}; look: tensorboard --logdir {run.path}")
    return run


def generation_rows(config: GenerateConfig | CompareConfig) -> Rows:
    """The rows; the same configuration gives the same in every process.

    Raises:
        ValueError: A setting that has no effect on a generative model of these rows.
    """
    check_settings(config.settings)  # before judges are trained
    rows = open_rows(
        config.data,
        config.settings,
        validation=config.validation,
        test=config.test,
        seed=config.split_seed,
        need_target=False,
    )
    config.generation.densities_of(rows.schema)
    return rows


def train_and_measure(
    rows: Rows,
    judges: dict[str, Judge],
    settings: Settings,
    generation: GenerationSettings,
    measures: MeasureSettings,
    folder: Path,
    details: dict | None = None,
) -> GenerativeRun:
    """Trains a run, unless it is there, measures it and writes its report.

    Called again on a finished and measured run, it does nothing.
    """
    run = train_generative(rows.splits, rows.schema, folder, settings, generation, details=details)
    if "test" in run.metrics:
        return run
    with locked(folder):
        check_judges(judges, run.preprocessing)
        pipelines = {
            name: Pipeline(part, run.preprocessing, batch_size=250)
            for name, part in (("train", rows.splits.train), ("test", rows.splits.test))
        }
        inputs, _ = whole_rows(pipelines["train"], _MOST_FITTED)
        latents = all_latents(run.vae, inputs, measures.seed)
        sampler = MixtureSampler.fit(latents, measures.components, measures.seed)
        sampler.save(folder / SAMPLER)
        found = measure(run.vae, pipelines["train"], pipelines["test"], judges, measures, sampler)
        write_generation_report(run, found, pipelines["test"], sampler)
        about = {"measured": dataclasses.asdict(measures)}
        write_json(folder / METRICS, {**run.metrics, **save_measures(found, folder), **about})
    return GenerativeRun(folder)
