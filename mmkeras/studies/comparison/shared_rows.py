"""The rows of a comparison: split, prepared and decoded once for all models of a process."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.experiment.rows import experiment_rows
from mmkeras.experiment.train import fitted_pipelines, in_own_unit
from mmkeras.files import written
from mmkeras.schema import Schema
from mmkeras.studies.comparison.comparison_config import ComparisonConfig, with_encoders

# Which test rows belong together, what the best constant answer scores on them, and the targets
# where ensembles need them: the same for all models.
ROWS = "rows.npz"
# What each test row adds to a model's main figure, among what is kept of the model.
SCORES = "scores"


def model_folder(out: Path, encoders: str, model: str) -> Path:
    """Where a comparison keeps a model's predictions, histories and TensorBoard files."""
    return out / (encoders or "default").replace(",", "+") / model


def save_model(
    folder: Path, seed: int, scores: np.ndarray, outputs: Mapping[str, np.ndarray]
) -> None:
    """Keeps what a model does on the comparison's rows.

    Args:
        folder: The model's (`model_folder`).
        seed: The model's.
        scores: What each test row adds to the main figure, `(rows,)`.
        outputs: By part, what the model said, where that is a row of numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with written(folder / f"seed{seed}.npz") as temporary:
        np.savez_compressed(temporary, **{**outputs, SCORES: scores})


Prepared: TypeAlias = tuple[Preprocessing, dict[str, Pipeline]]

_MOST_KEPT = 4
_KEPT: dict[Any, Prepared] = {}


def prepare(config: ComparisonConfig, out: Path, encoders: str, modality: str | None) -> Prepared:
    """The pipelines, made once per process for all models of the same modalities."""
    # Settings hold dicts, so that a configuration has no hash of its own.
    key = (repr(config), out, encoders, modality)
    if key not in _KEPT:
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = _prepare(config, out, encoders, modality)
    return _KEPT[key]


def _prepare(config: ComparisonConfig, out: Path, encoders: str, modality: str | None) -> Prepared:
    rows = experiment_rows(config)
    splits, schema = rows.splits, rows.schema
    if config.rows is not None:
        train = fewer_rows(splits.train, schema, config.rows, config.split_seed)
        splits = dataclasses.replace(splits, train=train)
    settings = with_encoders(config.settings, encoders)
    if modality is not None:
        schema = schema.select([modality])
        settings = settings.select(schema)
    preprocessing, pipelines = fitted_pipelines(splits, schema, settings, out / "cache")
    if not (out / ROWS).exists():
        _save_rows(out / ROWS, pipelines)
    return preprocessing, pipelines


def _save_rows(path: Path, pipelines: dict[str, Pipeline]) -> None:
    """What all models have in common: `ROWS`."""
    test, task = pipelines["test"], pipelines["test"].preprocessing.task
    arrays = {"constant": np.array(task.constant_score(task.own_unit(test.targets)))}
    if task.is_flat:
        arrays |= {
            name: in_own_unit(pipelines[name], pipelines[name].targets)[0]
            for name in ("validation", "test")
            if name in pipelines
        }
    if test.groups is not None:
        arrays["groups"] = test.groups
    with written(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def fewer_rows(frame: pd.DataFrame, schema: Schema, rows: int, seed: int) -> pd.DataFrame:
    """About this many of the rows, drawn at random; groups stay whole."""
    names = np.arange(len(frame))
    if schema.group is not None:
        names = pd.factorize(frame[schema.group])[0]
    order = np.random.default_rng(seed).permutation(names.max() + 1)
    counts = np.bincount(names)[order]
    chosen = order[: max(1, int(np.searchsorted(counts.cumsum(), rows, side="right")))]
    return frame[np.isin(names, chosen)]
