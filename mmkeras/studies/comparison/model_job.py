"""What a job of a comparison does: one model, some seeds."""

from __future__ import annotations

import dataclasses
import json
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import (
    FEATURES,
    TrainedModel,
    in_own_unit,
    judge,
    make_model,
    train_and_judge,
)
from mmkeras.files import write_json
from mmkeras.fusion import FUSIONS
from mmkeras.nested import flatten
from mmkeras.reading import read_json
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.schema import Schema
from mmkeras.studies.comparison.comparison_config import (
    ComparisonConfig,
    trial_settings,
    with_encoders,
)
from mmkeras.studies.comparison.shared_rows import ROWS, model_folder, prepare, save_model
from mmkeras.tasks import better_sign, task_class
from mmkeras.training.ensemble import LateEnsemble
from mmkeras.training.tensorboard import TensorBoardReport
from mmkeras.training.vectorized import fit_seeds

# Which of the trials' settings is best, next to what the seeds leave.
SETTINGS = "settings.json"


@dataclass(frozen=True)
class ModelJob:
    """One model to train.

    Args:
        config: The comparison.
        out: Its folder.
        encoders: One of `config.encoders`, or "".
        model: A modality's or a fusion's name.
        seeds: With which.
    """

    config: ComparisonConfig
    out: Path
    encoders: str
    model: str
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        seeds = ", ".join(map(str, self.seeds))
        return f"{self.encoders} {self.model}, seed {seeds}".strip()

    @property
    def folder(self) -> Path:
        return model_folder(self.out, self.encoders, self.model)


def train_model(job: ModelJob) -> list[dict[str, Any]]:
    """Trains one model with some seeds and saves what it predicts; returns its figures."""
    settings = _settings(job)
    preprocessing, pipelines = prepare(job.config, job.out, job.encoders, _alone(job))
    started = time.perf_counter()
    rows = []
    for seed, trained in _train(job, preprocessing, pipelines, settings):
        own_unit = {
            part: in_own_unit(pipelines[part], outputs) for part, outputs in trained.outputs.items()
        }
        task = trained.task
        scores = task.row_scores(*own_unit["test"])
        said = {part: outputs for part, (_, outputs) in own_unit.items()} if task.is_flat else {}
        save_model(job.folder, seed, scores, said)
        score = float(scores.mean())
        row = {"encoders": job.encoders, "model": job.model, "seed": seed, "score": score}
        if figures := trained.metrics.get("validation"):
            row["validation"] = figures[task.main.key]
        summary = trained.summary()
        row |= {
            **trained.metrics["test"],
            **{key: summary[key] for key in ("parameters", "epochs", "best_epoch")},
            "epoch_seconds": epoch_seconds(trained.history),
            "seconds": round((time.perf_counter() - started) / len(job.seeds), 2),
            "settings": _changes(job, settings),
        }
        write_csv(job.folder / f"seed{seed}.csv", trained.history)
        with TensorBoardReport(job.folder / f"seed{seed}") as board:
            numbers = {k: v for k, v in row.items() if isinstance(v, (int, float)) and k != "seed"}
            about = {"encoders": job.encoders, "model": job.model, "seed": seed}
            about |= name_and_tags_words(name_and_tags(job.config))
            board.settings({**about, **flatten(settings.to_dict())}, numbers)
        rows.append(row)
    return rows


def epoch_seconds(history: pd.DataFrame) -> float:
    """The median over the epochs; the first one, which compiles, counts only where it is alone.

    >>> [epoch_seconds(pd.DataFrame({"seconds": times})) for times in ([9.0, 1.0, 2.0], [9.0])]
    [1.5, 9.0]
    """
    seconds = history["seconds"]
    return round(float((seconds[1:] if len(seconds) > 1 else seconds).median()), 4)


def choose_settings(job: ModelJob) -> None:
    """Trains the model once with each trial's settings and keeps those best in validation."""
    tried = []
    for trial, settings in enumerate(_trials(job)):
        try:
            preprocessing, pipelines = prepare(job.config, job.out, job.encoders, _alone(job))
            one = dataclasses.replace(job, seeds=(0,))
            once = dataclasses.replace(settings.training, refit=False)
            tried_with = dataclasses.replace(settings, training=once)
            [(_, trained)] = _train(one, preprocessing, pipelines, tried_with, parts=())
        except Exception as error:  # a trial's failure is a result
            traceback.print_exc()
            tried.append({"trial": trial, "error": f"{type(error).__name__}: {error}"})
            continue
        monitor = settings.training.monitored(preprocessing.task)
        best = trained.history.set_index("epoch")[monitor][trained.best_epoch]
        changes = _changes(job, settings)
        value = better_sign(monitor) * float(best)
        tried.append({"trial": trial, monitor: best, "settings": changes, "value": value})
    fine = [entry for entry in tried if "value" in entry]
    best = max(fine, key=lambda entry: entry["value"])["trial"] if fine else 0
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(job.folder / SETTINGS, {"best": best, "trials": tried})


