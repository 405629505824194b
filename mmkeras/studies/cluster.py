"""Clustering: which rows belong together, by each modality and by all, without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro
from sklearn.base import ClusterMixin
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

from mmkeras.classical import (
    GCCA,
    MultiviewKMeans,
    MultiviewPCA,
    MultiviewSpectralClustering,
    ScaledViews,
)
from mmkeras.classical.clustering.choose import ClusterChoice, choose_clusters
from mmkeras.csv_files import write_csv
from mmkeras.data.tables.cells import empty_cells, label_names, missing_cells
from mmkeras.evaluation.clustering import clustering_metrics, silhouette
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.rows import open_table
from mmkeras.experiment.settings import Settings
from mmkeras.progress import ProgressBar
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Report
from mmkeras.schema import Schema
from mmkeras.studies.cluster_deep import deep_embeddings
from mmkeras.studies.cluster_features import Features, make_features
from mmkeras.studies.cluster_report import (
    MAIN,
    map_section,
    methods_section,
    number_section,
)
from mmkeras.tasks import task_class
from mmkeras.training.pretraining.pretrain import ContrastiveSettings
from mmkeras.training.tensorboard import TensorBoardReport

DEEP = "k-means, contrastive encoders"


@dataclass(frozen=True)
class ClusterConfig:
    """The experiment.

    Args:
        data: Which rows; all are clustered.
        clusters: How many clusters; by default chosen without labels, by stability and silhouette.
        most: The most clusters that are tried.
        judge: The column whose values the clusters are compared with afterwards; by default the
            target, if it has one class per row. Neither is an input.
        seeds: Each method starts once from each of these.
        neighbors: Of the graphs of spectral clustering.
        deep: Also cluster what contrastive encoders make of the rows; they are trained for each
            seed, without labels.
        out: The experiment's folder; by default runs/cluster-NAME/TIME.
        contrastive: How encoders are trained to agree, with --deep.
        settings: How cells are read, and encoders.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    clusters: int | None = None
    most: int = 12
    judge: str | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    neighbors: int = 20
    deep: bool = False
    out: Path | None = None
    contrastive: Annotated[ContrastiveSettings, tyro.conf.arg(name="")] = field(
        default_factory=ContrastiveSettings
    )
    settings: Annotated[Settings, tyro.conf.Suppress] = field(default_factory=Settings)


