"""One trial: encoders that begin in one way with one seed, fine-tuned with each share of labels."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.cells import label_names
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.probe import linear_probe
from mmkeras.experiment.name_and_tags import run_details
from mmkeras.experiment.rows import Rows, experiment_rows
from mmkeras.experiment.run_folder import CONFIG, environment, time_now
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import fitted_pipelines, in_own_unit, judge, make_model
from mmkeras.files import write_json
from mmkeras.models.parts import embedding_model
from mmkeras.models.saved import MODEL, load_model, save_pair
from mmkeras.nested import differences, jsonable
from mmkeras.reading import read_json
from mmkeras.studies.jobs import Job
from mmkeras.studies.pretraining.labelled import labelled_rows
from mmkeras.studies.pretraining.pretrain_config import PretrainConfig, Way
from mmkeras.training.fit import fit
from mmkeras.training.pretraining.combined import pretrain_encoders
from mmkeras.training.pretraining.pretrain import copy_encoders
from mmkeras.training.seeds import set_seed

ENCODERS = "encoders"
_IDENTIFIED = {"identity": Mapping[str, Any]}  # what `config.json` says in any case


@dataclass(frozen=True, eq=False)
class Trial:
    """A way with a seed, and its folder.

    Args:
        config: The experiment.
        way: How the encoders begin.
        seed: Of everything.
        out: The experiment's folder.
    """

    config: PretrainConfig
    way: Way
    seed: int
    out: Path

    @property
    def folder(self) -> Path:
        return self.out / f"seed{self.seed}-{self.way}"

    @property
    def settings(self) -> Settings:
        return dataclasses.replace(self.config.settings, training=self.config.fine, seed=self.seed)

    def file(self, share: float) -> Path:
        """Where the figures of a share of labels are kept."""
        return self.folder / f"{100 * share:g}-percent.json"

    def identity(self, rows: Rows) -> dict[str, Any]:
        """What decides its results, as JSON has it."""
        settings = self.settings.select(rows.schema).to_dict(rows.schema)
        pretraining = self.config.of_way(self.way)
        identity = {
            "way": self.way,
            "settings": settings,
            "pretraining": None if pretraining is None else dataclasses.asdict(pretraining),
            "schema": rows.schema.to_dict(),
            "data": {name: fingerprint(part, rows.schema) for name, part in rows.splits.items()},
            "judge": self.config.judge,
            "steps": self.config.steps,
            "from": None if self.config.source is None else str(self.config.source.resolve()),
        }
        return jsonable(identity)

    def finished(self, rows: Rows) -> bool:
        """Whether all its figures are there.

        Raises:
            ValueError: The folder holds a trial of other rows or settings.
        """
        if (self.folder / CONFIG).exists():
            before = read_json(self.folder / CONFIG, _IDENTIFIED)["identity"]
            if shown := differences(before, self.identity(rows)):
                raise ValueError(f"{self.folder} holds another trial; it cannot resume. {shown}")
        return all(self.file(share).exists() for share in self.config.labels)

    def job(self, rows: Rows | None) -> Job:
        """What makes its figures; without rows it opens them itself."""
        return Job(self.folder.name, run_trial, (self, rows), self.folder)


@decoded_once()
def run_trial(trial: Trial, rows: Rows | None) -> None:
    """Pre-trains, unless that is done, and fine-tunes with the shares that are missing."""
    config = trial.config
    rows = rows or experiment_rows(config)
    folder = trial.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not trial.finished(rows):
        _begin(trial, rows)
    splits, schema = judged_rows(config, rows), rows.schema
    training = dataclasses.replace(
        trial.settings.training, batch_size=config.pretraining.batch_size
    )
    settings = dataclasses.replace(trial.settings, training=training)
    preprocessing, pipelines = fitted_pipelines(splits, schema, settings, trial.out / "cache")
    source = _encoders(trial, preprocessing, pipelines["train"], rows)
    vectors = {name: _vectors(source, pipeline) for name, pipeline in pipelines.items()}
    labelled = labelled_rows(splits.train, schema, config.labels, trial.seed)
    for share, chosen in labelled.items():
        if trial.file(share).exists():
            continue
        labels = label_names(splits.train[schema.target.column]).to_numpy()
        probed = linear_probe(
            {"all": vectors["train"][chosen]},
            labels[chosen],
            {"all": vectors["test"]},
            label_names(splits.test[schema.target.column]).to_numpy(),
        )
        frame = splits.train.iloc[chosen]
        figures = _fine_tuned(trial, share, source, preprocessing, frame, pipelines["test"])
        write_json(trial.file(share), {"rows": len(chosen), "probe": probed, **figures})


def _begin(trial: Trial, rows: Rows) -> None:
    """Writes `config.json`, unless the trial was begun before."""
    if not (trial.folder / CONFIG).exists():
        about = {"created": time_now(), "seed": trial.seed}
        about |= {"identity": trial.identity(rows), "environment": environment()}
        write_json(trial.folder / CONFIG, {**about, **run_details(trial.config)})


def judged_rows(config: PretrainConfig, rows: Rows) -> Splits:
    """The training rows, and as test rows those that judge."""
    splits = rows.splits
    judged = splits.test if config.judge == "test" else splits.validation
    if not len(judged):
        raise ValueError(f"There are no {config.judge} rows: give --{config.judge} a share.")
    return Splits(splits.train, splits.train[:0], judged)


def _encoders(
    trial: Trial, preprocessing: Preprocessing, train: Pipeline, rows: Rows
) -> keras.Model:
    """A model whose encoders are those that the trial begins with."""
    keras.utils.clear_session()
    set_seed(trial.seed)
    model = make_model(preprocessing, trial.settings)
    pretraining = trial.config.of_way(trial.way)
    if pretraining is None:
        return model
    folder = trial.folder / ENCODERS
    if trial.config.source is not None:
        folder = trial.config.source / trial.folder.name / ENCODERS
        _check_source(trial, folder, rows)
    if not (folder / MODEL).exists():
        folder.mkdir(exist_ok=True)
        label = f"{trial.folder.name}, without labels"
        pretrain_encoders(model, train, pretraining, seed=trial.seed, label=label)
        # A folder with a model is a finished pre-training.
        save_pair(folder, model, preprocessing)
    copy_encoders(load_model(folder), model)
    return model


def _check_source(trial: Trial, folder: Path, rows: Rows) -> None:
    """Refuses encoders that learned from other rows, or read them in another way."""
    if not (folder / MODEL).exists():
        raise FileNotFoundError(f"There are no encoders of an earlier experiment in {folder}.")
    before = read_json(folder.parent / CONFIG, _IDENTIFIED)["identity"]
    now = trial.identity(rows)
    for each in (before, now):
        each["data"] = each["data"]["train"]
        del each["settings"]["training"], each["settings"]["model"]
    kept = ("way", "settings", "schema", "data")
    shown = differences({k: before[k] for k in kept}, {k: now[k] for k in kept})
    if shown:
        raise ValueError(f"The encoders in {folder} are of other rows or settings. {shown}")


def _vectors(model: keras.Model, pipeline: Pipeline) -> np.ndarray:
    """Each row's vector, of all modalities, before anything is learned from labels."""
    vectors = embedding_model(model).predict(pipeline.evaluate(), verbose=0)
    return np.reshape(vectors, (len(vectors), -1))


def _fine_tuned(
    trial: Trial,
    share: float,
    source: keras.Model,
    preprocessing: Preprocessing,
    frame: pd.DataFrame,
    judged: Pipeline,
) -> Mapping[str, Any]:
    """Figures of a model that begins with the encoders of `source` and learns from `frame`."""
    settings, started = trial.settings, time.perf_counter()
    train = Pipeline(frame, preprocessing, batch_size=settings.training.batch_size)
    epochs = max(settings.training.epochs, -(-trial.config.steps // train.steps))
    set_seed(trial.seed)
    model = make_model(preprocessing, settings)
    copy_encoders(source, model)
    label = f"{trial.folder.name}, {len(frame):,} labels"
    training = dataclasses.replace(settings.training, epochs=epochs)
    fit(model, train, None, training, seed=trial.seed, label=label)
    outputs, metrics, task = judge(model, {"test": judged}, preprocessing.task)
    scores = task.row_scores(*in_own_unit(judged, outputs["test"]))
    return {
        "share": share,
        "figures": metrics["test"],
        "scores": np.asarray(scores, float),
        "epochs": epochs,
        "seconds": round(time.perf_counter() - started, 1),
    }
