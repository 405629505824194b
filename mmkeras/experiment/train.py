"""One training run, from splits to a finished run folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.data.leakage.finding import Finding
from mmkeras.data.pipeline import CACHE_BUDGET, Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.sources import padded_length
from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.splits import Splits
from mmkeras.encoders import default_encoder
from mmkeras.experiment.run_folder import (
    CONFIG,
    HISTORY,
    METRICS,
    MODEL,
    PREDICTIONS,
    PREPROCESSING,
    Run,
    environment,
    predictions_frame,
    read_json,
)
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.files import write_json, write_text
from mmkeras.fusion import fusion_class, fusion_options
from mmkeras.models.build import build_model
from mmkeras.reports.run_report import comparison_table, differences, write_report
from mmkeras.schema import Schema
from mmkeras.tasks import Task
from mmkeras.training.fit import fit
from mmkeras.training.seeds import set_seed
from mmkeras.training.tensorboard import TensorBoardScalars

CHECKPOINT = "checkpoint/last.npz"


def train_run(
    splits: Splits,
    schema: Schema,
    folder: str | Path,
    settings: Settings | None = None,
    *,
    findings: Sequence[Finding] = (),
    compare_with: Mapping[str, Run] | None = None,
    details: Mapping[str, Any] | None = None,
    cache_dir: str | Path | None = None,
    label: str | None = None,
) -> Run:
    """Trains one model and writes its run folder.

    Called again on the folder of an interrupted run with the same data and settings, it goes on
    after the last whole epoch and ends where the uninterrupted run would have ended; on the
    folder of a finished run it does nothing.

    Args:
        splits: Training, validation and test rows. Without validation rows the last epoch's
            weights are kept.
        schema: The modalities to use; a subset (`schema.select`) gives a unimodal baseline.
        folder: The run's folder.
        settings: How; the defaults are sensible for a few thousand rows.
        findings: What the leakage check found, for the report.
        compare_with: Finished runs on the same test rows, by name, for the report.
        details: More for `config.json`.
        cache_dir: Where `cache="file"` keeps decoded images; by default inside the folder.
        label: What progress lines begin with; by default the folder's name.

    Returns:
        The finished `Run`.

    Raises:
        ValueError: The folder holds a run of other data or other settings; there are no training
            or no test rows.
    """
    if schema.target is None:
        raise ValueError(
            "The schema has no target, so there is nothing to train a model to predict. Give it "
            "one, for example target=Label('species')."
        )
    for name, part in (("training", splits.train), ("test", splits.test)):
        if not len(part):
            raise ValueError(f"There are no {name} rows. Give them a share of the table above 0.")
    folder, settings = Path(folder), settings or Settings()
    label = label or folder.name
    config = {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "seed": settings.seed,
        "settings": settings.to_dict(),
        "schema": schema.to_dict(),
        "rows": {name: len(part) for name, part in splits.items()},
        "data": {name: fingerprint(part, schema) for name, part in splits.items()},
        **(details or {}),
        "environment": environment(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CONFIG).exists():
        stored = read_json(folder / CONFIG)
        _check_same_run(stored, config, folder)
        config = stored
        if (folder / METRICS).exists():
            return Run(folder)
    else:
        write_json(folder / CONFIG, config)
    (folder / CHECKPOINT).parent.mkdir(exist_ok=True)

    started = time.perf_counter()
    set_seed(settings.seed)
    preprocessing, pipelines = fitted_pipelines(
        splits, schema, settings, cache_dir or folder / "cache"
    )
    preprocessing.save(folder / PREPROCESSING)
    model = make_model(preprocessing, settings.model)
    result = fit(
        model,
        pipelines["train"],
        pipelines.get("validation"),
        settings.training,
        seed=settings.seed,
        checkpoint=folder / CHECKPOINT,
        label=label,
        callbacks=[TensorBoardScalars(folder)],
    )
    write_text(folder / HISTORY, result.history.to_csv(index=False))
    temporary = folder / f"{MODEL}.tmp.keras"
    model.save(temporary)
    temporary.replace(folder / MODEL)

    metrics: dict[str, Any] = {
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "parameters": int(model.count_params()),
        "seconds": round(float(result.history["seconds"].sum()), 2),
    }
    outputs = {}
    for part in [name for name in ("validation", "test") if name in pipelines]:
        padded = model.predict(pipelines[part].evaluate(), verbose=0)
        outputs[part] = pipelines[part].unpad(padded)
        metrics[part] = preprocessing.task.figures(*in_own_unit(pipelines[part], outputs[part]))
    predictions = predictions_frame(preprocessing, pipelines["test"].examples, outputs["test"])
    temporary = folder / f"{PREDICTIONS}.tmp"
    predictions.to_parquet(temporary)
    temporary.replace(folder / PREDICTIONS)
    skipped = [f"{n}: {text}" for n, pipe in pipelines.items() for text in pipe.skipped]
    metrics["skipped"] = skipped
    metrics["total_seconds"] = round(time.perf_counter() - started, 2)
    write_report(
        folder,
        model=model,
        pipeline=pipelines["test"],
        outputs=outputs["test"],
        history=result.history,
        metrics=metrics,
        config=config,
        findings=findings,
        comparison=_comparison(compare_with or {}, label, metrics, preprocessing.task),
    )
    # Last: a folder with metrics is a finished run.
    write_json(folder / METRICS, metrics)
    _remove_checkpoint(folder)
    return Run(folder)


def fitted_pipelines(
    splits: Splits, schema: Schema, settings: Settings, cache_dir: str | Path
) -> tuple[Preprocessing, dict[str, Pipeline]]:
    """Fits the preprocessing on the training rows, and makes a pipeline of each part with rows.

    Args:
        splits: The rows.
        schema: The modalities to use.
        settings: How cells become inputs.
        cache_dir: Where `cache="file"` keeps decoded media.

    Returns:
        The preprocessing, and pipelines by `"train"`, `"validation"` and `"test"`.
    """
    presence = settings.model.modality_dropout > 0 and len(schema.modalities) > 1
    presence |= any(missing_cells(part, schema).to_numpy().any() for _, part in splits.items())
    preprocessing = fit_preprocessing(
        splits.train, schema, settings.preprocessing(schema), presence=presence
    )
    pipelines = {
        name: Pipeline(
            part,
            preprocessing,
            batch_size=settings.training.batch_size,
            on_error=settings.on_error,
            cache=None if settings.cache == "none" else settings.cache,
            cache_dir=cache_dir,
            # All parts together keep to the budget.
            cache_budget=CACHE_BUDGET * len(part) // sum(len(each) for each in splits),
        )
        for name, part in splits.items()
        if len(part)
    }
    return preprocessing, pipelines


def make_model(preprocessing: Preprocessing, settings: ModelSettings) -> keras.Model:
    """The model that `settings` describe, for data prepared by `preprocessing`."""
    schema = preprocessing.schema
    encoders, encoder_options = {}, {}
    for modality in schema.modalities:
        name, kind = modality.name, modality.kind
        encoders[name] = settings.encoder(kind)
        if encoders[name] == "default":
            encoders[name] = default_encoder(modality, preprocessing.inputs[name])
        encoder_options[name] = settings.encoder_options(kind, encoders[name])
        if encoders[name] == "tcn" and preprocessing.inputs[name].shape[-1] == 1:
            # A waveform has too many samples to look at each, and too little in each.
            width = settings.sequence_units
            encoder_options[name] |= {
                "filters": (width // 2, width, width), "kernel_size": 9, "strides": 8
            }  # fmt: skip
        if encoders[name] == "self_attention" and KINDS[kind].varying_length:
            longest = preprocessing.modalities[name].settings.max_length
            encoder_options[name]["max_length"] = padded_length(longest)
    open_options = fusion_options(settings.fusion)
    options = {"pooling": settings.pooling}
    if fusion_class(settings.fusion).gives_logits:
        # What others get behind the fusion, a fusion of decisions gets inside.
        options["dropout"] = settings.fusion_dropout
    if settings.fusion_dim is not None:
        options["dim"] = settings.fusion_dim
    return build_model(
        schema,
        preprocessing.inputs,
        num_outputs=preprocessing.num_outputs,
        encoders=encoders,
        encoder_options=encoder_options,
        fusion=settings.fusion,
        fusion_options={name: x for name, x in options.items() if name in open_options},
        hidden=settings.hidden,
        dropout=settings.dropout,
        fusion_dropout=settings.fusion_dropout,
        presence=preprocessing.presence,
        # A single modality cannot be hidden.
        modality_dropout=settings.modality_dropout if len(schema.modalities) > 1 else 0.0,
        name="multimodal",
    )


def _comparison(
    others: Mapping[str, Run], label: str, metrics: Mapping[str, Any], task: Task
) -> pd.DataFrame | None:
    if not others:
        return None
    results = {name: run.metrics for name, run in others.items()}
    return comparison_table({**results, label: metrics}, task)


def in_own_unit(pipeline: Pipeline, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A pipeline's targets and a model's outputs for them; numbers in the target's own unit."""
    task = pipeline.preprocessing.task
    return task.own_unit(pipeline.targets), task.own_unit(outputs)


