"""Clusters of several views: hand-worked steps, and what each estimator is for."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from mmkeras.classical import (
    MultiviewKMeans,
    MultiviewSpectralClustering,
    ScaledViews,
    SelfOrganizingMap,
)
from mmkeras.classical.clustering import spectral
from mmkeras.classical.clustering.choose import choose_clusters
from mmkeras.classical.clustering.drawing import map_figure


@pytest.fixture(scope="module")
def three():
    """Three groups; the first view tells the first from the others, the second the last."""
    random = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 30)
    left = np.where(group[:, None] == 0, 0.0, 6.0) + random.normal(size=(90, 4))
    right = np.where(group[:, None] == 2, 0.0, 6.0) + random.normal(size=(90, 2))
    return np.hstack([left, right]), group


def test_k_means_weighs_views_by_their_scatter(three):
    X, group = three
    found = MultiviewKMeans(3, p=3.0, views=[4, 2], random_state=0).fit(X)
    assert adjusted_rand_score(group, found.labels_) == 1
    scaled = ScaledViews([4, 2]).fit_transform(X)
    within = np.zeros(6)
    for cluster in range(3):
        rows = scaled[found.labels_ == cluster]
        within += ((rows - rows.mean(axis=0)) ** 2).sum(axis=0)
    scatter = np.array([within[:4].sum(), within[4:].sum()])
    expected = scatter ** (1 / (1 - 3.0))
    np.testing.assert_allclose(found.weights_, expected / expected.sum(), atol=1e-3)
    np.testing.assert_allclose(found.inertia_, (found.weights_**3) @ scatter, rtol=1e-3)
    np.testing.assert_array_equal(found.predict(X), found.labels_)
    with pytest.raises(ValueError, match="`p` is above 1"):
        MultiviewKMeans(p=1.0).fit(X)


def test_k_means_of_one_view_is_scikit_learns(three):
    X, _ = three
    ours = MultiviewKMeans(3, random_state=0).fit(X)
    theirs = KMeans(3, n_init=10, random_state=0).fit(ScaledViews().fit_transform(X))
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.weights_.tolist() == [1.0]


def test_the_graph_holds_each_rows_nearest_by_hand():
    X = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [7.0, 0.0]])
    found = MultiviewSpectralClustering(2, n_neighbors=1, random_state=0).fit(X)
    scaled = ScaledViews().fit_transform(X)[:, 0]
    distances = np.abs(scaled[:, None] - scaled)
    scales = distances.max(axis=1)  # the 3rd neighbour, where there is no 7th
    affinity = np.exp(-(distances**2) / np.outer(scales, scales))
    kept = np.zeros((4, 4))
    for i, j in [(0, 1), (1, 2), (2, 3)]:  # 1's nearest is 0, 2's 1, 3's 2
        kept[i, j] = kept[j, i] = affinity[i, j]
    np.testing.assert_allclose(found.affinity_matrix_.toarray(), kept)


@pytest.mark.parametrize("combine", ["distances", "graphs"])
def test_spectral_clustering_of_words_needs_both_views(combine):
    random = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 30)
    rates = np.array([[2, 0.1, 0.1, 2], [0.1, 2, 0.1, 2], [0.1, 2, 2, 0.1]])[group]
    words = random.poisson(np.repeat(rates, 15, axis=1))
    found = MultiviewSpectralClustering(
        3, 25, "cosine", combine, views=[30, 30], random_state=0
    ).fit(scipy.sparse.csr_array(words))
    assert adjusted_rand_score(group, found.labels_) > 0.9
    alone = MultiviewSpectralClustering(3, 10, "cosine", views=[slice(30)], random_state=0)
    assert adjusted_rand_score(group, alone.fit_predict(words)) < 0.8


def test_a_connected_graph_is_cut_as_by_scikit_learn_and_one_in_pieces_by_its_pieces(monkeypatch):
    u = np.random.default_rng(0).normal(size=(90, 3))
    found = MultiviewSpectralClustering(3, n_neighbors=15, random_state=0).fit(u)
    theirs = SpectralClustering(3, affinity="precomputed", random_state=0)
    graph = scipy.sparse.csr_matrix(found.affinity_matrix_)
    assert adjusted_rand_score(theirs.fit_predict(graph), found.labels_) > 0.95
    group = np.repeat([0, 1, 2], 30)
    pieces = u + 100 * group[:, None]
    for dense_rows in (3_000, 0):
        monkeypatch.setattr(spectral, "_DENSE_ROWS", dense_rows)
        found = MultiviewSpectralClustering(3, n_neighbors=5, random_state=0).fit(pieces)
        assert connected_components(found.affinity_matrix_)[0] == 3
        assert adjusted_rand_score(group, found.labels_) == 1


def test_one_epoch_of_the_map_by_hand():
    X = np.array([[0.0], [0.0], [1.0], [5.0]])
    som = SelfOrganizingMap((1, 3), epochs=1, radius=(1.0, 1.0)).fit(X)
    z = (X[:, 0] - X.mean()) / X.std()
    # On the line of the first component from -2 to 2 standard deviations (with rows - 1).
    start = np.array([-2, 0, 2]) * np.std(z, ddof=1)
    start = start if som.prototypes_[0, 0] < som.prototypes_[2, 0] else -start
    cells = np.abs(z[:, None] - start).argmin(axis=1)
    near = np.exp(-((np.arange(3)[:, None] - cells) ** 2) / 2)
    np.testing.assert_allclose(som.prototypes_[:, 0], near @ z / near.sum(axis=1))
    np.testing.assert_allclose(
        som.u_matrix(),
        [a := abs(som.prototypes_[0, 0] - som.prototypes_[1, 0]),
         (a + (b := abs(som.prototypes_[1, 0] - som.prototypes_[2, 0]))) / 2, b],
    )  # fmt: skip
    distances = np.abs(z[:, None] - som.prototypes_[:, 0])
    assert som.quantization_error_ == pytest.approx(distances.min(axis=1).mean())


@pytest.fixture(scope="module")
def plane():
    """A plane, folded into five dimensions."""
    u, v = np.random.default_rng(0).uniform(0, 1, size=(2, 400))
    return np.stack([u, v, u * v, np.sin(3 * u), np.cos(2 * v)], axis=1)


@pytest.mark.parametrize("topology", ["hexagonal", "rectangular"])
def test_a_map_keeps_neighbours_together(plane, topology):
    som = SelfOrganizingMap((6, 8), topology, epochs=15).fit(plane)
    start = SelfOrganizingMap((6, 8), topology, epochs=1, radius=(3.0, 3.0)).fit(plane)
    assert som.quantization_error_ < 0.5 * start.quantization_error_
    assert som.topographic_error_ < 0.2
    again = SelfOrganizingMap((6, 8), topology, epochs=15).fit(plane)
    np.testing.assert_array_equal(som.prototypes_, again.prototypes_)
    assert som.hits(plane).sum() == 400 and (som.hits(plane) > 0).mean() > 0.8
    examples = som.examples(plane)
    filled = examples >= 0
    np.testing.assert_array_equal(filled, som.hits(plane) > 0)
    neighbours = np.hypot(*(som.positions_[:, None] - som.positions_).T).round(6) == 1
    assert neighbours.sum(axis=1).max() == {"hexagonal": 6, "rectangular": 4}[topology]


def test_weights_decide_which_view_the_map_shows(plane):
    noise = np.random.default_rng(1).normal(size=(400, 5))
    X = np.hstack([plane, noise])
    views = {"plane": slice(0, 5), "noise": slice(5, 10)}
    shown = {
        weight: SelfOrganizingMap(
            (6, 8), epochs=10, weights={"plane": 1.0, "noise": weight}, views=views
        )
        .fit(X)
        .transform(X)
        for weight in (0.0, 1.0)
    }
    spread = {
        weight: np.mean([np.std(plane[np.all(places == place, axis=1)], axis=0).mean()
                         for place in np.unique(places, axis=0)])
        for weight, places in shown.items()
    }  # fmt: skip
    assert spread[0.0] < 0.6 * spread[1.0]
    with pytest.raises(ValueError, match=r"names each view, \['plane', 'noise'\]"):
        SelfOrganizingMap(weights={"plane": 1.0}, views=views).fit(X)


def test_the_map_chooses_sides_by_the_principal_components(plane):
    som = SelfOrganizingMap(epochs=1).fit(plane)
    assert 80 < np.prod(som.shape_) < 125  # 5 sqrt(400)
    first, second = PCA(2).fit(som.scaled(plane)).explained_variance_
    assert som.shape_[1] / som.shape_[0] == pytest.approx(np.sqrt(first / second), rel=0.15)


def test_a_map_is_drawn_with_words_and_pictures(plane):
    som = SelfOrganizingMap((3, 4), epochs=2).fit(plane)
    words = ["$x"] + [""] * 11
    figure = map_figure(som, plane, words=words, pictures={5: np.zeros((4, 4))})
    hits, walls, contents = figure.axes[:3]
    np.testing.assert_array_equal(hits.collections[0].get_array(), som.hits(plane))
    np.testing.assert_array_equal(walls.collections[0].get_array(), som.u_matrix())
    assert [text.get_text() for text in contents.texts] == [r"\$x"] and len(contents.images) == 1
    figure.canvas.draw()
    with pytest.raises(ValueError, match="one text per cell, 12"):
        map_figure(som, plane, words=["a"] * 3)


def test_the_number_of_clusters_is_found_without_labels(three):
    X, _ = three
    found = choose_clusters(
        X, MultiviewKMeans(views=[4, 2], n_init=2, random_state=0), [5, 2, 3, 4], draws=3,
        space=ScaledViews([4, 2]).fit_transform(X),
    )  # fmt: skip
    assert found.n_clusters == found.by_silhouette == found.by_stability == 3
    assert found.table.index.tolist() == [2, 3, 4, 5]
    assert found.table.loc[3, "stability"] == 1 > found.table.loc[5, "stability"]
    with pytest.raises(ValueError, match=r"between 2 and 71.*Received: \[1, 2\]"):
        choose_clusters(X, KMeans(), [1, 2])
