"""The parts of a comparison that processes of their own do: one model, some seeds."""

from __future__ import annotations

import dataclasses
import json
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from mmkeras.experiment.run_folder import read_json
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import in_own_unit, make_model
from mmkeras.files import write_json, write_text
from mmkeras.fusion import FUSIONS
from mmkeras.reports.run_report import flatten
from mmkeras.schema import Schema
from mmkeras.studies.comparison.comparison_config import (
    ComparisonConfig,
    trial_settings,
    with_encoders,
)
from mmkeras.studies.comparison.shared_rows import ROWS, Data, model_folder, prepare
from mmkeras.tasks import task_class
from mmkeras.training.callbacks import better_sign
from mmkeras.training.ensemble import LateEnsemble
from mmkeras.training.fit import FitResult, fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.tensorboard import TensorBoardReport
from mmkeras.training.vectorized import fit_seeds


@dataclass(frozen=True)
class Job:
    """One model to train in a process of its own.

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
    def folder(self) -> Path:
        return model_folder(self.out, self.encoders, self.model)


def train_model(job: Job) -> list[dict[str, Any]]:
    """Trains one model with some seeds and saves what it predicts; returns its figures.

    A model that cannot be built or trained gives a row that says why, in `error`.
    """
    about = {"encoders": job.encoders, "model": job.model}
    try:
        settings = _settings(job)
        data = prepare(job.config, job.out, job.encoders, _alone(job))
        started = time.perf_counter()
        model, runs = _fit(job, data, settings)
    except Exception as error:  # whatever it is, the other models go on, and the row says it
        traceback.print_exc()
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return [{**about, "seed": seed, "error": message} for seed in job.seeds]
    rows = []
    for seed, (weights, result) in zip(job.seeds, runs, strict=True):
        model.set_weights(weights)
        row = {**about, "seed": seed, **_evaluate(job, data, model, seed)}
        row |= {
            "parameters": model.count_params(),
            "epochs": len(result.history),
            "best_epoch": result.best_epoch,
            # The first epoch compiles.
            "epoch_seconds": round(float(result.history["seconds"][1:].median()), 4),
            "seconds": round((time.perf_counter() - started) / len(job.seeds), 2),
            "settings": _changes(job.config.settings, settings),
        }
        write_text(job.folder / f"seed{seed}.csv", result.history.to_csv(index=False))
        with TensorBoardReport(job.folder / f"seed{seed}") as board:
            numbers = {k: v for k, v in row.items() if isinstance(v, (int, float)) and k != "seed"}
            board.settings({**about, "seed": seed, **flatten(settings.to_dict())}, numbers)
        rows.append(row)
    return rows


def choose_settings(job: Job) -> None:
    """Trains the model once with each trial's settings and keeps those best in validation."""
    path = job.folder / "settings.json"
    if path.exists():
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    tried = []
    for trial, settings in enumerate(_trials(job)):
        try:
            data = prepare(job.config, job.out, job.encoders, _alone(job))
            _, [(_, result)] = _fit(dataclasses.replace(job, seeds=(0,)), data, settings)
        except Exception as error:  # a trial's failure is a result
            traceback.print_exc()
            tried.append({"trial": trial, "error": f"{type(error).__name__}: {error}"})
            continue
        monitor = settings.training.monitored(data.preprocessing.task)
        best = result.history.set_index("epoch")[monitor][result.best_epoch]
        changes = _changes(job.config.settings, settings)
        value = better_sign(monitor) * float(best)
        tried.append({"trial": trial, monitor: best, "settings": changes, "value": value})
    fine = [entry for entry in tried if "value" in entry]
    best = max(fine, key=lambda entry: entry["value"])["trial"] if fine else 0
    write_json(path, {"best": best, "trials": tried})


def ensemble_rows(job: Job, schema: Schema, results: pd.DataFrame) -> list[dict[str, Any]]:
    """The figures of an ensemble (`job.model`) of the modalities trained alone, seed by seed."""
    rule = job.model.removeprefix("ensemble_")
    alone = results[(results["encoders"] == job.encoders) & results["model"].isin(schema.names)]
    true = np.load(job.out / ROWS)
    job.folder.mkdir(parents=True, exist_ok=True)
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
        np.savez_compressed(job.folder / file, test=test)
        task = task_class(schema.target)(schema.target)
        metrics = task.figures(true["test"], test)
        costs = alone[alone["seed"] == seed][["parameters", "epoch_seconds", "seconds"]].sum()
        about = {"encoders": job.encoders, "model": job.model, "seed": seed}
        rows.append({**about, "score": metrics[task.main.key], **metrics, **costs.to_dict()})
    return rows


def _fit(
    job: Job, data: Data, settings: Settings
) -> tuple[keras.Model, list[tuple[list[np.ndarray], FitResult]]]:
    """Trains with each seed; returns a model to put weights into, and theirs."""
    label = job.model
    if job.config.vectorized:
        result = fit_seeds(
            lambda: make_model(data.preprocessing, settings.model),
            data.train,
            data.validation,
            settings.training,
            seeds=job.seeds,
            label=label,
        )
        return result.model, list(zip(result.weights, result.fits, strict=True))
    runs = []
    for seed in job.seeds:
        set_seed(seed)
        model = make_model(data.preprocessing, settings.model)
        result = fit(
            model, data.train, data.validation, settings.training, seed=seed,
            label=f"{label}, seed {seed}",
        )  # fmt: skip
        runs.append((model.get_weights(), result))
    return model, runs


def _evaluate(job: Job, data: Data, model: keras.Model, seed: int) -> dict[str, float]:
    """Predicts validation and test rows, saves both, and returns the test's figures."""
    task = data.preprocessing.task
    outputs, metrics = {}, {}
    for name, pipeline in (("validation", data.validation), ("test", data.test)):
        if pipeline is None:
            continue
        padded = model.predict(pipeline.evaluate(), verbose=0)
        targets, outputs[name] = in_own_unit(pipeline, pipeline.unpad(padded))
        figures = task.figures(targets, outputs[name])
        if name == "test":
            metrics |= figures
        else:
            metrics["validation"] = figures[task.main.key]
    job.folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(job.folder / f"seed{seed}.npz", **outputs)
    score = task.row_scores(targets, outputs["test"]).mean()
    return {"score": float(score), **metrics}


def _alone(job: Job) -> str | None:
    return None if job.model in FUSIONS else job.model


def _settings(job: Job) -> Settings:
    """The model's settings: the comparison's, or of its trials the best."""
    trials = _trials(job)
    path = job.folder / "settings.json"
    return trials[read_json(path)["best"] if len(trials) > 1 else 0]


def _trials(job: Job) -> list[Settings]:
    settings = with_encoders(job.config.settings, job.encoders)
    if job.model in FUSIONS:
        model = dataclasses.replace(settings.model, fusion=job.model)
    else:
        # Alone: pooled, and the same head as after a fusion.
        model = dataclasses.replace(settings.model, fusion="concat", modality_dropout=0.0)
    settings = dataclasses.replace(settings, model=model)
    return trial_settings(settings, job.config.trials, job.config.split_seed)


def _changes(settings: Settings, chosen: Settings) -> str:
    """What a trial changed, beside the fusion and the encoders, as JSON."""
    before, after = flatten(settings.to_dict()), flatten(chosen.to_dict())
    names = ("fusion", *(name for name in after if name.endswith("_encoder")))
    return json.dumps(
        {
            name: value
            for name, value in after.items()
            if value != before[name] and not name.endswith(names)
        }
    )
