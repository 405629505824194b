"""Generative models side by side: each with several seeds, in one table and one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.csv_files import read_csv, write_csv
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.generative import GenerativeRun
from mmkeras.experiment.name_and_tags import name_and_tags, run_details
from mmkeras.experiment.run_folder import METRICS, RECORDED
from mmkeras.reading import naming, read_json
from mmkeras.reports.markdown import format_table, write_markdown
from mmkeras.reports.parts import Part, Picture, Report, Section, Table
from mmkeras.reports.wording import joined, name_and_tags_words
from mmkeras.studies.generation.drawing import plot_coherence, plot_grid
from mmkeras.studies.generation.generation_config import CompareConfig
from mmkeras.studies.generation.judges import train_judges
from mmkeras.studies.generation.measures import PRIOR
from mmkeras.studies.generation.report import as_row
from mmkeras.studies.generation.run import generation_rows, train_and_measure
from mmkeras.studies.jobs import Job, refuse_missing, run_jobs

RESULTS, COHERENCE = "results.csv", "coherence.csv"
_SHOWN = 8


def compare_generation(config: CompareConfig) -> pd.DataFrame:
    """Trains and measures each model with each seed; returns one row for each.

    Leaves `results.csv`, `coherence.csv` (by sets of given modalities), `summary.md` with its
    pictures, and a run folder for each.

    Raises:
        JobsMissing: Some models could not be trained; the tables show the others.
    """
    details = run_details(config)
    out = experiment_folder(config.out, Path("runs") / f"compare_generation-{config.data.name}")
    rows = generation_rows(config)
    for message in rows.messages:
        print(message)
    with locked(out):
        folder = out / "judges"
        train_judges(rows, config.settings, config.judging_settings, folder, details)
        wanted = [(model, seed) for seed in config.seeds for model in config.compared]
        jobs = [
            Job(
                f"seed{seed}-{model}",
                _run,
                (config, model, seed, out),
                out / f"seed{seed}-{model}",
                (folder,),
            )
            for model, seed in wanted
            if not _is_measured(out / f"seed{seed}-{model}")
        ]
        print(f"{len(jobs)} of {len(wanted)} models are to be trained")
        failed = []
        for outcome in run_jobs(jobs, workers=config.workers):
            if outcome.error is not None:
                failed.append(outcome)
            _write_tables(config, out)
        results = _write_tables(config, out)
        if len(results):
            write_markdown(_report(config, results, out), out / "summary.md")
            print(format_table(summary(results), 3))
    print(f"\nevery seed: {out / RESULTS}; runs: tensorboard --logdir {out}")
    refuse_missing(failed, len(wanted))
    return results


def _is_measured(folder: Path) -> bool:
    return (folder / METRICS).exists() and "test" in read_json(folder / METRICS)


def _run(config: CompareConfig, model: str, seed: int, out: Path) -> None:
    """One job: in a process of its own it opens the rows, and the judges, itself."""
    rows = generation_rows(config)
    judges = train_judges(rows, config.settings, config.judging_settings, out / "judges")
    train_and_measure(
        rows,
        judges,
        dataclasses.replace(config.settings, seed=seed),
        config.generation.select(model),
        config.measures,
        out / f"seed{seed}-{model}",
        details=run_details(config),
    )


def _write_tables(config: CompareConfig, out: Path) -> pd.DataFrame:
    found, coherence = [], []
    for seed in config.seeds:
        for model in config.compared:
            folder = out / f"seed{seed}-{model}"
            if not _is_measured(folder):
                continue
            metrics = read_json(folder / METRICS, {**RECORDED, "test": Mapping[str, Any]})
            rest = {key: metrics[key] for key in ("parameters", "best_epoch", "seconds")}
            found.append({"model": model, "seed": seed, **as_row(metrics), **rest})
            if (folder / COHERENCE).exists():
                own = read_csv(folder / COHERENCE)
                coherence.append(own.assign(model=model, seed=seed))
    results = pd.DataFrame(found)
    write_csv(out / RESULTS, results)
    if coherence:
        write_csv(out / COHERENCE, pd.concat(coherence))
    return results


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over the seeds, one row for each model; shares in percent."""
    table: dict[str, dict[str, str]] = {}
    figures = [c for c in results if c not in ("model", "seed", "parameters", "best_epoch")]
    for model, group in results.groupby("model", sort=False):
        row = table.setdefault(str(model), {})
        for figure in figures:
            is_share = "coherence" in figure or figure in ("linear probe", "k-means acc")
            values = group[figure] * (100 if is_share else 1)
            name = f"{figure}, %" if is_share else str(figure)
            row[name] = f"{values.mean():.1f}"
            if len(values) > 1:
                row[name] += f" ± {values.std():.1f}"
        row["seeds"] = str(len(group))
        row["parameters"] = f"{int(group['parameters'].iloc[0]):,}"
    return pd.DataFrame(table).T.rename_axis("model")


