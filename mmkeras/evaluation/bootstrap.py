"""The bootstrap over test rows and seeds: intervals of a mean, and of the difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Numbers held at a time while drawing: 32 MiB.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Difference:
    """How far two models are apart.

    Args:
        difference: The mean of the first less that of the second.
        low: Where its 95 % interval begins.
        high: Where it ends.
        p_value: Two-sided, for there being no difference; never 0.
    """

    difference: float
    low: float
    high: float
    p_value: float


def compare_paired(
    score_a: np.ndarray,
    score_b: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> Difference:
    """The mean difference of two models on the same rows, by the paired bootstrap.

    Rows, or whole groups of rows, are drawn with replacement, the same for both models. Of
    scores `(seeds, rows)` the seeds are drawn with replacement too, so that the interval speaks of
    new rows and of new seeds. They are drawn for each model by itself: run 3 of one model and run 3
    of another start from weights of their own, and that both are called 3 pairs nothing. (Where a
    seed does have something in common, the interval is somewhat too wide, not too narrow.) With `n`
    seeds the bootstrap sees `(n - 1) / n` of the variance between seeds; with two or three the
    interval is too narrow, and with one, the seeds have no part in it.

    The interval lies between the 2.5 and 97.5 % quantiles of the differences drawn, `d`, and

        p = min(1, 2 (1 + min(#(d <= 0), #(d >= 0))) / (draws + 1))

    Args:
        score_a: What the first model gets: for each row, `(rows,)`, right or wrong or the share of
            seeds with which it is right; or for each seed and row, `(seeds, rows)`.
        score_b: The same of the second; the rows are the same, the number of seeds need not be.
        groups: A name for each row; rows of one name are drawn together.
        draws: How often.
        seed: Decides the draws.

    Example:

    >>> result = compare_paired(np.ones((3, 50)), np.zeros((5, 50)), draws=999)
    >>> result
    Difference(difference=1.0, low=1.0, high=1.0, p_value=0.002)

    References:
        - Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapters 13 and 16.
        - Davison and Hinkley, "Bootstrap methods and their application", 1997, section 4.2 (the 1
          that is added to either count).
    """
    a, b = _seeds_and_rows(score_a), _seeds_and_rows(score_b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            "Two models are compared on the same rows, one number per row. Received: shapes "
            f"{np.shape(score_a)} and {np.shape(score_b)}."
        )
    means = _bootstrap_means([a, b], groups, draws, seed)
    drawn = means[:, 0] - means[:, 1]
    # What rounding leaves of equal sums is not a difference.
    drawn[np.abs(drawn) < 1e-12 * max(np.abs(a).max(), np.abs(b).max())] = 0.0
    low, high = np.quantile(drawn, [0.025, 0.975])
    tail = 1 + min((drawn <= 0).sum(), (drawn >= 0).sum())
    p_value = min(1.0, 2 * tail / (draws + 1))
    return Difference(float(a.mean() - b.mean()), float(low), float(high), float(p_value))


def paired_bootstrap(
    score_a: np.ndarray,
    score_b: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """`(difference, low, high)` of `compare_paired`, which takes the same arguments.

    Example:

    >>> paired_bootstrap(np.ones(50), np.zeros(50))
    (1.0, 1.0, 1.0)
    """
    result = compare_paired(score_a, score_b, groups=groups, draws=draws, seed=seed)
    return result.difference, result.low, result.high


def bootstrap_interval(
    scores: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """One model's mean score, with its 95 % interval over new rows and, if given, new seeds.

    Args:
        scores: `(rows,)` or `(seeds, rows)`; this and the rest as for `compare_paired`.
        groups: A name for each row.
        draws: How often.
        seed: Decides the draws.

    Returns:
        `(mean, low, high)`.

    Example:

    >>> mean, low, high = bootstrap_interval(np.arange(100) < 80)
    >>> mean, round(low, 2), round(high, 2)
    (0.8, 0.72, 0.88)
    """
    scores = _seeds_and_rows(scores)
    low, high = np.quantile(_bootstrap_means([scores], groups, draws, seed), [0.025, 0.975])
    return float(scores.mean()), float(low), float(high)


def ratio_interval(
    scores: np.ndarray,
    base: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """How many times `base` the mean score is, with its 95 % interval over rows and seeds.

    In each draw both are means of the same rows: rows that are easy for one are so for the other.

    Args:
        scores: `(rows,)` or `(seeds, rows)`.
        base: Above 0, such as what chance gets of each row, `(rows,)`.
        groups, draws, seed: As for `compare_paired`.

    Returns:
        `(ratio, low, high)`.

    Example:

    >>> ratio_interval(np.array([1.0, 0.5, 0.5]), np.array([0.5, 0.25, 0.25]))
    (2.0, 2.0, 2.0)
    """
    scores, base = _seeds_and_rows(scores), _seeds_and_rows(base)
    if not (base > 0).all():
        raise ValueError(f"`base` is above 0 in each row. Received: {base.min()}.")
    means = _bootstrap_means([scores, base], groups, draws, seed)
    low, high = np.quantile(means[:, 0] / means[:, 1], [0.025, 0.975])
    return float(scores.mean() / base.mean()), float(low), float(high)


def _bootstrap_means(
    scores: Sequence[np.ndarray], groups: np.ndarray | None, draws: int, seed: int
) -> np.ndarray:
    """Each model's mean score in each draw, `(draws, models)`; the rows drawn are the same."""
    rows = scores[0].shape[1]
    table = np.vstack([*scores, np.ones((1, rows))])
    if groups is not None:
        if len(groups) != rows:
            raise ValueError(
                f"`groups` has a name for each row. Received: {len(groups)} names for {rows} rows."
            )
        codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
        table = np.stack([np.bincount(codes, weights=row) for row in table])
    # Rows (or groups) with the same scores are alike: only how many of them are drawn counts.
    kinds, alike = np.unique(table, axis=1, return_counts=True)
    units = table.shape[1]
    few = 8 * kinds.shape[1] < units
    table = (kinds if few else table).T
    random = np.random.default_rng(seed)
    # The seeds have draws of their own, so that one seed or several see the same rows.
    random_seeds = np.random.default_rng([seed, 1])
    means = np.empty((draws, len(scores)))
    chunk = max(1, _CHUNK // len(table))
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        if few:
            counts = random.multinomial(units, alike / units, size=size)
        else:
            drawn = random.integers(0, units, (size, units)) + units * np.arange(size)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        sums = counts.astype(np.float64) @ table
        first = 0
        for model, matrix in enumerate(scores):
            seeds = len(matrix)
            times = random_seeds.multinomial(seeds, np.full(seeds, 1 / seeds), size=size)
            total = (times * sums[:, first : first + seeds]).sum(axis=1)
            means[start : start + size, model] = total / (seeds * sums[:, -1])
            first += seeds
    return means


def _seeds_and_rows(scores: np.ndarray) -> np.ndarray:
    matrix = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(
            "Scores are finite numbers, (rows,) or (seeds, rows). Received: an array of shape "
            f"{np.shape(scores)}."
        )
    return matrix
