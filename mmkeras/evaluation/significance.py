"""Whether two models differ by more than chance: McNemar's test and the paired bootstrap."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """The exact two-sided p-value of McNemar's test.

    Of the rows that only one of two models gets right, `n01 + n10`, either model should get half
    if they were equally good. The test takes rows to be independent; where they come in groups
    (the utterances of a video), `paired_bootstrap` with `groups` is the one to ask.

    Args:
        right_a: Booleans `(rows,)`: which rows the first model gets right.
        right_b: The same of the second, on the same rows.

    Returns:
        The p-value; 1.0 if the models are right on the same rows.

    Example:

    >>> a = np.array([1, 1, 1, 1, 1, 1, 0, 1], bool)
    >>> b = np.array([0, 0, 0, 0, 0, 0, 0, 1], bool)
    >>> mcnemar(a, b)  # 6 to 0: 2 / 2**6
    0.03125

    References:
        - [McNemar, 1947](https://doi.org/10.1007/BF02295996)
    """
    right_a, right_b = _same_rows(right_a, right_b)
    only_a = int((right_a & ~right_b).sum())
    only_b = int((right_b & ~right_a).sum())
    if not only_a + only_b:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def paired_bootstrap(
    score_a: np.ndarray,
    score_b: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """The mean difference of two models on the same rows, with its 95 % interval.

    Rows, or whole groups of rows, are drawn anew with replacement, the same for both models; the
    interval is that between the 2.5 and 97.5 % quantiles of the differences.

    Args:
        score_a: What the first model gets for each row, `(rows,)`: right or wrong, or the share of
            seeds with which it is right.
        score_b: The same of the second.
        groups: A name for each row; rows of one name are drawn together.
        draws: How often.
        seed: Decides the draws.

    Returns:
        `(difference, low, high)`: mean of `score_a - score_b`, and its interval.

    Example:

    >>> difference, low, high = paired_bootstrap(np.ones(50), np.zeros(50))
    >>> difference, low, high
    (1.0, 1.0, 1.0)

    References:
        - Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.
    """
    score_a, score_b = _same_rows(score_a, score_b)
    difference = score_a.astype(np.float64) - score_b
    codes = np.arange(len(difference))
    if groups is not None:
        if len(groups) != len(difference):
            raise ValueError(
                f"`groups` has a name for each row. Received: {len(groups)} names for "
                f"{len(difference)} rows."
            )
        codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    sums = np.bincount(codes, weights=difference)
    counts = np.bincount(codes)
    random = np.random.default_rng(seed)
    means = np.empty(draws)
    for draw in range(draws):
        drawn = random.integers(0, len(sums), len(sums))
        means[draw] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)


def _same_rows(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(
            "Two models are compared on the same rows, one number a row. Received: shapes "
            f"{a.shape} and {b.shape}."
        )
    return a, b