def sentences(results: pd.DataFrame) -> list[str]:
    """What the comparison shows."""
    means = results.groupby("model", sort=False).mean(numeric_only=True)
    numbers = [c for c in means if c.startswith("coherence, ")]
    said = []
    if len(numbers) > 1:
        rises = means[numbers[-1]] - means[numbers[0]]
        said.append(
            "From one modality given to all but one, coherence changes by "
            + ", ".join(f"{100 * rise:+.1f} points ({model})" for model, rise in rises.items())
            + "."
        )
    if numbers:
        best = means[numbers[-1]].idxmax()
        most = 100 * means[numbers[-1]].max()
        said.append(f"The most coherent of all but one modality is {best}, {most:.1f} %.")
    for figure, high in (
        (f"joint coherence, {PRIOR}", True),
        (f"Fréchet distance, {PRIOR}", False),
    ):
        if figure in means:
            best = means[figure].idxmax() if high else means[figure].idxmin()
            value = means[figure][best]
            shown = f"{100 * value:.1f} %" if high else f"{value:.1f}"
            said.append(f"Best {figure}: {best}, {shown}.")
    return said or ["The rows have no classes, so that nothing says whether what is made is right."]


def _report(config: CompareConfig, results: pd.DataFrame, out: Path) -> Report:
    parts: list[Part] = [
        Table(
            "models",
            summary(results),
            "Means over the seeds, ± the standard deviation between them. Coherence: how often "
            "what is made of so many given modalities is of the right class, and how often all "
            "modalities of a sample are of one. Fréchet distances are in the features of judges, "
            "from samples to test rows; smaller is nearer.",
        )
    ]
    if (out / COHERENCE).exists():
        table = read_csv(out / COHERENCE)
        by_model = {str(model): group for model, group in table.groupby("model", sort=False)}
        judges = [*_judges(results, out).values()]
        parts.insert(
            0,
            Picture(
                "coherence",
                plot_coherence(by_model, float(np.mean(judges)) if judges else None),
                "The share of what is made that is of the right class, by how many modalities "
                "were given: means over the seeds, sets and wanted modalities.",
            ),
        )
    samples = [
        Picture(
            f"samples_{model}",
            _samples(GenerativeRun(out / f"seed{config.seeds[0]}-{model}")),
            f"Samples of {model} from the prior, seed {config.seeds[0]}: each column is a row.",
        )
        for model in results["model"].unique()
        if _is_measured(out / f"seed{config.seeds[0]}-{model}")
    ]
    return Report(
        f"{config.data.name}: {joined(results['model'].unique())}",
        "Generative models of the same rows, with the same layers, judged by the same classifiers "
        "of true rows.",
        sentences(results),
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)),
            "one row per model and seed": RESULTS,
            "by given and wanted modality": COHERENCE,
            **{
                f"judge of {name}": f"{100 * value:.1f} % of true test rows right"
                for name, value in _judges(results, out).items()
            },
        },
        [
            Section("models", "Figures on the test rows", sentences(results)[0], parts),
            Section(
                "samples",
                "Samples",
                "What the models make of nothing.",
                samples,
            ),
        ],
    )


def _judges(results: pd.DataFrame, out: Path) -> Mapping[str, float]:
    model, seed = results.iloc[0][["model", "seed"]]
    path = out / f"seed{seed}-{model}" / METRICS
    with naming(path):
        return read_json(path)["test"]["judges"]


def _samples(run: GenerativeRun):
    arrays = run.sample(_SHOWN)
    lines: Sequence[tuple[str, str, np.ndarray]] = [(n, n, x) for n, x in arrays.items()]
    return plot_grid(lines, run.preprocessing)
