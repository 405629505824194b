"""What a conversion comes to: tables, and sentences about them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.evaluation.bootstrap import compare_paired
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import joined, leader, name_and_tags_words
from mmkeras.studies.conversion.conversion_config import ConvertConfig
from mmkeras.studies.conversion.judge import COHERENCE, Judge
from mmkeras.studies.conversion.rows import ConversionRows
from mmkeras.tasks import FIGURES

MODEL = "model"

# By sources and model: for each seed, what each test row adds to the main figure.
Scores = dict[tuple[str, str], list[np.ndarray]]


def conversion_report(
    config: ConvertConfig,
    rows: ConversionRows,
    judge: Judge,
    results: pd.DataFrame,
    scores: Scores,
) -> Report:
    """The report without its section on missing modalities."""
    sections = [_figures_section(config, rows, judge, results, scores)]
    if references := judge.references():
        sections.append(_coherence_section(rows, results, references))
    train, test = len(rows.splits.train) + len(rows.splits.validation), len(rows.splits.test)
    return Report(
        f"{config.data.name}: {rows.made.name} made of {joined(rows.schema.names)}",
        f"{train:,} rows to learn from, {test:,} to judge by.",
        [],
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)),
            "one row per model and seed": "results.csv",
        },
        sections,
    )


def summary(results: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean and standard deviation over the seeds, one row for each model and its sources."""
    table: dict[str, dict[str, str]] = {}
    for (sources, model), group in results.groupby(["sources", "model"], sort=False):
        row = table.setdefault(f"{sources}: {model}", {})
        for key in keys:
            figure, values = FIGURES.get(key, FIGURES["accuracy"]), group[key]
            row[_title(key)] = figure.shown(values.mean())
            if len(values) > 1:
                row[_title(key)] += f" ± {figure.number(values.std())}"
    return pd.DataFrame(table).T.rename_axis("sources and model")


def _title(key: str) -> str:
    return FIGURES[key].words if key in FIGURES else key


def _figures_section(
    config: ConvertConfig,
    rows: ConversionRows,
    judge: Judge,
    results: pd.DataFrame,
    scores: Scores,
) -> Section:
    main = judge.task.main
    keys = [key for key in results.columns if key in FIGURES]
    by_model = results.groupby(["sources", "model"], sort=False)[main.key].mean()
    by_model.index = [f"{sources}: {model}" for sources, model in by_model.index]
    groups = None if rows.schema.group is None else rows.splits.test[rows.schema.group].to_numpy()
    said = []
    for sources, model in scores:
        if model != MODEL:
            continue
        floors = [key for key in scores if key[0] == sources and key[1] != MODEL]
        best = max(floors, key=lambda key: float(np.mean(scores[key])))
        apart = compare_paired(
            np.stack(scores[sources, MODEL]), np.stack(scores[best]), groups=groups
        )
        said.append(
            f"of {sources}, {main.difference(apart.difference)} against {best[1]} (95 % interval "
            f"{main.signed(apart.low)} to {main.signed(apart.high)})"
        )
    caption = (
        "Figures on the test rows; ± is the standard deviation between seeds. R@k is how often the "
        "true target is among the k nearest to the answer. Always giving the mean has an R² of 0. "
        "The simple models learn from the same rows, their settings chosen on inner folds."
    )
    return Section(
        "conversion",
        f"How well is {rows.made.name} made?",
        f"{leader(by_model, main)} In {main.words}: {'; '.join(said)}.",
        [Table("conversion", summary(results, keys), caption)],
    )


def _coherence_section(
    rows: ConversionRows, results: pd.DataFrame, references: dict[str, float]
) -> Section:
    figure = FIGURES["accuracy"]
    table = {
        f"{rows.made.name} made of {sources}, {model}": 100 * group[COHERENCE].mean()
        for (sources, model), group in results.groupby(["sources", "model"], sort=False)
    }
    table |= {name: 100 * value for name, value in references.items()}
    true = references[f"true {rows.made.name}"]
    best = max(results.groupby(["sources", "model"])[COHERENCE].mean())
    return Section(
        "coherence",
        f"Does the {rows.made.name} that is made still say what the class is?",
        f"A classifier of true {rows.made.name} is right on {figure.shown(true)} of true ones, "
        f"and on at most {figure.shown(best)} of those that are made.",
        [
            Table(
                "coherence",
                pd.DataFrame({"accuracy, %": table}).rename_axis("tested on"),
                f"Trained on the label and true {rows.made.name}, tested on what models make. The "
                "last rows are classifiers of true cells, each trained on its own modality: what "
                "is made of sources cannot tell more than these do.",
                1,
            )
        ],
    )
