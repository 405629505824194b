"""A run folder around a model that was trained elsewhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from mmkeras.data.leakage.finding import Finding
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.folders import locked
from mmkeras.experiment.own_model import OWN_MODEL, OwnModel, check_own_model
from mmkeras.experiment.run_folder import CONFIG, METRICS, Run, environment, time_now
from mmkeras.experiment.same_run import rows_identity
from mmkeras.experiment.train import TrainedModel, judge, write_results
from mmkeras.files import write_json


def create_run(
    folder: str | Path,
    model: keras.Model,
    preprocessing: Preprocessing,
    splits: Splits,
    *,
    findings: Sequence[Finding] | None = None,
    batch_size: int = 64,
    on_error: str = "raise",
) -> Run:
    """See `mmkeras.Run.create`."""
    folder, own, started = Path(folder), OwnModel(model), time.perf_counter()
    if preprocessing.schema.target is None:
        raise ValueError("The preprocessing has no target, so that there is nothing to judge by.")
    if not len(splits.test):
        raise ValueError("There are no test rows. Give them a share of the table above 0.")
    with locked(folder):
        if (folder / CONFIG).exists():
            raise ValueError(f"{folder} holds a run already. Give another folder.")
        pipelines = {
            name: Pipeline(part, preprocessing, batch_size=batch_size, on_error=on_error)
            for name, part in splits.items()
            if name != "train" and len(part)
        }
        check_own_model(model, pipelines["test"])
        write_json(folder / CONFIG, _config(preprocessing, splits, own, on_error))
        own.record(model, folder)
        answers = judge(model, pipelines, preprocessing.task, pipelines.get("validation"))
        trained = TrainedModel(model, pd.DataFrame(), None, *answers)
        figures = write_results(
            folder, trained, preprocessing, pipelines, started, findings=findings
        )
        write_json(folder / METRICS, figures)
    return Run(folder)


def _config(
    preprocessing: Preprocessing, splits: Splits, own: OwnModel, on_error: str
) -> dict[str, Any]:
    """What is known of such a run; how it was trained is not."""
    modalities = {
        name: dataclasses.asdict(fitted.settings)
        for name, fitted in preprocessing.modalities.items()
    }
    return {
        "created": time_now(),
        "seed": None,
        "settings": {"modalities": modalities, "on_error": on_error},
        **rows_identity(splits, preprocessing.schema),
        OWN_MODEL: {"given": own.given},
        "environment": environment(),
    }
