"""The report of a comparison: a table with tests, a verdict in words, a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.evaluation.comparison import (
    Comparison,
    compare_models,
    difference_cell,
    significant_differences,
)
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.files import write_text
from mmkeras.reports.comparison_plot import plot_comparison
from mmkeras.reports.markdown import report_markdown, write_markdown
from mmkeras.reports.parts import Note, Picture, Report, Section, Table
from mmkeras.reports.wording import MISSING, leader, name_and_tags_words
from mmkeras.schema import Schema
from mmkeras.studies.comparison.comparison_config import (
    CLASSICAL,
    ENSEMBLES,
    ComparisonConfig,
)
from mmkeras.studies.comparison.shared_rows import ROWS, SCORES, model_folder
from mmkeras.tasks import Figure, task_class

REFERENCES = {"SimBaMM": "simbamm", "concatenation": "concat", "the classical floor": CLASSICAL}


def write_comparison(
    out: Path, config: ComparisonConfig, results: pd.DataFrame, schema: Schema
) -> None:
    """Prints and writes `comparison.md` with its pictures, and `comparison.csv`.

    Args:
        out: The comparison's folder, with `rows.npz` and every model's predictions.
        config: The comparison.
        results: One row per model and seed.
        schema: The modalities and the target.
    """
    sections, tables, verdict, main = [], [], [], _main(schema)
    constant = np.load(out / ROWS).get("constant")
    for variant, part in results.groupby("encoders", sort=False):
        comparison = _compare(out, variant, part, schema)
        table = _table(comparison, part, schema)
        tables.append(table.reset_index().assign(encoders=variant))
        sections.append(_section(variant, comparison, table, part, schema))
        about = f"{variant}: " if variant else ""
        verdict += [about + sentence for sentence in significant_differences(comparison, main)]
    if constant is not None:
        verdict.append(f"The best constant answer has {main.words} {main.shown(float(constant))}.")
    about = name_and_tags_words(name_and_tags(config))
    report = Report(
        f"{config.data.name}: fusions compared",
        "Each modality alone and all of them fused, on the same rows, with the same budget.",
        verdict,
        {**about, "one row per model and seed": "results.csv"},
        sections,
    )
    print("\n" + write_markdown(report, out / "comparison.md"))
    table = pd.concat(tables, ignore_index=True)
    write_csv(out / "comparison.csv", table)
    print(f"every seed: {out / 'results.csv'}; HParams: tensorboard --logdir {out}")
    if config.results is not None:
        config.results.mkdir(parents=True, exist_ok=True)
        small = results.drop(columns=["settings"], errors="ignore").round(5)
        write_csv(config.results / f"{config.data.name}.csv", small)
        kept = f"{config.data.name}.csv"
        about["one row per model and seed"] = kept
        text = report_markdown(_without_pictures(report, about))
        write_text(config.results / f"{config.data.name}.md", text)


def _main(schema: Schema) -> Figure:
    return task_class(schema.target).main_of(schema.target)


def _without_pictures(report: Report, facts: Mapping[str, str]) -> Report:
    """What is kept under version control."""
    sections = [
        dataclasses.replace(s, parts=[part for part in s.parts if not isinstance(part, Picture)])
        for s in report.sections
    ]
    return dataclasses.replace(report, facts=facts, sections=sections)


def _section(
    variant: str, comparison: Comparison, table: pd.DataFrame, part: pd.DataFrame, schema: Schema
) -> Section:
    """The models with one choice of encoders.

    Args:
        variant: The encoders; empty for the default ones.
        comparison: The models' scores.
        table: The same, worded.
        part: One row per model and seed.
        schema: The modalities and the target.
    """
    main = _main(schema)
    failed = []
    for model, rows in part[part["score"].isna()].groupby("model", sort=False):
        seeds = ", ".join(str(int(seed)) for seed in rows["seed"])
        failed.append(Note(f"{model} failed with seed {seeds}: {rows['error'].iloc[0]}"))
    kinds = {name: _kind(name, schema) for name in comparison.table.index}
    cost = part.groupby("model")["epoch_seconds"].median()
    place = variant.replace(",", "+").replace("=", "-")
    name = f"comparison-{place}" if variant else "comparison"
    plot = plot_comparison(comparison.table, cost, kinds, main.words)
    return Section(
        name,
        variant or "All models on the test rows",
        leader(comparison.table["score"].rename(lambda model: _shown(model, schema)), main),
        [
            Table(name, table, _explain(schema, comparison)),
            *failed,
            Picture(
                name,
                plot,
                "Left: models whose intervals overlap widely may stand in another order on other "
                "rows. Right: a model above and to the left of another is better and cheaper, and "
                "one above the dotted line better than the best single modality.",
            ),
        ],
    )


def _compare(out: Path, variant: str, part: pd.DataFrame, schema: Schema) -> Comparison:
    scores = {}
    fine = part[part["score"].notna()]
    for model, seeds in fine.groupby("model", sort=False)["seed"]:
        folder = model_folder(out, variant, model)
        scores[model] = np.stack(
            [np.load(folder / f"seed{seed}.npz")[SCORES] for seed in seeds.astype(int)]
        )
    alone = [name for name in schema.names if name in scores]
    baselines = {}
    if alone:
        # The strictest line: the one that turned out best on the test rows.
        best = max(alone, key=lambda name: scores[name].mean())
        baselines[f"the best single modality ({best})"] = best
    baselines |= {label: name for label, name in REFERENCES.items() if name in scores}
    judged = [name for name in scores if name not in (*alone, CLASSICAL)]
    groups = np.load(out / ROWS).get("groups")
    return compare_models(scores, baselines, judged=judged, groups=groups)


def _table(comparison: Comparison, part: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    main = _main(schema)
    costs = part.groupby("model")[["parameters", "epoch_seconds"]].median()
    lines = {}
    for model, row in comparison.table.iterrows():
        line = {
            "rank": int(row["rank"]),
            "mean": main.number(row["score"]),
            "std": main.number(row["std"]),
            "95 % interval": f"{main.number(row['low'])} to {main.number(row['high'])}",
            # The classical floor has neither.
            "parameters": _number(costs.loc[model, "parameters"], 0),
            "s/epoch": _number(costs.loc[model, "epoch_seconds"], 2),
        }
        for label in comparison.differences:
            line[f"against {label}"] = difference_cell(comparison, model, label, main)
        lines[_shown(model, schema)] = line
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")


def _number(value: float, digits: int) -> str:
    return MISSING if np.isnan(value) else f"{value:,.{digits}f}"


def _explain(schema: Schema, comparison: Comparison) -> str:
    counts = sorted(comparison.table["seeds"].unique())
    seeds = " to ".join(dict.fromkeys(str(counts[place]) for place in (0, -1)))
    task, main = task_class(schema.target), _main(schema)
    return (
        f"Test {main.words}{' in percent' if main.percent else ''}: mean and standard "
        f"deviation over {seeds} seeds; intervals by bootstrap over test rows"
        f"{' (whole groups)' if schema.group or task.per_step else ''} and seeds. "
        f"Differences{' in points' if main.percent else ''}; * significant at 5 % after "
        "Holm's correction for the number of models compared with that baseline. The best single "
        "modality is the one that is best on these test rows, which is the strictest baseline. "
        "s/epoch: seconds per epoch and seed, on the machine it ran on."
    )


def _shown(model: str, schema: Schema) -> str:
    if model == CLASSICAL:
        return "classical floor"
    return f"{model} alone" if model in schema.names else model


def _kind(model: str, schema: Schema) -> str:
    if model in schema.names:
        return "one modality"
    if model == CLASSICAL:
        return "classical"
    return "ensemble of single models" if model in ENSEMBLES else "fusion"
