"""Train each modality alone and all of them fused, with several seeds, and compare honestly."""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro

from mmkeras.cli import DataConfig, to_json
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.significance import mcnemar, paired_bootstrap
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import drop_unreadable, train_run
from mmkeras.files import write_text
from mmkeras.reports.run_report import format_table
from mmkeras.schema import Schema
from mmkeras.tasks import task_class

FUSED = "fused"


@dataclass(frozen=True)
class RepeatConfig:
    """The experiment.

    Args:
        data: Which rows.
        seeds: Each model is trained once with each of these seeds.
        models: Modality names and "fused"; all by default.
        validation: Share of the (training) rows that choose the epoch; 0 trains on all of them
            for the full number of epochs.
        test: Share of the rows that are looked at once, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        out: The experiment's folder; by default runs/NAME/TIME. The same folder again goes on.
        settings: Model, training and preprocessing. `seed` is replaced by `seeds`.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    models: tuple[str, ...] = ()
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def repeat(config: RepeatConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its tables; returns a row a model and seed.

    Leaves `results.csv`, `summary.md` and a run folder for each model and seed.
    """
    out = config.out or Path("runs") / config.data.name / time.strftime("%Y%m%d-%H%M%S")
    out.mkdir(parents=True, exist_ok=True)
    results, kind, groups = pd.DataFrame(), "", None
    jobs = [(config, out, seed) for seed in config.seeds]
    # A process for each seed: models trained one after the other in one process leak memory.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for done, (rows, *about) in enumerate(pool.imap(run_seed, jobs), start=1):
            kind, groups = about
            results = pd.concat([results, pd.DataFrame(rows)], ignore_index=True)
            write_text(out / "results.csv", results.to_csv(index=False))
            print(f"\nAfter {done} of {len(jobs)} seeds:\n")
            print(format_table(summary(results, task_class(kind).headline)))
    lines = [format_table(summary(results, task_class(kind).headline)), ""]
    if task_class(kind).single_label:
        runs = {
            model: [Run(out / f"seed{seed}-{model}") for seed in config.seeds]
            for model in results["model"].unique()
        }
        lines += verdict(runs, groups)
        print("\n" + "\n".join(lines[2:]))
    write_text(out / "summary.md", "\n".join(lines) + "\n")
    print(f"\nevery seed: {out / 'results.csv'}; runs: tensorboard --logdir {out}")
    return results


def run_seed(job: tuple[RepeatConfig, Path, int]) -> tuple[list[dict], str, pd.Series | None]:
    """Trains all models with one seed.

    Returns:
        Their figures, the target's kind, and the test rows' groups.
    """
    config, out, seed = job
    table, schema = config.data.load()
    if config.settings.on_error == "skip":
        table, messages = drop_unreadable(table, schema, config.settings)
        print(f"{len(messages):,} rows with unreadable files were skipped")
    splits = config.data.split(
        table, schema, validation=config.validation, test=config.test, seed=config.split_seed
    )
    settings = dataclasses.replace(config.settings, seed=seed)
    alone = schema.names if len(schema.names) > 1 else ()
    models = config.models or (*alone, FUSED)
    details = {"experiment": to_json(config)}
    runs = train_models(models, splits, schema, settings, out, f"seed{seed}", details)
    rows = [
        {
            "model": name,
            "seed": seed,
            **run.metrics["test"],
            **{key: run.metrics[key] for key in ("parameters", "best_epoch", "seconds")},
        }
        for name, run in runs.items()
    ]
    groups = None if schema.group is None else splits.test[schema.group]
    return rows, schema.target.kind, groups


def train_models(
    models: Iterable[str],
    splits: Splits,
    schema: Schema,
    settings: Settings,
    out: Path,
    prefix: str,
    details: Mapping[str, Any],
) -> dict[str, Run]:
    """Trains modalities alone, and all of them fused, on the same rows.

    Args:
        models: Modality names and "fused".
        splits: The rows.
        schema: All modalities.
        settings: The same for each model.
        out: The experiment's folder; a run's is `{prefix}-{model}` inside.
        prefix: Says which part of the experiment this is.
        details: More for each run's `config.json`.

    Returns:
        The finished runs by model.
    """
    return {
        name: train_run(
            splits,
            schema if name == FUSED else schema.select([name]),
            out / f"{prefix}-{name}",
            settings,
            details=details,
            cache_dir=out / "cache",
        )
        for name in models
    }


def summary(results: pd.DataFrame, figures: tuple[str, ...]) -> pd.DataFrame:
    """Mean and standard deviation over the seeds, a row a model."""
    by_model = results.groupby("model", sort=False)
    columns = {}
    for figure in figures:
        columns[figure] = by_model[figure].mean()
        columns[f"± ({figure})"] = by_model[figure].std()
    columns["seeds"] = by_model["seed"].nunique()
    columns["parameters"] = by_model["parameters"].first()
    columns["seconds"] = by_model["seconds"].mean()
    return pd.DataFrame(columns).rename_axis("model")


def verdict(runs: Mapping[str, list[Run]], groups: pd.Series | None = None) -> list[str]:
    """In words: what all seeds together get, and whether fusing beats the best single modality.

    The test rows are the same for all models. A row's score is the share of seeds that get it
    right, so that the interval is that of the seeds' mean over new test rows. Rows that belong
    together are drawn as one, since they are right or wrong together more often than others.

    Args:
        runs: By model, a run for each seed.
        groups: A name for each test row; rows of one name belong together. Without, the steps of
            one row do.
    """
    together, shares, true = {}, {}, None
    for model, by_seed in runs.items():
        predictions = [run.predictions for run in by_seed]
        classes = [name for name in predictions[0] if name.startswith("p(")]
        mean = np.mean([frame[classes].to_numpy() for frame in predictions], axis=0)
        true = predictions[0]["true"].to_numpy()
        names = np.array([name[2:-1] for name in classes], dtype=object)
        together[model] = names[mean.argmax(axis=1)] == true
        shares[model] = np.mean([(f["predicted"] == f["true"]).to_numpy() for f in predictions], 0)
    majority = pd.Series(true).value_counts(normalize=True).max()
    lines = [
        "Probabilities averaged over the seeds, accuracy: "
        + ", ".join(f"{model} {right.mean():.3f}" for model, right in together.items())
        + f"; always the most frequent class {majority:.3f}."
    ]
    single = [model for model in runs if model != FUSED]
    if FUSED not in runs or not single:
        return lines
    best = max(single, key=lambda model: shares[model].mean())
    frame = runs[FUSED][0].predictions
    names, drawn = None, "rows"
    if groups is not None:
        names, drawn = groups.loc[frame.index].to_numpy(), f"groups of {groups.name!r}"
    elif "step" in frame:
        names, drawn = frame.index.to_numpy(), "whole rows"
    difference, low, high = paired_bootstrap(shares[FUSED], shares[best], groups=names)
    p = mcnemar(together[FUSED], together[best])
    says = "a significant gain" if low > 0 else "a significant loss" if high < 0 else None
    lines.append(
        f"Fused against the best single modality ({best}): {100 * difference:+.1f} points, 95 % "
        f"interval {100 * low:+.1f} to {100 * high:+.1f} (bootstrap over {drawn}, "
        f"{len(runs[FUSED])} seeds): {says or 'no significant difference'}. McNemar on the "
        f"averaged probabilities: p = {p:.2g}"
        f"{'' if names is None else ' (takes all for independent)'}."
    )
    return lines
