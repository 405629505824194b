"""Figures of clusters, by hand."""

import itertools

import numpy as np
import pytest

from mmkeras.evaluation import (
    chance_clusters,
    clustering_accuracy,
    clustering_metrics,
    purity,
    silhouette,
)


def test_accuracy_is_that_of_the_best_of_all_matches():
    random = np.random.default_rng(0)
    labels, clusters = random.integers(0, 4, size=(2, 60))
    best = max(
        np.mean(np.array(match)[clusters] == labels) for match in itertools.permutations(range(4))
    )
    assert clustering_accuracy(labels, clusters) == best
    names = np.array(["a", "b", "c", "d"])[labels]
    assert clustering_accuracy(names, clusters + 10) == best


def test_clusters_without_a_class_are_wrong_and_pure():
    labels, clusters = [0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 3, 3]
    assert clustering_accuracy(labels, clusters) == pytest.approx(4 / 6)
    assert purity(labels, clusters) == 1
    with pytest.raises(ValueError, match="2 classes and 3 clusters"):
        purity([0, 1], [0, 1, 2])


def test_chance_is_far_below_a_perfect_match_and_keeps_sizes():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    perfect = clustering_metrics(labels, labels)
    assert set(perfect.values()) == {1.0}
    floors = chance_clusters(labels, labels)
    assert floors["one cluster"]["acc"] == 0.6 and floors["one cluster"]["nmi"] == 0
    random = floors["random clusters of the same sizes"]
    # Of equal sizes: .6 * .6 + .3 * .3 + .1 * .1, and a little more, since the best match counts.
    assert 0.44 < random["acc"] < 0.56 and abs(random["ari"]) < 0.03
    assert floors == chance_clusters(labels, labels)


def test_the_silhouette_by_hand_and_where_there_is_none(monkeypatch):
    X, clusters = np.array([[0.0], [2.0], [7.0], [7.0]]), [0, 0, 1, 1]
    assert silhouette(X, clusters) == pytest.approx(np.mean([5 / 7, 3 / 5, 1, 1]))
    assert np.isnan(silhouette(X, [0, 0, 0, 0])) and np.isnan(silhouette(X, [0, 1, 2, 3]))
    many = np.repeat(X, 20, axis=0)
    every = silhouette(many, np.repeat(clusters, 20))
    monkeypatch.setattr("mmkeras.evaluation.clustering.SILHOUETTE_ROWS", 40)
    assert silhouette(many, np.repeat(clusters, 20)) == pytest.approx(every, abs=0.05)
