"""Spectral clustering of a graph in which rows are neighbours that several views find alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import eigsh
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_random_state, gen_batches

from mmkeras.classical.decomposition.scaled import ScaledViews, standardised
from mmkeras.classical.views import Views, ViewsMixin

# A row's scale is its distance to this neighbour (Zelnik-Manor & Perona).
_SCALE_NEIGHBOUR = 7
_BATCH = 1_000
# Up to so many rows all eigenvectors are computed together, which none can be missed in.
_DENSE_ROWS = 1_000


class MultiviewSpectralClustering(ViewsMixin, ClusterMixin, BaseEstimator):
    """Clusters are parts of a graph of nearest neighbours with few edges between them.

    Two rows of the views are compared by an affinity:

    - `"local"`, of numbers: `exp(-d(i, j)^2 / (s_i s_j))`, s_i being the distance of
      row i to its 7th neighbour, so that sparse and dense clusters are both held together. d is the
      Euclidean distance, each view scaled to the same total variance.
    - `"cosine"`, of counts or weights of words: the cosine of the rows' TF-IDF weights, at least 0.

    Each row keeps the edges to its nearest neighbours. `combine` says when the views meet:

    - `"distances"`: first. One graph, of the mean of the views' squared distances (for the Gaussian
      affinity, a product of the views' kernels), or of their cosines. Rows are neighbours that are
      similar on the whole. Good where each view is noisy by itself.
    - `"graphs"`: last. A graph of each view, and the mean of the graphs. Good where rows that are
      near in one view are truly related.

    The graph is then cut by the eigenvectors of its normalised Laplacian.

    Args:
        n_clusters: How many clusters.
        n_neighbors: How many edges a row keeps; it may have more, of rows that keep it.
        affinity: local or cosine.
        combine: distances or graphs.
        standardise: For the local affinity, as of `ScaledViews`.
        views: Which columns are which view; see `mmkeras.classical.views`.
        random_state: Of k-means on the eigenvectors.

    Attributes:
        labels_: `(rows,)`, the clusters of the training rows. New rows have none.
        affinity_matrix_: The graph, sparse `(rows, rows)`.

    Takes time for all pairs of rows, but memory for the graph only.

    Example:

    >>> random = np.random.default_rng(0)
    >>> angle = random.uniform(0, 2 * np.pi, size=300)
    >>> radius = np.repeat([1, 3], 150) + 0.1 * random.normal(size=300)
    >>> rings = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    >>> found = MultiviewSpectralClustering(2, n_neighbors=10, random_state=0).fit_predict(rings)
    >>> len(set(found[:150])), len(set(found[150:]))
    (1, 1)

    References:
        - [Zelnik-Manor & Perona, 2004](https://papers.nips.cc/paper/2619) (eq. 5, the affinity)
        - [Shi & Malik, 2000](https://doi.org/10.1109/34.868688) (the cut)
        - [Zhou & Burges, 2007](https://doi.org/10.1145/1273496.1273642) (several graphs)
        - [Wang et al., 2014](https://doi.org/10.1038/nmeth.2810) (20 neighbours)
    """

    accepts_sparse = True

    def __init__(
        self,
        n_clusters: int = 8,
        n_neighbors: int = 20,
        affinity: Literal["local", "cosine"] = "local",
        combine: Literal["distances", "graphs"] = "distances",
        standardise: bool | Sequence[str] = True,
        views: Views = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.affinity = affinity
        self.combine = combine
        self.standardise = standardise
        self.views = views
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MultiviewSpectralClustering:
        """Finds the clusters of the rows of `X`, `(rows, features)`."""
        views = self._fit_views(X, ensure_min_samples=2)
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"`{name}` is one of {known}. Received: {getattr(self, name)!r}.")
        rows = views[0].shape[0]
        if not 1 <= self.n_clusters <= rows:
            raise ValueError(
                f"`n_clusters` is between 1 and the number of rows, n_samples={rows}. Received: "
                f"{self.n_clusters}."
            )
        if self.n_neighbors < 1:
            raise ValueError(f"`n_neighbors` is at least 1. Received: {self.n_neighbors}.")
        if self.affinity == "cosine":
            parts = [TfidfTransformer().fit_transform(view) for view in views]
        else:
            chosen = standardised(self.standardise, self.views_)
            parts = [
                ScaledViews(standardise=name in chosen).fit_transform(view)
                for name, view in zip(self.views_, views, strict=True)
            ]
        if self.combine == "distances":
            stack = scipy.sparse.hstack if scipy.sparse.issparse(parts[0]) else np.hstack
            parts = [stack(parts)]
        neighbours = min(self.n_neighbors, rows - 1)
        graphs = [_graph(part, self.affinity, neighbours) for part in parts]
        self.affinity_matrix_ = sum(graphs[1:], start=graphs[0]) / len(graphs)
        random = check_random_state(self.random_state)
        vectors = _eigenvectors(self.affinity_matrix_, self.n_clusters, random)
        means = KMeans(self.n_clusters, n_init=10, random_state=random)
        self.labels_ = means.fit_predict(vectors)
        return self


_CHOICES = {"affinity": ("local", "cosine"), "combine": ("distances", "graphs")}


def _graph(X: Any, affinity: str, neighbours: int) -> scipy.sparse.csr_array:
    """The affinities of each row with its nearest neighbours, symmetric, without a diagonal."""
    rows = X.shape[0]
    scales = _scales(X) if affinity == "local" else None
    tos, values = [], []
    for batch in gen_batches(rows, _BATCH):
        if scales is None:
            found = np.maximum((X[batch] @ X.T).toarray(), 0.0)
        else:
            found = np.exp(
                -euclidean_distances(X[batch], X, squared=True)
                / (scales[batch, None] * scales[None, :])
            )
        found[np.arange(len(found)), np.arange(rows)[batch]] = -1.0
        nearest = np.argpartition(-found, neighbours - 1, axis=1)[:, :neighbours]
        tos.append(nearest)
        values.append(np.take_along_axis(found, nearest, axis=1))
    # scikit-learn takes indices of 32 bits only.
    froms = np.repeat(np.arange(rows, dtype=np.int32), neighbours)
    columns = np.concatenate(tos).ravel().astype(np.int32)
    graph = scipy.sparse.csr_array((np.concatenate(values).ravel(), (froms, columns)), (rows, rows))
    graph = graph.maximum(graph.T)
    graph.eliminate_zeros()
    return graph


def _scales(X: Any) -> np.ndarray:
    """Each row's distance to its 7th neighbour, never 0."""
    place = min(_SCALE_NEIGHBOUR, X.shape[0] - 1)
    scales = np.concatenate([
        np.partition(euclidean_distances(X[batch], X), place, axis=1)[:, place]
        for batch in gen_batches(X.shape[0], _BATCH)
    ])  # fmt: skip
    return np.maximum(scales, max(1e-6 * scales.mean(), 1e-12))


def _eigenvectors(
    graph: scipy.sparse.csr_array, number: int, random: np.random.RandomState
) -> np.ndarray:
    """Those of the random walk on the graph with the largest eigenvalues, `(rows, number)`.

    Unlike scikit-learn's, right for graphs in pieces: pieces are what is looked for.
    """
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    roots = np.sqrt(np.where(degrees > 0, degrees, 1.0))
    scale = scipy.sparse.diags_array(1 / roots)
    normalised = scale @ graph @ scale
    rows = len(roots)
    if rows <= max(_DENSE_ROWS, number + 1):
        _, vectors = scipy.linalg.eigh(
            normalised.toarray(), subset_by_index=[rows - number, rows - 1]
        )
    else:
        start, most = random.uniform(-1, 1, rows), min(rows, max(2 * number + 1, 50))
        _, vectors = eigsh(normalised, number, which="LA", v0=start, ncv=most)
    return vectors / roots[:, None]