def ensemble_rows(job: ModelJob, schema: Schema, results: pd.DataFrame) -> list[dict[str, Any]]:
    """The figures of an ensemble (`job.model`) of the modalities trained alone, seed by seed."""
    rule = job.model.removeprefix("ensemble_")
    alone = results[(results["encoders"] == job.encoders) & results["model"].isin(schema.names)]
    true = np.load(job.out / ROWS)
    rows = []
    for seed in range(job.config.seeds):
        file = f"seed{seed}.npz"
        folders = [dataclasses.replace(job, model=name).folder for name in schema.names]
        if not all((folder / file).exists() for folder in folders):
            continue  # a modality alone failed, which its own row says
        parts = [np.load(folder / file) for folder in folders]
        ensemble = LateEnsemble(rule)
        if rule in ("weights", "stacking"):
            ensemble.fit([part["validation"] for part in parts], true["validation"])
        test = ensemble.predict_proba([part["test"] for part in parts])
        task = task_class(schema.target)(schema.target)
        save_model(job.folder, seed, task.row_scores(true["test"], test), {"test": test})
        metrics = task.figures(true["test"], test)
        costs = alone[alone["seed"] == seed][["parameters", "epoch_seconds", "seconds"]].sum()
        about = {"encoders": job.encoders, "model": job.model, "seed": seed}
        rows.append({**about, "score": metrics[task.main.key], **metrics, **costs.to_dict()})
    return rows


def _train(
    job: ModelJob,
    preprocessing: Preprocessing,
    pipelines: Mapping[str, Pipeline],
    settings: Settings,
    parts: Sequence[str] = ("validation", "test"),
) -> Iterator[tuple[int, TrainedModel]]:
    """Trains with each seed; each model is valid until the next one."""
    if not job.config.vectorized:
        for seed in job.seeds:
            own = dataclasses.replace(settings, seed=seed)
            label = f"{job.model}, seed {seed}"
            features = job.out / "cache" / FEATURES
            yield (
                seed,
                train_and_judge(
                    preprocessing, pipelines, own, parts=parts, label=label, features=features
                ),
            )
        return
    result = fit_seeds(
        lambda: make_model(preprocessing, settings),
        pipelines["train"],
        pipelines.get("validation"),
        settings.training,
        seeds=job.seeds,
        label=job.model,
    )
    judged = {name: pipelines[name] for name in parts if name in pipelines}
    for seed, weights, fit in zip(job.seeds, result.weights, result.fits, strict=True):
        result.model.set_weights(weights)
        answers = judge(result.model, judged, preprocessing.task, pipelines.get("validation"))
        yield seed, TrainedModel(result.model, fit.history, fit.best_epoch, *answers)


def _alone(job: ModelJob) -> str | None:
    return None if job.model in FUSIONS else job.model


def _settings(job: ModelJob) -> Settings:
    """The model's settings: the comparison's, or of its trials the best."""
    trials = _trials(job)
    if len(trials) == 1:
        return trials[0]
    path = job.folder / SETTINGS
    best = read_json(path, {"best": int})["best"]
    if not 0 <= best < len(trials):
        raise ValueError(f"{path}: `best` is one of {len(trials)} trials. Received: {best}.")
    return trials[best]


def _trials(job: ModelJob) -> list[Settings]:
    settings = with_encoders(job.config.settings, job.encoders)
    if job.model in FUSIONS:
        model = settings.model.with_fusion(job.model)
    else:
        # Alone: pooled, and the same head as after a fusion.
        model = dataclasses.replace(settings.model.with_fusion("concat"), modality_dropout=0.0)
    settings = dataclasses.replace(settings, model=model)
    return trial_settings(settings, job.config.trials, job.config.split_seed)


def _changes(job: ModelJob, chosen: Settings) -> str:
    """What a trial changed of the model's own settings, as JSON."""
    before, after = flatten(_trials(job)[0].to_dict()), flatten(chosen.to_dict())
    return json.dumps({name: x for name, x in after.items() if x != before.get(name)})
