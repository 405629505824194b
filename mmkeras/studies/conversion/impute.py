"""A modality is missing at prediction: is it better to make it, to leave it out, or to average?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.bootstrap import bootstrap_interval, compare_paired
from mmkeras.experiment.generative import train_generative
from mmkeras.experiment.generative_imputation import GenerativeImputer
from mmkeras.experiment.imputation import Imputer, hidden
from mmkeras.experiment.name_and_tags import run_details
from mmkeras.experiment.presets import preset
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import train_run
from mmkeras.reports.parts import Section, Table
from mmkeras.schema import Label, Schema
from mmkeras.studies.conversion.conversion_config import ConvertConfig
from mmkeras.studies.conversion.rows import ConversionRows
from mmkeras.studies.generation.generation_config import generation_preset
from mmkeras.tasks import FIGURES

IMPUTED = "impute.csv"
WHOLE, WHOLE_DROPOUT = "nothing missing", "nothing missing, trained with modality dropout"
ALONE = "trained without it"
MASK, MEAN = "presence mask and modality dropout", "mean of the training rows"
GENERATED = "made by a generative model of all modalities"
GENERATED_DROPOUT = "made by a generative model, trained with modality dropout"
MADE, MADE_DROPOUT = "made of the others, T(X)", "made of the others, trained with modality dropout"


def impute(
    config: ConvertConfig, rows: ConversionRows, conversions: dict[int, Run], out: Path
) -> Section:
    """Trains classifiers of all modalities, then hides the one that the conversions make.

    Args:
        config: The experiment.
        rows: Its rows.
        conversions: By seed, the run that makes the modality of all sources.
        out: The experiment's folder.

    Returns:
        The report's section; its table is also written to `IMPUTED`.
    """
    right: dict[str, list[np.ndarray]] = {}
    for seed, conversion in conversions.items():
        runs = _classifiers(config, rows, seed, out)
        imputers = {(MADE, MADE_DROPOUT): Imputer(conversion, rows.made_as_input)}
        if config.impute == "generative" or (out / _generative_name(seed)).exists():
            imputers[GENERATED, GENERATED_DROPOUT] = _generative(config, rows, seed, out)
        for name, scores in _answers(runs, rows, imputers).items():
            right.setdefault(name, []).append(scores)
    scores = {name: np.stack(each) for name, each in right.items()}
    table = _table(rows, scores)
    write_csv(out / IMPUTED, table, index=True)
    return _section(rows, scores, table)


def _classifiers(
    config: ConvertConfig, rows: ConversionRows, seed: int, out: Path
) -> dict[str, Run]:
    """Runs that predict the label: from all, from all with dropout, and from the sources."""
    assert rows.label is not None
    given = config.classifier or preset(None if config.data.data else config.data.dataset)
    sources = Schema(rows.schema.modalities, Label(rows.label), rows.schema.id, rows.schema.group)
    whole = dataclasses.replace(sources, modalities=(*sources.modalities, rows.made_as_input))
    dropping = dataclasses.replace(given.model, modality_dropout=config.hide)
    plain = dataclasses.replace(given.model, modality_dropout=0.0)
    details = run_details(config)

    def train(name: str, schema: Schema, settings: Settings) -> Run:
        settings = dataclasses.replace(settings, seed=seed).select(schema)
        folder = out / f"seed{seed}-class-{name}"
        return train_run(rows.splits, schema, folder, settings, details=details)

    return {
        WHOLE: train("all", whole, dataclasses.replace(given, model=plain)),
        WHOLE_DROPOUT: train("dropout", whole, dataclasses.replace(given, model=dropping)),
        ALONE: train("without", sources, dataclasses.replace(given, model=plain)),
    }


def _generative(config: ConvertConfig, rows: ConversionRows, seed: int, out: Path) -> Imputer:
    """A generative model of the sources and what is made of them."""
    name = None if config.data.data else config.data.dataset
    settings, generation = config.generative or generation_preset(name)
    schema = Schema((*rows.schema.modalities, rows.made_as_input), id=rows.schema.id)
    settings = dataclasses.replace(settings, seed=seed)
    folder = out / _generative_name(seed)
    details = run_details(config)
    run = train_generative(rows.splits, schema, folder, settings, generation, details=details)
    return GenerativeImputer(run, rows.made_as_input)


def _generative_name(seed: int) -> str:
    return f"seed{seed}-generative"


def _answers(
    runs: dict[str, Run], rows: ConversionRows, imputers: Mapping[tuple[str, str], Imputer]
) -> dict[str, np.ndarray]:
    """Which answers are right, `(test rows,)`, by what was done."""
    test, made = rows.splits.test, rows.made_as_input
    lacking = hidden(test, made)
    found = {
        WHOLE: _right(runs[WHOLE], test),
        WHOLE_DROPOUT: _right(runs[WHOLE_DROPOUT], test),
        ALONE: _right(runs[ALONE], test),
        MASK: _right(runs[WHOLE_DROPOUT], lacking),
    }
    for (plain, dropout), imputer in imputers.items():
        filled = imputer.fill(lacking)
        found[plain] = _right(runs[WHOLE], filled)
        found[dropout] = _right(runs[WHOLE_DROPOUT], filled)
    mean = _mean_input(runs[WHOLE], rows.splits, made.name)
    if mean is not None:
        found[MEAN] = _right(runs[WHOLE], test, {made.name: mean})
    return found


def _right(
    run: Run, frame: pd.DataFrame, replaced: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    """For which rows a run is right; some inputs can be the same array for all rows."""
    pipeline = Pipeline(frame, run.preprocessing, batch_size=256)

    def outputs(inputs: dict[str, np.ndarray]) -> np.ndarray:
        rows = len(next(iter(inputs.values())))
        given = {name: np.repeat(x[None], rows, axis=0) for name, x in (replaced or {}).items()}
        return np.asarray(run.model.predict_on_batch({**inputs, **given}))

    said = np.concatenate(_over_batches(pipeline, outputs))
    return run.preprocessing.task.row_scores(pipeline.targets, said)


def _mean_input(run: Run, splits: Splits, name: str) -> np.ndarray | None:
    """The training rows' mean of a modality's inputs; `None` where a mean makes no sense.

    That is so of word ids, and of inputs whose length varies.
    """
    spec = run.preprocessing.inputs[name]
    if spec.dtype != "float32" or None in spec.shape:
        return None
    pipeline = Pipeline(splits.train, run.preprocessing, batch_size=256)
    parts = _over_batches(pipeline, lambda inputs: inputs[name].sum(axis=0, dtype=np.float64))
    return (np.sum(parts, axis=0) / len(pipeline)).astype(np.float32)


def _over_batches(
    pipeline: Pipeline, function: Callable[[dict[str, np.ndarray]], np.ndarray]
) -> list[np.ndarray]:
    return [
        function({name: x.numpy() for name, x in inputs.items()})
        for inputs, *_ in pipeline.evaluate()
    ]


def _table(rows: ConversionRows, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """Accuracies in percent with intervals, and how far they are from that with a mask."""
    groups = None if rows.schema.group is None else rows.splits.test[rows.schema.group].to_numpy()
    table = {}
    for what, right in scores.items():
        mean, low, high = bootstrap_interval(right, groups=groups)
        table[what] = {"accuracy, %": 100 * mean, "low": 100 * low, "high": 100 * high}
        if what != MASK:
            apart = compare_paired(right, scores[MASK], groups=groups)
            parts = {"against the mask": apart.difference, "from": apart.low, "to": apart.high}
            table[what] |= {key: 100 * value for key, value in parts.items()}
    return pd.DataFrame(table).T.rename_axis("what is done")


def _section(rows: ConversionRows, scores: dict[str, np.ndarray], table: pd.DataFrame) -> Section:
    name, figure = rows.made.name, FIGURES["accuracy"]
    ways = (MASK, MEAN, MADE, MADE_DROPOUT, GENERATED, GENERATED_DROPOUT)
    missing = {what: scores[what].mean() for what in ways if what in scores}
    best = max(missing, key=missing.__getitem__)
    whole = float(scores[WHOLE].mean())
    conclusion = (
        f"With {name}, {figure.shown(whole)} of the classes are right. Where it is missing, best "
        f"is: {best}, with {figure.shown(missing[best])}."
    )
    if MEAN not in scores:
        conclusion += f" A mean of {name} cannot be an input, so that this was not tried."
    caption = (
        f"The accuracy on the test rows when {name} is hidden from all of them, by what is done "
        "about it, with 95 % intervals over rows and seeds; and how many points more or less than "
        "with a presence mask. An interval that holds 0 leaves open which is better. Nothing that "
        "is made of the other modalities knows more than they do: what was trained without the "
        "modality says how much that is."
    )
    return Section(
        "impute", f"What if {name} is missing?", conclusion, [Table("impute", table, caption, 1)]
    )
