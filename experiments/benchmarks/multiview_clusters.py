"""Clustering accuracy on four sets of views, on which multi-view methods are compared.

    MMKERAS_DATA=/path/to/data python experiments/benchmarks/multiview_clusters.py
    MMKERAS_DATA=/path/to/data python experiments/benchmarks/multiview_clusters.py --sets cub

The number of clusters is that of the classes, as in the literature; nothing else is taken from the
labels, which only judge. Each method has the same settings on all sets, but that counts of words
(3sources, bbcsport) are weighted by TF-IDF and compared by their cosine where other numbers are
standardised. Every method starts from three seeds; the table has means and standard deviations.
Spectral clustering has the library's defaults, which are those of its papers (the 7th neighbour,
20 neighbours). Both were settled after a look at figures of these sets, though: the table of other
numbers of neighbours says how much depends on them. Last, which number of clusters would have been
chosen without labels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse
import tyro
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.pipeline import make_pipeline

from mmkeras.classical import (
    GCCA,
    MultiviewKMeans,
    MultiviewLSA,
    MultiviewPCA,
    MultiviewSpectralClustering,
    ScaledViews,
)
from mmkeras.classical.clustering.choose import choose_clusters
from mmkeras.csv_files import read_csv, write_csv
from mmkeras.data.datasets.multiview import SETS, ViewsAndClasses, load_views
from mmkeras.evaluation.clustering import chance_clusters, clustering_metrics
from mmkeras.files import write_text
from mmkeras.progress import ProgressBar
from mmkeras.reports.markdown import format_table

MAIN = "spectral, of mean distances"
NEIGHBORS = (5, 10, 15, 20, 30)
_TITLES = {"acc": "ACC", "nmi": "NMI", "ari": "ARI", "purity": "Purity"}
Estimator = Callable[[int], Any]


@dataclass(frozen=True)
class ClustersConfig:
    """What is measured.

    Args:
        sets: Which sets of views.
        seeds: Each method starts once from each.
        most: The most clusters tried where their number is chosen without labels.
        out: The folder of the results.
    """

    sets: tuple[Literal[tuple(SETS)], ...] = tuple(SETS)
    seeds: tuple[int, ...] = (0, 1, 2)
    most: int = 12
    out: Path = Path("experiments/results/classical")


def methods(data: ViewsAndClasses, number: int) -> Iterator[tuple[str, Any, Estimator]]:
    """Each method's name, its X, and what makes its estimator from a seed."""
    X, views = data.X, data.views

    def k_means(seed: int) -> KMeans:
        return KMeans(number, n_init=10, random_state=seed)

    words = scipy.sparse.issparse(X)
    # From here on, weights of words are what other views' standardised columns are.
    weighted = _weighted(data) if words else X
    for name, columns in views.items():
        scaled = ScaledViews({name: columns}, standardise=not words)
        yield (
            f"k-means, one view ({name})",
            weighted,
            lambda s, p=scaled: make_pipeline(p, k_means(s)),
        )
    yield "k-means, as the features are", X, k_means
    scaled = ScaledViews(views, standardise=not words)
    yield "k-means, scaled views", weighted, lambda s: make_pipeline(scaled, k_means(s))
    if words:
        yield (
            "k-means, LSA",
            X,
            lambda s: make_pipeline(MultiviewLSA(number, views, random_state=s), k_means(s)),
        )
    dense = weighted.toarray() if words else X
    yield (
        "k-means, MFA",
        dense,
        lambda s: make_pipeline(MultiviewPCA(number, not words, views, random_state=s), k_means(s)),
    )
    yield (
        "k-means, GCCA",
        dense,
        lambda s: make_pipeline(GCCA(number, 1.0, not words, views), k_means(s)),
    )
    yield (
        "k-means, learnt weights of views",
        dense,
        lambda s: MultiviewKMeans(number, standardise=not words, views=views, random_state=s),
    )
    yield MAIN, X, lambda s: spectral(data, number, seed=s)
    yield "spectral, of mean graphs", X, lambda s: spectral(data, number, seed=s, combine="graphs")