def drop_unreadable(
    frame: pd.DataFrame, schema: Schema, settings: Settings
) -> tuple[pd.DataFrame, list[str]]:
    """Leaves out rows with a cell that cannot be decoded or read.

    Done once, before splitting, so that models of other modalities are compared on the same rows.

    Returns:
        The readable rows, and a message for each row left out.
    """
    keep, messages = np.ones(len(frame), bool), []
    by_name = settings.preprocessing(schema)
    for modality in schema.modalities:
        store = KINDS[modality.kind].open_store(frame[modality.columns[0]], by_name[modality.name])
        if store is None:
            continue
        for position in np.flatnonzero(~store.readable):
            keep[position] = False
            where = f"index {frame.index[position]!r}, column {modality.column!r}"
            messages.append(f"{where}: {store.reason(position)}")
    return frame[keep], messages


def _check_same_run(old: Mapping[str, Any], new: Mapping[str, Any], folder: Path) -> None:
    for key in ("data", "schema", "settings"):
        # By way of JSON, where tuples are lists.
        if shown := differences(old[key], _jsonable(new[key])):
            raise ValueError(f"{folder} holds a run of other {key}; it cannot go on. {shown}")
    before, now = old["environment"], new["environment"]
    if before["backend"] != now["backend"]:
        raise ValueError(
            f"{folder} holds a run on the {before['backend']} backend; it cannot go on with "
            f"{now['backend']}. Set KERAS_BACKEND={before['backend']}."
        )
    for package in ("keras", before["backend"]):
        if before["versions"].get(package) != now["versions"].get(package):
            warnings.warn(
                f"{folder} was begun with {package} {before['versions'].get(package)} and goes on "
                f"with {now['versions'].get(package)}: the result may differ in its last digits.",
                stacklevel=3,
            )


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return value


def _remove_checkpoint(folder: Path) -> None:
    for path in (folder / CHECKPOINT).parent.glob("*"):
        path.unlink()
    (folder / CHECKPOINT).parent.rmdir()
