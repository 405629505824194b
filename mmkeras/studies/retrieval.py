"""Cross-modal retrieval: does a row's one modality find its other, and rows of its class?"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import keras
import numpy as np
import pandas as pd
import tyro

from mmkeras.classical.retrieval import (
    CorrelationMatching,
    SemanticCorrelationMatching,
    SemanticMatching,
)
from mmkeras.csv_files import write_csv
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.cells import label_names
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.probe import linear_probe
from mmkeras.evaluation.retrieval import chance, search
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.rows import Rows, experiment_rows, look_at_rows, save_findings
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import fitted_pipelines, make_model
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import leader
from mmkeras.tasks import FIGURES, task_class
from mmkeras.training.pretraining.contrastive import POSITIVES
from mmkeras.training.pretraining.pretrain import ContrastiveSettings, embed, pretrain
from mmkeras.training.seeds import set_seed

# Chosen on validation rows.
PRESETS = {
    "wikipedia": ContrastiveSettings(epochs=20, temperature=1.0),
    "emoji": ContrastiveSettings(epochs=40, learning_rate=3e-3, temperature=0.3),
    "avmnist": ContrastiveSettings(epochs=5, learning_rate=3e-3, temperature=0.3),
}


@dataclass(frozen=True)
class RetrievalConfig:
    """The experiment.

    Args:
        data: Which rows.
        seeds: Each contrastive model is trained once with each of these seeds.
        positives: Which rows a model learns to bring together: rows (a row's own modalities),
            classes (all rows of a class).
        search: Which rows search each other: test, or validation to choose settings by.
        validation: Share of the (training) rows that are left out for `--search validation`.
        test: Share of the rows for testing, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        out: The experiment's folder; by default runs/retrieval-NAME/TIME.
        contrastive: How encoders are trained to agree.
        settings: Encoders and preprocessing.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    seeds: tuple[int, ...] = (0, 1, 2)
    positives: tuple[Literal[POSITIVES], ...] = POSITIVES
    search: Literal["test", "validation"] = "test"
    validation: float = 0.0
    test: float = 0.15
    split_seed: int = 0
    out: Path | None = None
    contrastive: Annotated[ContrastiveSettings, tyro.conf.arg(name="")] = field(
        default_factory=ContrastiveSettings
    )
    settings: Annotated[Settings, tyro.conf.Suppress] = field(default_factory=Settings)


def retrieve(config: RetrievalConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its tables; returns one row per method and direction.

    Contrastive models have one row per seed. Leaves `results.csv`, `probe.csv` and `summary.md`.

    Raises:
        ValueError: The rows have no class each, or one modality; there are no rows to search.
    """
    rows = experiment_rows(config)
    findings = look_at_rows(rows)
    parts = _parts(config, rows)
    schema = rows.schema
    print(
        f"{config.data.name}: {len(parts.train):,} rows to learn from, {len(parts.test):,} "
        f"{config.search} rows to search; {' and '.join(schema.names)}"
    )
    training = dataclasses.replace(
        config.settings.training, batch_size=config.contrastive.batch_size
    )
    settings = dataclasses.replace(config.settings, training=training)
    out = experiment_folder(config.out, Path("runs") / f"retrieval-{config.data.name}")
    with locked(out):
        save_findings(out, findings)
        _, pipelines = fitted_pipelines(parts, schema, settings, out / "cache")
        train, test = pipelines["train"], pipelines["test"]
        learnt, sought = (
            label_names(part.frame[schema.target.column]).to_numpy() for part in (train, test)
        )
        found, probes = [], []
        for method, seed, vectors in methods(config, train, test, learnt):
            about = {"method": method, "seed": seed}
            found += [{**about, **row} for row in search(vectors["test"], sought)]
            if "train" in vectors:
                right = linear_probe(vectors["train"], learnt, vectors["test"], sought)
                probes.append({**about, "accuracy": right})
            write_csv(out / "results.csv", pd.DataFrame(found))
        results = pd.DataFrame(found)
        sections = [_search_section(results, sought)]
        if probes:
            write_csv(out / "probe.csv", pd.DataFrame(probes))
            sections.append(_probe_section(pd.DataFrame(probes), sought))
        report = Report(
            f"{config.data.name}: cross-modal retrieval",
            f"{len(parts.train):,} rows to learn from; {len(parts.test):,} {config.search} rows "
            "search each other.",
            [],
            {"seeds": ", ".join(map(str, config.seeds)), "one row per search": "results.csv"},
            sections,
        )
        print("\n" + write_markdown(report, out / "summary.md"))
    return results


def _parts(config: RetrievalConfig, rows: Rows) -> Splits:
    """The rows to learn from, and as test rows those that search each other."""
    schema, splits = rows.schema, rows.splits
    if not task_class(schema.target).stratified:
        raise ValueError("Retrieval by class needs a target with one class per row.")
    if len(schema.modalities) < 2:
        raise ValueError(f"Retrieval is between modalities. Received: {list(schema.names)} alone.")
    searched = splits.test if config.search == "test" else splits.validation
    if not len(searched):
        raise ValueError(f"There are no {config.search} rows: give --{config.search} a share.")
    return Splits(splits.train, splits.train[:0], searched)


def _search_section(results: pd.DataFrame, labels: np.ndarray) -> Section:
    by_direction = results.groupby(["direction", "method"], sort=False)["class map"].mean()
    best = [
        f"{direction}: {scores.droplevel(0).idxmax()} ({scores.max():.3f})"
        for direction, scores in by_direction.groupby(level=0, sort=False)
    ]
    return Section(
        "search",
        "Does one modality find the other?",
        f"By mean average precision of the class, the best methods are {'; '.join(best)}. Chance "
        f"is {chance(labels)['class map']:.3f}.",
        [
            Table(
                "search",
                summary(results, labels),
                "recall@k is how often a row's own other modality is among the first k answers, "
                "class map how high rows of the same class rank. A method near chance has learnt "
                "nothing that both modalities share. ± is the standard deviation between seeds.",
            )
        ],
    )


def _probe_section(probes: pd.DataFrame, labels: np.ndarray) -> Section:
    by_method = probes.groupby("method", sort=False)["accuracy"]
    means = pd.DataFrame({"accuracy": by_method.mean(), "± (accuracy)": by_method.std()})
    majority = pd.Series(labels).value_counts(normalize=True).max()
    return Section(
        "probe",
        "Do the embeddings tell the class?",
        f"{leader(means['accuracy'], FIGURES['accuracy'])} Always answering the most frequent "
        f"class has {FIGURES['accuracy'].shown(majority)}.",
        [
            Table(
                "probe",
                means,
                "Linear probe on all modalities' embeddings: a logistic regression that may only "
                "weigh what contrastive training left in them. Its distance from the most frequent "
                "class is what the embeddings know about the class.",
            )
        ],
    )


def methods(
    config: RetrievalConfig, train: Pipeline, test: Pipeline, labels: np.ndarray
) -> Iterator[tuple[str, int | str, dict[str, dict[str, np.ndarray]]]]:
    """Each method's vectors by part (test; train where they can be probed) and modality."""
    preprocessing = train.preprocessing
    if len(preprocessing.inputs) == 2 and not preprocessing.presence and all(
        spec.shape[0] is not None and len(spec.shape) == 1 for spec in preprocessing.inputs.values()
    ):  # fmt: skip
        names = preprocessing.schema.names
        views, searched = (
            [np.concatenate([x[name].numpy() for x, *_ in rows.evaluate()]) for name in names]
            for rows in (train, test)
        )
        widths = [view.shape[1] for view in views]
        components = min(7, *widths)
        for method, model in (
            ("CCA", CorrelationMatching(components, views=widths)),
            ("SM", SemanticMatching(views=widths)),
            ("SCM", SemanticCorrelationMatching(components, views=widths)),
        ):
            vectors = model.fit(np.hstack(views), labels).transform(np.hstack(searched))
            yield method, "", {"test": dict(zip(names, np.hsplit(vectors, 2), strict=True))}
    for seed, positives in itertools.product(config.seeds, config.positives):
        keras.utils.clear_session()
        set_seed(seed)
        model = make_model(preprocessing, config.settings)
        method = f"contrastive ({positives})"
        projections = pretrain(
            model,
            train,
            config.contrastive,
            positives=positives,
            seed=seed,
            label=f"{method}, seed {seed}",
        )
        yield method, seed, {"train": embed(projections, train), "test": embed(projections, test)}


def summary(results: pd.DataFrame, labels: np.ndarray) -> pd.DataFrame:
    """Mean and standard deviation over the seeds, one row per method and direction."""
    grouped = results.groupby(["direction", "method"], sort=False)
    by_chance = chance(labels)
    table = {f"{direction}: {method}": {} for direction, method in grouped.groups}
    for (direction, method), group in grouped:
        row = table[f"{direction}: {method}"]
        for name in by_chance:
            row[name] = f"{group[name].mean():.3f}"
            if len(group) > 1:
                row[name] += f" ± {group[name].std():.3f}"
    table["chance"] = {name: f"{value:.3f}" for name, value in by_chance.items()}
    return pd.DataFrame(table).T.rename_axis("search")
