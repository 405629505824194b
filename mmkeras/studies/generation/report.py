"""The report of a generative run: figures, and grids of what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.data.pipeline import Pipeline
from mmkeras.experiment.generative import GenerativeRun
from mmkeras.generation.samplers import MixtureSampler
from mmkeras.nested import flatten
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Note, Part, Picture, Report, Section, Table
from mmkeras.reports.plots import plot_history
from mmkeras.reports.wording import joined, name_and_tags_words
from mmkeras.reports.write import scalar_values
from mmkeras.studies.generation.drawing import plot_coherence, plot_grid
from mmkeras.studies.generation.measures import MIXTURE, PRIOR, Measures, all_latents, whole_rows
from mmkeras.training.tensorboard import TensorBoardReport

_SHOWN, _STEPS, _MOST_POINTS = 8, 9, 2000


def write_generation_report(
    run: GenerativeRun, measures: Measures, test: Pipeline, sampler: MixtureSampler
) -> Report:
    """Writes `report.md`, its pictures and TensorBoard's summaries into the run's folder."""
    report = generation_report(run, measures, test, sampler)
    text = write_markdown(report, run.path / "report.md")
    with TensorBoardReport(run.path) as board:
        about = {key: run.config[key] for key in ("settings", "generation", "seed")}
        words = name_and_tags_words(run.config)
        board.settings({**words, **flatten(about)}, scalar_values(measures.to_dict()))
        board.text("report", text)
        for picture in report.pictures:
            board.picture(picture.name, picture.png)
        inputs, places = whole_rows(test, _MOST_POINTS)
        schema = run.preprocessing.schema
        columns = [c for c in schema.target_columns if c in test.frame] or ["row"]
        rows = test.frame.iloc[places].assign(row=places)
        labels = {column: rows[column].astype(str).tolist() for column in columns}
        board.embeddings(all_latents(run.vae, inputs), labels, "latent")
    return report


def generation_report(
    run: GenerativeRun, measures: Measures, test: Pipeline, sampler: MixtureSampler
) -> Report:
    """The report of a run."""
    names, rows = run.preprocessing.schema.names, run.config["rows"]
    sections = [
        *_coherence(measures),
        _given(run, test),
        _samples(run, measures, sampler),
        *_likelihood(run, measures),
        *_latent(measures),
        _training(run),
    ]
    return Report(
        f"{run.config['generation']['model']} of {joined(names)}",
        f"{run.metrics['parameters']:,} parameters. {rows['train']:,} training, "
        f"{rows['validation']:,} validation and {rows['test']:,} test rows.",
        verdict(measures),
        {
            **name_and_tags_words(run.config),
            "command": f"`{run.config['environment']['command']}`",
            "model": ", ".join(f"{k} {v}" for k, v in flatten(run.config["generation"]).items()),
            "seed": str(run.config["seed"]),
        },
        sections,
    )


def verdict(measures: Measures) -> list[str]:
    """What it comes to, in sentences."""
    if not measures.judges:
        return ["The rows have no classes, so that nothing says whether what is made is right."]
    by_number = measures.by_number
    first, last = min(by_number, default=0), max(by_number, default=0)
    said = []
    if by_number:
        text = f"Of {first} modality given, {100 * by_number[first]:.1f} % of what is made is of "
        text += "the right class"
        if last > first:
            text += f"; of {last}, {100 * by_number[last]:.1f} %"
        said.append(f"{text}.")
    said.append(
        f"All modalities of {100 * measures.joint[PRIOR]:.1f} % of samples from the prior are of "
        f"one class; {100 * measures.joint[MIXTURE]:.1f} % from a mixture fitted to latents."
    )
    least = min(measures.judges.values())
    said.append(f"The judges are right on {100 * least:.1f} % of true test rows or more.")
    return said


def _coherence(measures: Measures) -> list[Section]:
    if measures.coherence.empty:
        return []
    table = measures.coherence.assign(accuracy=100 * measures.coherence["accuracy"])
    cells = table.pivot_table("accuracy", "given", "wanted", sort=False)
    cells = cells.rename(columns=lambda name: f"{name}, %")
    judges = {f"{name}, %": 100 * value for name, value in measures.judges.items()}
    cells.loc["judge of true cells"] = pd.Series(judges)
    mean = np.mean(list(measures.judges.values()))
    return [
        Section(
            "coherence",
            "Is what is made of the right class?",
            verdict(measures)[0],
            [
                Picture(
                    "coherence",
                    plot_coherence({"model": measures.coherence}, mean),
                    "The mean over all sets of so many given modalities and all others. A line "
                    "that rises is a model that puts together what modalities say.",
                ),
                Table(
                    "coherence",
                    cells.rename_axis("given"),
                    "How often a judge takes what is made for the class of the row that it was "
                    "made of. Judges are classifiers of true training rows.",
                    1,
                ),
            ],
            {"by_number": {str(n): value for n, value in measures.by_number.items()}},
        )
    ]


def _given(run: GenerativeRun, test: Pipeline) -> Section:
    """A picture for each modality: what is made of it."""
    inputs, _ = whole_rows(test, _SHOWN)
    parts: list[Part] = []
    for given in run.vae.names:
        wanted = [name for name in run.vae.names if name != given]
        made = run.vae.generate(inputs, [given], wanted or [given], seed=0)
        lines = [(f"given: {given}", given, inputs[given])]
        lines += [(name, name, values) for name, values in made.items()]
        parts.append(
            Picture(
                f"given_{_file_name(given)}",
                plot_grid(lines, run.preprocessing),
                f"The first line was given, the others were made of it: {joined(made)} of test "
                "rows.",
            )
        )
    return Section(
        "given",
        "What is made of what?",
        "Each column is a test row. What one modality knows and another does not, such as a style, "
        "can only be guessed: it is drawn, or averaged.",
        parts,
    )


def _samples(run: GenerativeRun, measures: Measures, sampler: MixtureSampler) -> Section:
    vae, parts = run.vae, []
    drawn = {
        PRIOR: vae.prior_latents(_SHOWN, seed=0),
        MIXTURE: sampler.draw(_SHOWN, seed=0),
    }
    for name, latent in drawn.items():
        lines = [(each, each, values) for each, values in vae.decode(latent).items()]
        parts.append(
            Picture(
                f"samples_{name}",
                plot_grid(lines, run.preprocessing),
                f"Rows that never were, each a column, decoded from latents of the {name}.",
            )
        )
    ends = drawn[MIXTURE][:2]
    shares = np.linspace(0, 1, _STEPS, dtype=np.float32)[:, None]
    line = vae.decode(ends[0] * (1 - shares) + ends[1] * shares)
    parts.append(
        Picture(
            "interpolation",
            plot_grid([(n, n, values) for n, values in line.items()], run.preprocessing),
            "From one sample to another in equal steps of the latent. Each step should be a row "
            "that could be.",
        )
    )
    tables = []
    if measures.frechet:
        table = pd.DataFrame(measures.frechet).T.rename_axis("modality")
        tables.append(
            Table(
                "frechet",
                table,
                "The Fréchet distance between samples and as many test rows in the features of "
                "each modality's judge: smaller is nearer. That of true training rows is what "
                "remains where nothing is wrong.",
                2,
            )
        )
    said = verdict(measures)
    return Section(
        "samples", "What does it make of nothing?", said[min(1, len(said) - 1)], [*tables, *parts]
    )


def _likelihood(run: GenerativeRun, measures: Measures) -> list[Section]:
    if not measures.likelihood:
        return []
    table = pd.DataFrame({"nats a row": measures.likelihood}).rename_axis("of")
    own = zip(run.vae.names, run.vae.views, strict=True)
    wrong = [name for name, view in own if not view.likelihood.normalized]
    parts: list[Part] = [
        Table(
            "likelihood",
            table,
            "Importance-weighted estimates, which are lower bounds: log p(x) of all modalities, of "
            "one, and of one given the others. More is better.",
            1,
        )
    ]
    if wrong:
        parts.append(
            Note(
                f"The densities of {joined(wrong)} are not normalised: such numbers compare models "
                "of the same rows and densities, and say nothing by themselves."
            )
        )
    gains = [
        measures.likelihood[f"{name} given the others"] - measures.likelihood[name]
        for name in run.vae.names
        if f"{name} given the others" in measures.likelihood
    ]
    said = f"The log-likelihood of test rows is {measures.likelihood['all']:,.1f} nats."
    if gains:
        said += f" Given the others, a modality gains {np.mean(gains):,.1f} nats on average."
    return [Section("likelihood", "How probable are rows it has not seen?", said, parts)]


def _latent(measures: Measures) -> list[Section]:
    if not measures.latent:
        return []
    values = {name: 100 * value for name, value in measures.latent.items()}
    return [
        Section(
            "latent",
            "What does the latent know of the classes?",
            f"A linear model of it finds {values['linear probe']:.1f} % of the classes, though "
            "none was told.",
            [
                Table(
                    "latent",
                    pd.DataFrame({"%": values}).rename_axis("figure"),
                    "Latents of all modalities. The probe is a logistic regression on those of "
                    "training rows; k-means has as many clusters as there are classes.",
                    1,
                )
            ],
        )
    ]


def _training(run: GenerativeRun) -> Section:
    best, history = run.metrics["best_epoch"], run.history
    said = f"The epoch with the smallest loss was {best} of {len(history)}"
    said += (
        ": it still fell, so that longer training may be better." if best == len(history) else "."
    )
    caption = (
        "The loss (the bound with its weights, negative), the weighted log-density of what is "
        "decoded, and the divergence of latents. They are means over rows."
    )
    return Section(
        "training", "Training", said, [Picture("history", plot_history(history, best), caption)]
    )


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def save_measures(measures: Measures, folder: Path) -> dict[str, Any]:
    """Writes `coherence.csv`; returns what `metrics.json` gets."""
    if not measures.coherence.empty:
        write_csv(folder / "coherence.csv", measures.coherence)
    return {"test": measures.to_dict()}


def as_row(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A run's measures as one line of a table."""
    found: dict[str, float] = {}
    test = metrics["test"]
    for number, value in test["coherence"].items():
        found[f"coherence, {number} given"] = value
    for name, value in test["joint_coherence"].items():
        found[f"joint coherence, {name}"] = value
    for sampler in (PRIOR, MIXTURE):
        values = [by[sampler] for by in test["frechet"].values()]
        if values:
            found[f"Fréchet distance, {sampler}"] = float(np.mean(values))
    for name, value in test["latent"].items():
        if name in ("linear probe", "k-means acc"):
            found[name] = value
    if test["log_likelihood"]:
        found["log-likelihood"] = test["log_likelihood"]["all"]
    return found
