"""Whether models differ by more than chance: McNemar's test, the bootstrap, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from mmkeras.evaluation.bootstrap import (
    Difference,
    bootstrap_interval,
    compare_paired,
    paired_bootstrap,
)


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


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjusts the p-values of several tests, so that one false alarm in all of them is as rare.

    With `p_(1) <= ... <= p_(m)` sorted:

        adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j))

    Whatever the tests have to do with each other, calling significant what is at most 0.05 after
    it makes any false call at all in at most 5 % of such families of tests.

    Args:
        p_values: One for each test.

    Returns:
        The adjusted ones, in the same order.

    Raises:
        ValueError: A p-value is not between 0 and 1.

    Example:

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]

    References:
        - Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    if p_values.ndim != 1 or not np.all((p_values >= 0) & (p_values <= 1)):
        raise ValueError(f"p-values are a list of numbers from 0 to 1. Received: {p_values}.")
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def _same_rows(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(
            "Two models are compared on the same rows, one number a row. Received: shapes "
            f"{a.shape} and {b.shape}."
        )
    return a, b


__all__ = [
    "Difference",
    "bootstrap_interval",
    "compare_paired",
    "holm",
    "mcnemar",
    "paired_bootstrap",
]