def spectral(
    data: ViewsAndClasses, number: int, *, seed: int = 0, **settings: Any
) -> MultiviewSpectralClustering:
    """Spectral clustering with the library's defaults."""
    affinity = "cosine" if scipy.sparse.issparse(data.X) else "local"
    return MultiviewSpectralClustering(
        number, affinity=affinity, views=data.views, random_state=seed, **settings
    )


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs, prints and saves all; returns one row per set, method and seed."""
    config = tyro.cli(ClustersConfig, args=arguments, description=__doc__)
    config.out.mkdir(parents=True, exist_ok=True)
    for name in config.sets:
        data = load_views(name)
        number = len(np.unique(data.y))
        results = _update(config.out / "clusters.csv", _judge_all(name, data, number, config))
        neighbors = _update(
            config.out / "clusters_neighbors.csv",
            [
                {
                    "set": name,
                    "neighbors": k,
                    **clustering_metrics(
                        data.y, spectral(data, number, n_neighbors=k).fit_predict(data.X)
                    ),
                }
                for k in NEIGHBORS
            ],
        )
        numbers = _update(
            config.out / "clusters_numbers.csv",
            [{"set": name, "classes": number, **_chosen(data, config)}],
        )
        text = _markdown(results, neighbors, numbers)
        write_text(config.out / "clusters.md", text)
    print("\n" + text)
    return results


def _update(path: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Replaces a set's rows in a file of results; those of other sets stay."""
    new = pd.DataFrame(rows)
    old = read_csv(path) if path.is_file() else new[:0]
    both = pd.concat([old[~old["set"].isin(new["set"])], new])
    both = both.sort_values("set", key=lambda names: names.map(list(SETS).index), kind="stable")
    write_csv(path, both)
    return both


def _judge_all(
    name: str, data: ViewsAndClasses, number: int, config: ClustersConfig
) -> list[dict[str, Any]]:
    """One row per method and seed."""
    rows = []
    tasks = list(methods(data, number))
    with ProgressBar(f"{name}: clusterings", len(tasks) * len(config.seeds)) as progress:
        for method, X, make in tasks:
            for seed in config.seeds:
                clusters = make(seed).fit_predict(X)
                figures = clustering_metrics(data.y, clusters)
                rows.append({"set": name, "method": method, "seed": seed, **figures})
                progress.add()
    for floor, figures in chance_clusters(data.y, clusters).items():
        rows.append({"set": name, "method": floor, "seed": config.seeds[0], **figures})
    return rows


def _chosen(data: ViewsAndClasses, config: ClustersConfig) -> dict[str, int]:
    """The number of clusters by silhouette and by stability."""
    words = scipy.sparse.issparse(data.X)
    space = _weighted(data) if words else ScaledViews(data.views).fit_transform(data.X)
    found = choose_clusters(
        data.X, spectral(data, 2), range(2, config.most + 1), space=space, draws=3
    )
    return {
        "chosen": found.n_clusters,
        "by silhouette alone": found.by_silhouette,
        "by stability alone": found.by_stability,
    }


def _weighted(data: ViewsAndClasses) -> scipy.sparse.csr_array:
    """Each view's TF-IDF weights, rows of length 1."""
    views = [TfidfTransformer().fit_transform(data.X[:, v]) for v in data.views.values()]
    return scipy.sparse.hstack(views, "csr")


def _markdown(results: pd.DataFrame, neighbors: pd.DataFrame, numbers: pd.DataFrame) -> str:
    blocks = ["# Clusters of several views", __doc__.split("\n\n")[2].replace("\n", " ").strip()]
    methods = sorted(results["method"].unique(), key=_place)
    for metric in _TITLES:
        by = results.groupby(["method", "set"], sort=False)[metric]
        shown = (100 * by.mean()).map("{:.1f}".format)
        spread = (100 * by.std()).map(" ± {:.1f}".format).where(by.count() > 1, "")
        table = (shown + spread).unstack().reindex(methods).fillna("")
        blocks += [f"## {_TITLES[metric]}, %", format_table(table[list(results["set"].unique())])]
    shown = (100 * neighbors.pivot(index="neighbors", columns="set", values="acc")).map(
        "{:.1f}".format
    )
    blocks += [
        "## Other numbers of neighbours",
        f"ACC of {MAIN}, %, seed 0; the default is 20, as in Wang et al. (2014).",
        format_table(shown[list(neighbors["set"].unique())]),
        "## Numbers of clusters",
        f"Chosen without labels for {MAIN}: the highest silhouette of the numbers that are nearly "
        "as stable as the most stable one; beside it, what silhouette and stability say alone.",
        format_table(numbers.set_index("set")),
    ]
    return "\n\n".join(blocks) + "\n"


def _place(method: str) -> tuple[bool, bool, bool]:
    """Single views first, then all views, spectral clustering, the floors."""
    return "k-means" not in method, "spectral" not in method, "one view" not in method


if __name__ == "__main__":
    main(sys.argv[1:])
