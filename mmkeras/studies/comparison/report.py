"""What a comparison leaves: a table with tests, a verdict in words, a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.evaluation.comparison import (
    Comparison,
    compare_models,
    difference_cell,
    significant_differences,
)
from mmkeras.files import write_text
from mmkeras.reports.comparison_plot import plot_comparison
from mmkeras.reports.run_report import format_table
from mmkeras.schema import Schema
from mmkeras.studies.comparison.comparison_config import ENSEMBLES, ComparisonConfig
from mmkeras.studies.comparison.shared_rows import ROWS, model_folder
from mmkeras.tasks import task_class

REFERENCES = {"SimBaMM": "simbamm", "concatenation": "concat"}


def write_comparison(
    out: Path, config: ComparisonConfig, results: pd.DataFrame, schema: Schema
) -> None:
    """Prints and writes `comparison.md`, `comparison.csv` and `comparison.png`.

    Args:
        out: The comparison's folder, with `rows.npz` and every model's predictions.
        config: The comparison.
        results: One row per model and seed.
        schema: The modalities and the target.
    """
    lines, tables = [], []
    for variant, part in results.groupby("encoders", sort=False):
        comparison = _compare(out, variant, part, schema)
        main = task_class(schema.target).main
        table = _table(comparison, part, schema)
        tables.append(table.reset_index().assign(encoders=variant))
        if variant:
            lines += [f"## {variant}", ""]
        lines += [format_table(table), ""]
        lines += [*_explain(schema, comparison), ""]
        lines += [f"- {sentence}" for sentence in significant_differences(comparison, main)]
        for model, rows in part[part["score"].isna()].groupby("model", sort=False):
            seeds = ", ".join(str(int(seed)) for seed in rows["seed"])
            lines.append(f"- {model} failed with seed {seeds}: {rows['error'].iloc[0]}")
        lines.append("")
        kinds = {name: _kind(name, schema) for name in comparison.table.index}
        cost = part.groupby("model")["epoch_seconds"].median()
        name = "comparison.png" if not variant else f"comparison-{variant.replace(',', '+')}.png"
        plot_comparison(comparison.table, cost, kinds, main.words).savefig(out / name, dpi=150)
    text = "\n".join(lines)
    print("\n" + text)
    write_text(out / "comparison.md", text)
    table = pd.concat(tables, ignore_index=True)
    write_text(out / "comparison.csv", table.to_csv(index=False))
    print(f"every seed: {out / 'results.csv'}; HParams: tensorboard --logdir {out}")
    if config.results is not None:
        config.results.mkdir(parents=True, exist_ok=True)
        heading = f"# {config.data.name}: fusions compared\n\n"
        write_text(config.results / f"{config.data.name}.md", heading + text)
        small = results.drop(columns=["settings"], errors="ignore").round(5)
        write_text(config.results / f"{config.data.name}.csv", small.to_csv(index=False))


def _compare(out: Path, variant: str, part: pd.DataFrame, schema: Schema) -> Comparison:
    rows = np.load(out / ROWS)
    task = task_class(schema.target)(schema.target)
    scores = {}
    fine = part[part["score"].notna()]
    for model, seeds in fine.groupby("model", sort=False)["seed"]:
        folder = model_folder(out, variant, model)
        scores[model] = np.stack(
            [
                task.row_scores(rows["test"], np.load(folder / f"seed{seed}.npz")["test"])
                for seed in seeds.astype(int)
            ]
        )
    alone = [name for name in schema.names if name in scores]
    baselines = {}
    if alone:
        # The strictest line: the one that turned out best on the test rows.
        best = max(alone, key=lambda name: scores[name].mean())
        baselines[f"the best single modality ({best})"] = best
    baselines |= {label: name for label, name in REFERENCES.items() if name in scores}
    judged = [name for name in scores if name not in alone]
    groups = rows.get("groups")
    return compare_models(scores, baselines, judged=judged, groups=groups)


def _table(comparison: Comparison, part: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    main = task_class(schema.target).main
    costs = part.groupby("model")[["parameters", "epoch_seconds"]].median()
    lines = {}
    for model, row in comparison.table.iterrows():
        line = {
            "rank": int(row["rank"]),
            "mean": main.number(row["score"]),
            "std": main.number(row["std"]),
            "95 % interval": f"{main.number(row['low'])} to {main.number(row['high'])}",
            "parameters": f"{int(costs.loc[model, 'parameters']):,}",
            "s/epoch": f"{costs.loc[model, 'epoch_seconds']:.2f}",
        }
        for label in comparison.differences:
            line[f"against {label}"] = difference_cell(comparison, model, label, main)
        name = f"{model} alone" if model in schema.names else model
        lines[name] = line
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")


def _explain(schema: Schema, comparison: Comparison) -> list[str]:
    counts = sorted(comparison.table["seeds"].unique())
    seeds = " to ".join(dict.fromkeys(str(counts[place]) for place in (0, -1)))
    task = task_class(schema.target)
    return [
        f"Test {task.main.words}{' in percent' if task.main.percent else ''}: mean and standard "
        f"deviation over {seeds} seeds; intervals by bootstrap over test rows"
        f"{' (whole groups)' if schema.group or task.per_step else ''} and seeds. "
        "Differences in points; * significant at 5 % after Holm's correction for the number of "
        "models held against that line. The best single modality is the one that is best on these "
        "test rows, which is the strictest line. Seconds per epoch and seed, on the machine it ran "
        "on."
    ]


def _kind(model: str, schema: Schema) -> str:
    if model in schema.names:
        return "one modality"
    return "ensemble of single models" if model in ENSEMBLES else "fusion"
