"""Cross-modal retrieval: does a row's one modality find its other, and rows of its class?

    python experiments/retrieval.py                        # wikipedia: picture and text features
    python experiments/retrieval.py --dataset emoji        # picture and description
    python experiments/retrieval.py --dataset avmnist      # a digit's picture and its sound
    python experiments/retrieval.py --validation 0.15 --search validation    # to choose settings
    python experiments/retrieval.py --data my.csv --target label

Encoders are trained to agree (`mmkeras.training.pretraining.contrastive`), once to recognise the
row's own partner and once all rows of its class; encoders and preprocessing are those of the data
set's preset. Where all modalities are feature vectors, three linear models stand beside them
(`mmkeras.classical.retrieval`). Last, a logistic regression on the frozen embeddings.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
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
from mmkeras.cli import DataConfig, option, parse, run_script
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.cells import label_names
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.probe import linear_probe
from mmkeras.evaluation.retrieval import chance, search
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import fitted_pipelines, make_model
from mmkeras.files import write_text
from mmkeras.reports.run_report import format_table
from mmkeras.tasks import task_class
from mmkeras.training.pretraining.contrastive import POSITIVES
from mmkeras.training.pretraining.pretrain import ContrastiveSettings, embed, pretrain
from mmkeras.training.seeds import set_seed

# Chosen on validation rows.
PRESETS = {
    "wikipedia": ContrastiveSettings(epochs=20, temperature=1.0),
    "emoji": ContrastiveSettings(epochs=40, learning_rate=3e-3, temperature=0.3),
    "avmnist": ContrastiveSettings(epochs=5, learning_rate=3e-3, temperature=0.3),
}
DATASET = "wikipedia"


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


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns a row a method, direction and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = option(arguments, "--dataset") or ("own" if option(arguments, "--data") else DATASET)
    contrastive = PRESETS.get(name, ContrastiveSettings())
    config = parse(RetrievalConfig, arguments, __doc__, dataset=DATASET, contrastive=contrastive)
    table, schema = config.data.load()
    if not task_class(schema.target).stratified:
        raise ValueError("Retrieval by class needs a target with one class a row.")
    if len(schema.modalities) < 2:
        raise ValueError(f"Retrieval is between modalities. Received: {list(schema.names)} alone.")
    splits = config.data.split(
        table, schema, validation=config.validation, test=config.test, seed=config.split_seed
    )
    searched = splits.test if config.search == "test" else splits.validation
    if not len(searched):
        raise ValueError(f"There are no {config.search} rows: give --{config.search} a share.")
    print(
        f"{config.data.name}: {len(splits.train):,} rows to learn from, {len(searched):,} "
        f"{config.search} rows to search; {' and '.join(schema.names)}"
    )
    out = config.out or (
        Path("runs") / f"retrieval-{config.data.name}" / time.strftime("%Y%m%d-%H%M%S")
    )
    out.mkdir(parents=True, exist_ok=True)
    parts = Splits(splits.train, splits.train[:0], searched)
    training = dataclasses.replace(
        config.settings.training, batch_size=config.contrastive.batch_size
    )
    _, pipelines = fitted_pipelines(
        parts, schema, dataclasses.replace(config.settings, training=training), out / "cache"
    )
    train, test = pipelines["train"], pipelines["test"]
    labels = [label_names(rows.frame[schema.target.column]).to_numpy() for rows in (train, test)]
    rows, probes = [], []
    for method, seed, vectors in methods(config, train, test, labels[0]):
        rows += [
            {"method": method, "seed": seed, **row} for row in search(vectors["test"], labels[1])
        ]
        if "train" in vectors:
            right = linear_probe(vectors["train"], labels[0], vectors["test"], labels[1])
            probes.append({"method": method, "seed": seed, "accuracy": right})
        write_text(out / "results.csv", pd.DataFrame(rows).to_csv(index=False))
    results = pd.DataFrame(rows)
    lines = [format_table(summary(results, labels[1]))]
    if probes:
        write_text(out / "probe.csv", pd.DataFrame(probes).to_csv(index=False))
        by_method = pd.DataFrame(probes).groupby("method", sort=False)["accuracy"]
        means = pd.DataFrame({"accuracy": by_method.mean(), "± (accuracy)": by_method.std()})
        majority = pd.Series(labels[1]).value_counts(normalize=True).max()
        lines += ["", "Linear probe on all modalities' embeddings, always the most frequent class "
                  f"{majority:.3f}:", "", format_table(means)]  # fmt: skip
    print("\n" + "\n".join(lines) + f"\n\nevery seed: {out / 'results.csv'}")
    write_text(out / "summary.md", "\n".join(lines) + "\n")
    return results


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
        components = min(7, *(view.shape[1] for view in views))
        for method, model in (
            ("CCA", CorrelationMatching(components)),
            ("SM", SemanticMatching()),
            ("SCM", SemanticCorrelationMatching(components)),
        ):
            vectors = model.fit(views, labels).transform(searched)
            yield method, "", {"test": dict(zip(names, vectors, strict=True))}
    for seed, positives in itertools.product(config.seeds, config.positives):
        keras.utils.clear_session()
        set_seed(seed)
        model = make_model(preprocessing, config.settings.model)
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
    """Mean and standard deviation over the seeds, a row a method and direction."""
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


if __name__ == "__main__":
    run_script(main)
