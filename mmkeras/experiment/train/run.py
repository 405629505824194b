"""One training run, from splits to a finished run folder."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from mmkeras.data.leakage.finding import Finding
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.defaults import default_settings
from mmkeras.experiment.folders import locked
from mmkeras.experiment.own_model import Build, OwnModel
from mmkeras.experiment.run_folder import METRICS, Run
from mmkeras.experiment.same_run import CHECKPOINT, begin_run, is_finished, run_digest
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.start import Start
from mmkeras.experiment.train.building import fitted_pipelines
from mmkeras.experiment.train.judging import train_and_judge
from mmkeras.experiment.train.results import write_results
from mmkeras.files import write_json
from mmkeras.schema import Schema
from mmkeras.training.callbacks import EPOCHS
from mmkeras.training.distribution import agreed, check_batches, leads
from mmkeras.training.fit import OwnTraining
from mmkeras.training.refit import REFIT
from mmkeras.training.tensorboard import TensorBoardScalars

if TYPE_CHECKING:
    from mmkeras.classical.floor.floor import Floor


_SECONDS_TO_SEE = 60  # until a file that another machine has written is there
FEATURES = "features"  # where a folder of caches has the tokens of frozen encoders


def train_run(
    splits: Splits,
    schema: Schema,
    folder: str | Path,
    settings: Settings | None = None,
    *,
    findings: Sequence[Finding] | None = None,
    model: keras.Model | Build | None = None,
    encoders: Mapping[str, keras.layers.Layer] | None = None,
    fusion: keras.layers.Layer | None = None,
    loss: Any = None,
    metrics: Sequence[Any] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start_from: str | Path | None = None,
    compare_with: Mapping[str, Run] | None = None,
    floor: Floor | None = None,
    details: Mapping[str, Any] | None = None,
    cache_dir: str | Path | None = None,
    label: str | None = None,
) -> Run:
    """Trains one model and writes its run folder.

    Called again on the folder of an interrupted run with the same data and settings, it resumes
    after the last whole epoch and ends where the uninterrupted run would have ended; on the
    folder of a finished run it does nothing.

    Args:
        splits: Training, validation and test rows. Without validation rows the last epoch's
            weights are kept.
        schema: The modalities to use; a subset (`schema.select`) gives a unimodal baseline.
        folder: The run's folder.
        settings: How; by default what suits the training rows (`default_settings`).
        findings: What the leakage check found in these splits, for the report and `leakage.json`;
            `None` where it was not made.
        model: A Keras model of one's own, or what builds it from the fitted `Preprocessing` and
            the settings: from the pipelines' inputs, by name, to the target's answer. A ready one
            goes on from the weights that it has. `settings.model` then has no effect.
        encoders: Layers of one's own by modality name, in the model that the settings describe.
        fusion: A fusion layer of one's own in that model.
        loss, metrics, callbacks: Of one's own, as Keras takes them: a loss in place of the task's,
            metrics besides the task's in the history, and callbacks.
        start_from: The folder of a finished run of the same rows and architecture, whose weights
            the model begins with. Its optimizer's state is not taken over: rate and schedule begin
            anew.
        compare_with: Finished runs on the same test rows, by name, for the report.
        floor: Classical models on the same rows (`floor_of`), which report and metrics show.
        details: More for `config.json`.
        cache_dir: Where `cache="file"` keeps decoded images, by default inside the folder; and
            where the tokens of frozen encoders are kept for other runs, by default nowhere.
        label: What progress lines begin with; by default the folder's name.

    Returns:
        The finished `Run`.

    Raises:
        FileNotFoundError: `start_from` is no finished run.
        ValueError: The folder holds a run of other data, other settings or another model of one's
            own; there are no training or no test rows; a model of one's own cannot be trained or
            saved; callbacks of one's own beside a refit.
        FolderInUse: Another process is training in the folder.
    """
    if schema.target is None:
        raise ValueError(
            "The schema has no target, so there is nothing to train a model to predict. Give it "
            "one, for example target=Label('species')."
        )
    for name, part in (("training", splits.train), ("test", splits.test)):
        if not len(part):
            raise ValueError(f"There are no {name} rows. Give them a share of the table above 0.")
    own_training = OwnTraining(loss, tuple(metrics), tuple(callbacks))
    own, folder = OwnModel(model, encoders or {}, fusion, own_training), Path(folder)
    if settings is None:
        chosen = default_settings(splits.train, schema, once=bool(callbacks))
        settings = own.defaults(chosen)
    own.check(settings, schema)
    if settings.training.refit and own_training.callbacks:
        raise ValueError(
            "`refit` trains twice, and callbacks of one's own are made for one training. Leave "
            "one of them out."
        )
    start = Start.of(start_from)
    if start_from is not None and model is not None:
        raise ValueError("A `model` of one's own has its weights; `start_from` would replace them.")
    label = label or folder.name
    check_batches(settings.training.batch_size)
    if not leads():
        return _train_along(splits, schema, folder, settings, own, start, cache_dir, label)
    with locked(folder):
        finished = is_finished(folder, splits, schema, settings, start.identity, own=own)
        agreed([folder.name, run_digest(splits, schema, settings, own), finished])
        if finished:
            own.check_finished(folder, Run(folder).preprocessing, settings)
            remove_checkpoint(folder)
            return Run(folder)
        begin_run(folder, splits, schema, settings, {**(details or {}), **start.about}, own)
        started = time.perf_counter()
        preprocessing, pipelines = fitted_pipelines(
            splits, schema, settings, cache_dir or folder / "cache"
        )
        if settings.cache == "file":
            agreed("decoded")
        start.check(preprocessing)
        trained = train_and_judge(
            preprocessing,
            pipelines,
            settings,
            checkpoint=folder / CHECKPOINT,
            label=label,
            recorders=[TensorBoardScalars(folder)],
            second_recorders=[TensorBoardScalars(folder, train=REFIT)],
            features=cache_dir and Path(cache_dir) / FEATURES,
            own=own,
            start=start,
            built=functools.partial(own.record, folder=folder) if own else None,
        )
        figures = write_results(
            folder,
            trained,
            preprocessing,
            pipelines,
            started,
            findings=findings,
            floor=floor,
            compare_with=compare_with,
            label=label,
        )
        _move_epochs((folder / CHECKPOINT).parent / EPOCHS, folder / EPOCHS)
        # Last: a folder with metrics is a finished run.
        write_json(folder / METRICS, figures)
        remove_checkpoint(folder)
    agreed("written")
    return Run(folder)


def _train_along(
    splits: Splits,
    schema: Schema,
    folder: Path,
    settings: Settings,
    own: OwnModel,
    start: Start,
    cache_dir: str | Path | None,
    label: str,
) -> Run:
    """What `train_run` is in the other processes of a training: they write nothing."""
    name, digest, finished = agreed()
    if name != folder.name or digest != run_digest(splits, schema, settings, own):
        raise ValueError(
            f"The first process trains a run {name} of other rows or settings than this one's "
            f"{folder.name}. Give all of them the same command, and the same data."
        )
    if finished:
        return Run(folder)
    if settings.cache == "file":
        agreed()  # the first one decodes for all
    preprocessing, pipelines = fitted_pipelines(
        splits, schema, settings, cache_dir or folder / "cache"
    )
    start.check(preprocessing)
    train_and_judge(
        preprocessing,
        pipelines,
        settings,
        parts=(),
        checkpoint=folder / CHECKPOINT,
        label=label,
        features=cache_dir and Path(cache_dir) / FEATURES,
        own=own,
        start=start,
    )
    agreed()
    until = time.monotonic() + _SECONDS_TO_SEE
    while not (folder / METRICS).exists() and time.monotonic() < until:
        time.sleep(1)
    if not (folder / METRICS).exists():
        raise ValueError(
            f"{folder} is not the folder that the first process writes to. All processes need one "
            "on a disk that all of them see."
        )
    return Run(folder)


def _move_epochs(kept: Path, place: Path) -> None:
    """Moves the files of kept epochs; a run that died in the middle may have moved some."""
    if kept.exists():
        place.mkdir(exist_ok=True)
        for file in kept.iterdir():
            file.replace(place / file.name)


def remove_checkpoint(folder: Path) -> None:
    """Removes what only an unfinished run needs; it may be there if a run died as it finished."""
    if (checkpoints := (folder / CHECKPOINT).parent).exists():
        shutil.rmtree(checkpoints)
