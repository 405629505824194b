"""Whether models differ by more than chance: McNemar, bootstrap, resampled t-test, Holm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student

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


def corrected_resampled_t_test(
    differences: Sequence[float] | np.ndarray, test_share: float
) -> tuple[float, float, float, float]:
    """The t-test for differences over folds or seeds, corrected for the rows that they share.

    With `k` differences of mean `d` and variance `s^2` (divided by `k - 1`):

        t = d / sqrt((1 / k + n_test / n_train) s^2),    k - 1 degrees of freedom

    Runs that train on overlapping rows resemble each other more than independent ones would, and
    the plain t-test, whose factor is `1 / k` alone, sees differences where there are none.

    Args:
        differences: Score of one model minus that of the other, on each fold or with each seed.
        test_share: `n_test / n_train`: for five folds 1 / 4.

    Returns:
        `(mean, low, high, p_value)`: the mean difference, its 95 % interval, the two-sided p-value.

    Raises:
        ValueError: There are fewer than two differences.

    Example:

    >>> mean, low, high, p = corrected_resampled_t_test([0.02, 0.03, 0.01, 0.02, 0.02], 1 / 4)
    >>> round(mean, 3), round(p, 3)
    (0.02, 0.014)

    References:
        - [Nadeau and Bengio, 2003](https://doi.org/10.1023/A:1024068626366) (section 3, the
          corrected resampled t-test)
    """
    differences = np.asarray(differences, np.float64)
    if differences.ndim != 1 or len(differences) < 2 or not test_share >= 0:
        raise ValueError(
            "A t-test needs two differences or more, and the share of test rows. Received: "
            f"{len(np.atleast_1d(differences))} difference(s) and test_share={test_share}."
        )
    mean = float(differences.mean())
    runs = len(differences)
    error = float(np.sqrt((1 / runs + test_share) * differences.var(ddof=1)))
    if error == 0:
        return mean, mean, mean, float(mean == 0)
    half = student.ppf(0.975, runs - 1) * error
    p_value = 2 * student.sf(abs(mean) / error, runs - 1)
    return mean, float(mean - half), float(mean + half), float(p_value)


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
            "Two models are compared on the same rows, one number per row. Received: shapes "
            f"{a.shape} and {b.shape}."
        )
    return a, b


__all__ = [
    "Difference",
    "bootstrap_interval",
    "compare_paired",
    "corrected_resampled_t_test",
    "holm",
    "mcnemar",
    "paired_bootstrap",
]
