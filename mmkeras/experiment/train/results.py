"""What a run folder has of a trained model, and the classical floor under it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.leakage.finding import Finding
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.rows import save_findings
from mmkeras.experiment.run_folder import (
    ANSWERS,
    CONFIG,
    HISTORY,
    PREDICTIONS,
    Run,
    predictions_frame,
)
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train.judging import TrainedModel, in_own_unit
from mmkeras.files import many_to_disk, written
from mmkeras.models.saved import save_pair
from mmkeras.reading import read_json
from mmkeras.reports.model_card import write_model_card
from mmkeras.reports.run_report import comparison_table, write_report
from mmkeras.schema import Schema
from mmkeras.tasks import Task

if TYPE_CHECKING:
    from mmkeras.classical.floor.floor import Floor


def write_results(
    folder: Path,
    trained: TrainedModel,
    preprocessing: Preprocessing,
    pipelines: Mapping[str, Pipeline],
    started: float,
    *,
    findings: Sequence[Finding] | None,
    floor: Floor | None = None,
    compare_with: Mapping[str, Run] | None = None,
    label: str = "",
) -> dict[str, Any]:
    """Writes all that a run folder has of a trained model but `metrics.json`, which it returns.

    Args:
        folder: It has `config.json`.
        trained: The model.
        preprocessing, pipelines: What it was judged by, with the test rows.
        started: When all of it began, by `time.perf_counter`.
        findings, floor, compare_with, label: As for `train_run`.
    """
    preprocessing = dataclasses.replace(preprocessing, fitted_target=trained.task)
    pipelines = {name: each.judged_by(trained.task) for name, each in pipelines.items()}
    test, outputs = pipelines["test"], trained.outputs["test"]
    figures = _run_metrics(trained, pipelines, time.perf_counter() - started)
    if floor is not None:
        said = in_own_unit(test, outputs)[1]
        figures["floor"] = floor.against(said, test.groups, trained.task).to_dict()
    _write_run(folder, preprocessing, test, trained)
    if findings is not None:
        save_findings(folder, findings)
    config = read_json(folder / CONFIG)
    write_report(
        folder,
        model=trained.model,
        pipeline=test,
        outputs=outputs,
        history=trained.history,
        metrics=figures,
        config=config,
        findings=findings,
        comparison=_comparison(compare_with or {}, label, figures, preprocessing.task),
    )
    write_model_card(folder, preprocessing, config, figures)
    return figures


def _run_metrics(
    trained: TrainedModel, pipelines: Mapping[str, Pipeline], seconds: float
) -> dict[str, Any]:
    """What `metrics.json` says."""
    task = pipelines["test"].preprocessing.task
    true, said = in_own_unit(pipelines["test"], trained.outputs["test"])
    signatures = task.signatures()
    known = trained.best_epoch is not None
    return {
        **trained.summary(),
        "seconds": round(float(trained.history["seconds"].sum()), 2) if known else None,
        **trained.metrics,
        **({"refit": dataclasses.asdict(trained.refit)} if trained.refit else {}),
        "constant": {"answer": task.constant_words(true), "test": task.constant_figures(true)},
        "remarks": task.remarks(true, said),
        **({"signatures": signatures} if signatures else {}),
        "skipped": [f"{n}: {text}" for n, pipe in pipelines.items() for text in pipe.skipped],
        "unprepared": [f"{n}: {each}" for n, p in pipelines.items() for each in p.unprepared],
        "total_seconds": round(seconds, 2),
    }


def _write_run(
    folder: Path, preprocessing: Preprocessing, test: Pipeline, trained: TrainedModel
) -> None:
    """Writes the preprocessing, the history, the model and the predictions."""
    if trained.best_epoch is not None:
        write_csv(folder / HISTORY, trained.history)
    save_pair(folder, trained.model, preprocessing)
    predictions = predictions_frame(
        preprocessing, test.examples, trained.outputs["test"], folder / ANSWERS
    )
    if (folder / ANSWERS).exists():
        many_to_disk()
    with written(folder / PREDICTIONS) as temporary:
        predictions.to_parquet(temporary)


def _comparison(
    others: Mapping[str, Run], label: str, metrics: Mapping[str, Any], task: Task
) -> pd.DataFrame | None:
    if not others and "floor" not in metrics:
        return None
    results = {name: run.metrics for name, run in others.items()}
    return comparison_table({**results, label: metrics}, task)


def floor_of(splits: Splits, schema: Schema, settings: Settings) -> Floor:
    """The classical floor under a run on these rows, its cells read as the run reads them.

    It learns the rows that the run learns: with a refit those of validation, too.
    """
    # Imports much of scikit-learn, which runs without a floor need not wait for.
    from mmkeras.classical.floor.floor import FLOOR, find_floor

    if settings.training.refit:
        splits = splits.all_learnt
    judged = {name: part for name, part in splits.items() if name != "train"}
    floor = find_floor(splits.train, judged, schema, settings.preprocessing(schema))
    main, score = floor.task.main, floor.figures["test"][floor.task.main.key]
    print(f"{FLOOR}: {floor.method}, {main.words} {main.shown(score)} ({floor.seconds:.0f} s)")
    return floor
