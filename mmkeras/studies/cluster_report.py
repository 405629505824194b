"""What a clustering found, as sections of a report."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.classical import SelfOrganizingMap
from mmkeras.classical.clustering.choose import ClusterChoice
from mmkeras.classical.clustering.drawing import map_figure
from mmkeras.evaluation.clustering import chance_clusters
from mmkeras.reports.parts import Note, Part, Picture, Section, Table
from mmkeras.schema import Schema
from mmkeras.studies.cluster_features import Features, cell_words, row_pictures

# The method whose clusters are saved; with 20 neighbours, as in Wang et al. (2014), on all data.
MAIN = "spectral, of mean distances"


def methods_section(
    results: pd.DataFrame, number: int, labels: pd.Series | None, clusters: np.ndarray
) -> Section:
    """All methods in one table, beside their floors."""
    grouped = results.drop(columns="seed").groupby("method", sort=False)
    means, spread = grouped.mean(), grouped.std(ddof=1)
    shown = means.map("{:.3f}".format)
    if results["seed"].nunique() > 1:
        shown += spread.map(" ± {:.3f}".format)
    known = None if labels is None else labels.notna().to_numpy()
    if known is not None:
        floors = chance_clusters(labels[known].to_numpy(str), clusters[known])
        for floor, figures in floors.items():
            shown.loc[floor] = {name: f"{value:.3f}" for name, value in figures.items()}
    by = "silhouette" if labels is None else "acc"
    conclusion = (
        f"{number} clusters. The highest {by} has {means[by].idxmax()} ({means[by].max():.3f}); "
        f"{MAIN}, the default method, has {means.loc[MAIN, by]:.3f}."
    )
    if labels is not None:
        conclusion += (
            f" Compared with {known.sum():,} known values of {labels.name}, of "
            f"{labels.nunique()} kinds, which no method has seen. Choosing the best method by "
            "these values would be using labels: the default method does not depend on them."
        )
    caption = (
        "The silhouette says how far apart clusters lie, in the scaled views, in which k-means has "
        "an advantage. acc is the share of rows that are right if each cluster is given one class. "
        "What is not above the floors has found nothing of these classes. ± is the standard "
        "deviation between seeds."
    )
    return Section(
        "methods", "Which rows belong together?", conclusion,
        [Table("methods", shown.fillna("").rename_axis("method"), caption)],
    )  # fmt: skip


def number_section(chosen: ClusterChoice) -> Section:
    """How the number of clusters was chosen."""
    return Section(
        "number",
        "How many clusters?",
        f"{chosen.n_clusters} is taken: of the numbers that are nearly as stable as the most "
        f"stable one, it has the highest silhouette. By the silhouette alone "
        f"{chosen.by_silhouette}, by stability alone {chosen.by_stability}.",
        [
            Table(
                "number",
                chosen.table,
                "Stability is how alike clusters of random parts of the rows are, 1 if equal. "
                "Where the two disagree, look at both; --clusters sets the number.",
            )
        ],
    )


def map_section(features: Features, table: pd.DataFrame, schema: Schema) -> Section:
    """The self-organising map as a picture."""
    som = SelfOrganizingMap(standardise=features.standardise, views=features.views).fit(features.X)
    words = cell_words(features, som.labels_, len(som.prototypes_))
    pictures = row_pictures(features, table, schema, som.examples(features.X))
    figure = map_figure(som, features.X, words=words, pictures=pictures)
    down, across = som.shape_
    parts: list[Part] = [
        Picture(
            "som",
            figure,
            "Neighbours on the map are alike. Light areas of the middle picture are groups, dark "
            "lines the gaps between them.",
        ),
        Note("A word in a cell is the term, or column, that its rows have most above the average."),
    ]
    return Section(
        "map",
        "What is where?",
        f"A self-organising map of {down} × {across} cells: the rows' mean distance to their cell "
        f"is {som.quantization_error_:.3f} (rows are {np.sqrt(len(features.views)):.3f} from the "
        f"mean); {100 * som.topographic_error_:.0f} % of the rows have their two nearest cells "
        "apart.",
        parts if words is not None else parts[:1],
    )