def cluster(config: ClusterConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its tables; returns one row per method and seed.

    Leaves `results.csv`, `clusters.csv` (each row's cluster by the main method), `summary.md` with
    the self-organising map in `pictures/som.png`, and `tensorboard/` for the projector.

    Raises:
        ValueError: The judge is an input or does not exist, or a row has no input.
    """
    table, schema, labels = table_and_labels(config)
    features = make_features(table, schema, config.settings)
    print(f"{config.data.name}: {len(table):,} rows; {features.described}")
    out = experiment_folder(config.out, Path("runs") / f"cluster-{config.data.name}")
    with locked(out):
        space = features.scaler.fit_transform(features.X)
        chosen = None if config.clusters else _choose(config, features, space)
        number = config.clusters or chosen.n_clusters
        rows, clusters = [], {}
        tasks = list(methods(config, features, number))
        if config.deep:

            def deep(seed: int) -> np.ndarray:
                vectors = deep_embeddings(
                    table, schema, config.settings, config.contrastive, seed=seed, folder=out
                )
                return KMeans(number, n_init=10, random_state=seed).fit_predict(vectors)

            tasks += [(DEEP, seed, partial(deep, seed)) for seed in config.seeds]
        with ProgressBar("clusterings", len(tasks)) as progress:
            for method, seed, found in tasks:
                assigned = found()
                clusters.setdefault(method, assigned)
                row = {"method": method, "seed": seed}
                row |= {"silhouette": silhouette(space, assigned, seed=seed)}
                rows.append(row | _judged(labels, assigned))
                write_csv(out / "results.csv", pd.DataFrame(rows))
                progress.add()
        results = pd.DataFrame(rows)
        names = pd.DataFrame({"row": _row_ids(table, schema), "cluster": clusters[MAIN]})
        write_csv(out / "clusters.csv", names)
        _save_projector(out / "tensorboard", features, names, labels)
        sections = [methods_section(results, number, labels, clusters[MAIN])]
        if chosen is not None:
            sections.append(number_section(chosen))
        sections.append(map_section(features, table, schema))
        facts = {
            "modalities": features.described,
            "seeds": ", ".join(map(str, config.seeds)),
            "one row per method and seed": "results.csv",
            f"each row's cluster ({MAIN}, seed {config.seeds[0]})": "clusters.csv",
            "to look at the rows in TensorBoard's projector": "tensorboard --logdir tensorboard",
        }
        about = (
            f"{len(table):,} rows in {number} clusters; labels, where there are any, only judge."
        )
        report = Report(f"{config.data.name}: clusters", about, [], facts, sections)
        print("\n" + write_markdown(report, out / "summary.md"))
    return results


def methods(
    config: ClusterConfig, features: Features, number: int
) -> Iterator[tuple[str, int, Any]]:
    """Each method and seed, with a function that returns every row's cluster."""
    X, views, own = features.X, features.views, features.standardise

    def k_means(seed: int) -> KMeans:
        return KMeans(number, n_init=10, random_state=seed)

    components = min(number, *X.shape)
    made: dict[str, Any] = {}
    if len(views) > 1:
        for name, columns in views.items():
            alone = {name: columns}
            scaled = ScaledViews(alone, standardise=[v for v in own if v == name])
            made[f"k-means, {name} alone"] = lambda s, p=scaled: make_pipeline(p, k_means(s))
        made["k-means, as the features are"] = k_means
    made["k-means, scaled views"] = lambda s: make_pipeline(features.scaler, k_means(s))
    made["k-means, MFA"] = lambda s: make_pipeline(
        MultiviewPCA(components, own, views, random_state=s), k_means(s)
    )
    if len(views) > 1:
        made["k-means, GCCA"] = lambda s: make_pipeline(
            GCCA(components, 1.0, own, views), k_means(s)
        )
        made["k-means, learnt weights of views"] = lambda s: MultiviewKMeans(
            number, standardise=own, views=views, random_state=s
        )
    made[MAIN] = lambda s: main_method(config, features, number, s)
    if len(views) > 1:
        made["spectral, of mean graphs"] = lambda s: main_method(
            config, features, number, s, "graphs"
        )
    for method, make in made.items():
        for seed in config.seeds:
            yield method, seed, lambda make=make, seed=seed: make(seed).fit_predict(X)


def main_method(
    config: ClusterConfig, features: Features, number: int, seed: int, combine: str = "distances"
) -> ClusterMixin:
    """Spectral clustering, whose clusters are saved and whose number of clusters is chosen."""
    return MultiviewSpectralClustering(
        number,
        config.neighbors,
        combine=combine,
        standardise=features.standardise,
        views=features.views,
        random_state=seed,
    )


def table_and_labels(config: ClusterConfig) -> tuple[pd.DataFrame, Schema, pd.Series | None]:
    """The table, its schema, and what judges the clusters: a name per row, or NaN."""
    data = config.data
    inferred = data.data is not None and data.schema is None
    if inferred and config.judge not in (None, data.target, *data.ignore):
        data = dataclasses.replace(data, ignore=(*data.ignore, config.judge))
    table, schema, messages = open_table(data, config.settings, need_target=False)
    for message in messages:
        print(message)
    lost = missing_cells(table, schema).to_numpy().all(axis=1)
    if lost.any():
        raise ValueError(
            f"{lost.sum():,} rows have no input at all, the first is {table.index[lost][0]!r}. "
            "Leave them out: --drop-holes leaves out all rows that lack a modality."
        )
    judge = config.judge
    if judge is None and schema.target is not None and task_class(schema.target).stratified:
        (judge,) = schema.target_columns
    if judge is None:
        return table, schema, None
    if judge in schema.columns or judge not in table.columns:
        what = "is an input" if judge in schema.columns else f"is not one of {list(table.columns)}"
        raise ValueError(f"--judge {judge}: this column {what}; it judges what it has no part in.")
    names = label_names(table[judge]).astype(object)
    return table, schema, names.mask(empty_cells(table[judge]))


def _choose(config: ClusterConfig, features: Features, space: np.ndarray) -> ClusterChoice:
    most = min(config.most, max(2, len(space) // 2))
    estimator = main_method(config, features, 2, config.seeds[0])
    return choose_clusters(features.X, estimator, range(2, most + 1), space=space)


def _judged(labels: pd.Series | None, clusters: np.ndarray) -> dict[str, float]:
    if labels is None:
        return {}
    known = labels.notna().to_numpy()
    return clustering_metrics(labels[known].to_numpy(str), clusters[known])


def _row_ids(table: pd.DataFrame, schema: Schema) -> np.ndarray:
    return (table.index if schema.id is None else table[schema.id]).to_numpy()


def _save_projector(
    folder: Path, features: Features, names: pd.DataFrame, labels: pd.Series | None
) -> None:
    folder.mkdir(exist_ok=True)
    components = min(50, len(features.X) - 1, features.X.shape[1])
    vectors = MultiviewPCA(components, features.standardise, features.views, 0).fit_transform(
        features.X
    )
    metadata: dict[str, Any] = {name: names[name].astype(str) for name in names}
    if labels is not None:
        metadata[str(labels.name)] = labels.fillna("").astype(str)
    with TensorBoardReport(folder) as board:
        board.embeddings(vectors, metadata, name="views")
