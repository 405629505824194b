"""How well queries of one modality find items of another: ranks, recall, average precision."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def retrieval_metrics(
    similarity: np.ndarray, relevant: np.ndarray, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
    """The figures of a search in which each query ranks all items, the most similar first.

    Items of equal similarity count against the model: a query's rank is that of its first relevant
    item behind all others that are as similar, so that a model which gives all items the same
    similarity finds nothing. Average precision takes equal ones together, as scikit-learn's
    `average_precision_score` does.

    A query's average precision is the mean, over its relevant items R, of the precision among the
    items ranked as high or higher:

        AP = 1/|R| sum_{r in R} |{s in R: rank(s) <= rank(r)}| / rank(r)

    Args:
        similarity: `(queries, items)`.
        relevant: Boolean `(queries, items)`: `np.eye(rows, dtype=bool)` where each query looks
            for its own row, `same_class(labels, labels)` where any of its class will do. Queries
            without a relevant item are left out.
        ks: For `recall@k`.

    Returns:
        `recall@k`, the share of queries with a relevant item among the first k; `mean_rank` and
        `median_rank` of the first relevant item, from 1; and `map`, the mean average precision.

    Raises:
        ValueError: The arrays differ in shape, hold no relevant item, or a similarity is NaN.

    Example:

    >>> similarity = np.array([[0.9, 0.1], [0.8, 0.3]])
    >>> retrieval_metrics(similarity, np.eye(2, dtype=bool), ks=(1,))
    {'recall@1': 0.5, 'mean_rank': 1.5, 'median_rank': 1.5, 'map': 0.75}
    """
    similarity, relevant = _checked(np.asarray(similarity), relevant)
    if np.isnan(similarity).any():
        raise ValueError(f"{int(np.isnan(similarity).sum()):,} similarities are NaN.")
    best = np.where(relevant, similarity, -np.inf).max(axis=1, keepdims=True)
    ranks = 1 + (~relevant & (similarity >= best)).sum(axis=1)
    return {
        **{f"recall@{k}": float(np.mean(ranks <= k)) for k in ks},
        "mean_rank": float(ranks.mean()),
        "median_rank": float(np.median(ranks)),
        "map": float(average_precision(similarity, relevant).mean()),
    }


def average_precision(similarity: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Each query's average precision, `(queries,)`; see `retrieval_metrics`."""
    order = np.argsort(-similarity, axis=1)
    ranked = np.take_along_axis(similarity, order, axis=1)
    hits = np.take_along_axis(relevant, order, axis=1)
    places = np.arange(similarity.shape[1])
    # For each place the last one of the same similarity.
    ends = np.where(np.diff(ranked, axis=1, append=-np.inf) != 0, places, len(places))
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(hits.cumsum(axis=1), ends, axis=1) / (ends + 1)
    return (precision * hits).sum(axis=1) / hits.sum(axis=1)


def chance_metrics(relevant: np.ndarray, ks: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """What `retrieval_metrics` gives on average if the items are in random order.

    Of `n` items `r` are relevant. The first is behind place `k` with probability
    `C(n - r, k) / C(n, k)`, on average at `(n + 1) / (r + 1)`; the expected average precision is
    `(H + (r - 1) / (n - 1) (n - H)) / n` with `H = 1 + 1/2 + ... + 1/n`.

    Args:
        relevant: As for `retrieval_metrics`.
        ks: For `recall@k`.

    Returns:
        The same figures; `median_rank` is the median over queries and orders.

    Example:

    >>> chance_metrics(np.eye(4, dtype=bool), ks=(1,))["recall@1"]
    0.25
    """
    _, relevant = _checked(np.zeros(np.shape(relevant)), relevant)
    n, r = relevant.shape[1], relevant.sum(axis=1)[:, None]
    places = np.arange(n)
    behind = np.cumprod(np.clip(n - r - places, 0, None) / (n - places), axis=1)
    found = 1 - behind.mean(axis=0)
    harmonic = np.sum(1 / (places + 1))
    precision = (harmonic + (r - 1) / max(n - 1, 1) * (n - harmonic)) / n
    return {
        **{f"recall@{k}": float(found[min(k, n) - 1]) for k in ks},
        "mean_rank": float(np.mean((n + 1) / (r + 1))),
        "median_rank": float(1 + np.argmax(found >= 0.5 - 1e-12)),
        "map": float(precision.mean()),
    }


def same_class(queries: Sequence, items: Sequence) -> np.ndarray:
    """Relevance by class: boolean `(queries, items)`, true where the labels are equal."""
    return np.asarray(queries)[:, None] == np.asarray(items)[None, :]


def search(vectors: Mapping[str, np.ndarray], labels: Sequence) -> list[dict[str, Any]]:
    """Searches every modality with every other, for the row's own partner and for its class.

    Args:
        vectors: By modality, `(rows, dim)`, of length 1, or zeros where the modality is absent;
            such rows are left out.
        labels: A class for each row.

    Returns:
        For each direction a dict: `direction` ("image to text"), and figures of
        `retrieval_metrics`: `recall@k` and `median_rank` for the row's own partner, `class
        recall@1` and `class map` for any row of its class.
    """
    labels, rows = np.asarray(labels), []
    for query, item in itertools.permutations(vectors, 2):
        there = vectors[query].any(axis=1) & vectors[item].any(axis=1)
        similarity = vectors[query][there] @ vectors[item][there].T
        own, same = (
            retrieval_metrics(similarity, relevant) for relevant in _relevances(labels[there])
        )
        rows.append({"direction": f"{query} to {item}", **_figures(own, same)})
    return rows


def chance(labels: Sequence) -> dict[str, float]:
    """The figures of `search` if the items are in random order."""
    return _figures(*(chance_metrics(relevant) for relevant in _relevances(np.asarray(labels))))


def _relevances(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.eye(len(labels), dtype=bool), same_class(labels, labels)


def _figures(own: Mapping[str, float], same: Mapping[str, float]) -> dict[str, float]:
    names = [name for name in own if name.startswith("recall@")] + ["median_rank"]
    return {
        **{name: own[name] for name in names},
        "class recall@1": same["recall@1"],
        "class map": same["map"],
    }


def _checked(similarity: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    relevant = np.asarray(relevant, bool)
    if similarity.shape != relevant.shape or relevant.ndim != 2:
        raise ValueError(
            "Similarity and relevance are (queries, items). Received: shapes "
            f"{similarity.shape} and {relevant.shape}."
        )
    asked = relevant.any(axis=1)
    if not asked.any():
        raise ValueError("No query has a relevant item.")
    return similarity[asked], relevant[asked]
