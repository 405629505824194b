"""How much each kernel counts: mean, centred alignment, SimpleMKL, EasyMKL.

Kernels are a list of `(rows, rows)` arrays. Weights are not negative and sum to 1.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize, nnls
from sklearn.svm import SVC, SVR

# A support vector machine on a kernel: the linear part of its dual objective, and its dual
# coefficients with the targets' signs, `(rows, problems)`. The quadratic part follows from these.
Solve = Callable[[np.ndarray], tuple[float, np.ndarray]]


class SimpleMKL(NamedTuple):
    """Weights, the duality gap relative to the objective, and the number of machines fitted."""

    weights: np.ndarray
    gap: float
    fits: int


def combine(kernels: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """`sum_k w_k K_k` in double precision, without an array per kernel."""
    total = np.zeros(kernels[0].shape)
    for first in range(0, len(total), 500):
        rows = slice(first, first + 500)
        for kernel, weight in zip(kernels, weights, strict=True):
            if weight:
                total[rows] += weight * kernel[rows]
    return total


def alignment_weights(
    kernels: Sequence[np.ndarray], targets: np.ndarray, *, together: bool
) -> np.ndarray:
    """Weights by the centred alignment of kernels with the kernel of the targets, `T = t t'`.

    With `K^c` a kernel centred in feature space and `<A, B>` the sum of `A_ij B_ij`:

        independent:   w_k ~ max(0, <K_k^c, T> / |K_k^c|)
        together:      w   ~ argmin_{v >= 0} v' M v - 2 v' a,
                       M_kl = <K_k^c, K_l^c>,  a_k = <K_k^c, T>

    Together, kernels that say the same share one weight; the sum of kernels is then the one with
    the largest alignment. If no kernel is aligned with the targets, all count alike.

    Args:
        kernels: Each `(rows, rows)`.
        targets: `(rows, columns)`: one-hot classes, or numbers as one column. Several classes thus
            have one alignment, and one vector of weights.
        together: Which of the two.

    References:
        - [Cortes et al., 2012](https://www.jmlr.org/papers/v13/cortes12a.html) (`align`, section
          3.1, and `alignf`, proposition 9)
    """
    targets = targets - targets.mean(axis=0)
    M, a = _inner_products(kernels, targets)
    if together:
        # Scaled to unit diagonal for the sake of numbers; a little ridge for repeated kernels.
        size = np.sqrt(np.maximum(np.diag(M), np.finfo(float).tiny))
        R = np.linalg.cholesky(M / np.outer(size, size) + 1e-10 * np.eye(len(M)))
        weights = nnls(R.T, np.linalg.solve(R, a / size))[0] / size
    else:
        weights = np.maximum(a, 0) / np.sqrt(np.maximum(np.diag(M), np.finfo(float).tiny))
    return _to_simplex(weights)


def _inner_products(
    kernels: Sequence[np.ndarray], targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`<K_k^c, K_l^c>` and `<K_k^c, T>`, the centring done by means instead of on copies.

    `<K^c, L^c> = <K, L> - 2 n m_K . m_L + n^2 mean(K) mean(L)`, with `m` the means by row.
    """
    rows = len(kernels[0])
    means = np.array([kernel.mean(axis=1, dtype=np.float64) for kernel in kernels])
    M = np.zeros((len(kernels),) * 2)
    for k, left in enumerate(kernels):
        for other, right in enumerate(kernels[: k + 1]):
            inner = sum(
                float(np.vdot(left[i : i + 500], right[i : i + 500])) for i in range(0, rows, 500)
            )
            M[k, other] = M[other, k] = inner
    whole = means.mean(axis=1)
    M += rows**2 * np.outer(whole, whole) - 2 * rows * means @ means.T
    a = [float(np.sum(targets * (kernel @ targets))) for kernel in kernels]
    return M, np.array(a)


def simple_weights(
    kernels: Sequence[np.ndarray], solve: Solve, *, tolerance: float, max_fits: int
) -> SimpleMKL:
    """SimpleMKL: the weights with which a support vector machine has the least objective.

        min_w J(w),   J(w) = max_alpha sum_i alpha_i - 1/2 sum_k w_k q_k,   q_k = alpha' K_k alpha

    J is convex and smooth, with the gradient `-q_k / 2`. Over several problems (pairs of classes) J
    and q are sums. At the best weights `q_k` is the same for all kernels that count, and the
    duality gap `1/2 (max_k q_k - sum_k w_k q_k)` is 0.

    The paper goes along the reduced gradient of the simplex. SciPy's SLSQP does so in a metric that
    it learns on the way, without the zigzag: 8 machines instead of 76 for the six views of 500
    handwritten digits.

    Args:
        kernels: Each `(rows, rows)`.
        solve: Fits the machine.
        tolerance: The duality gap, relative to J, at which to stop.
        max_fits: So many machines at most.

    References:
        - [Rakotomamonjy et al., 2008](https://www.jmlr.org/papers/v9/rakotomamonjy08a.html)
          (equations 11 and 12; the gap, section 3.4)
    """
    start = np.full(len(kernels), 1 / len(kernels))
    best, fits, unit = SimpleMKL(start, np.inf, 0), 0, 1.0

    def at(point: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best, fits, unit
        weights = _to_simplex(np.where(point < 1e-6, 0, point))
        objective, q = _objective(kernels, weights, solve)
        unit = unit if fits else abs(objective) or 1.0
        fits += 1
        gap = 0.5 * float(q.max() - weights @ q) / max(abs(objective), float(np.finfo(float).tiny))
        if gap < best.gap:
            best = SimpleMKL(weights, gap, fits)
        if gap <= tolerance or fits >= max_fits:
            raise _EndOfSearch
        return objective / unit, -q / 2 / unit

    ones = np.ones(len(kernels))
    with contextlib.suppress(_EndOfSearch):
        minimize(
            at,
            start,
            jac=True,
            method="SLSQP",
            bounds=[(0.0, 1.0)] * len(kernels),
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: ones},
            options={"ftol": 1e-12, "maxiter": max_fits},
        )
    return best._replace(fits=fits)


class _EndOfSearch(Exception):
    """The weights are good enough, or took too long."""


def _objective(
    kernels: Sequence[np.ndarray], weights: np.ndarray, solve: Solve
) -> tuple[float, np.ndarray]:
    """J, and `q_k` of each kernel."""
    linear, dual = solve(combine(kernels, weights))
    single = dual.astype(kernels[0].dtype)
    q = np.array([float(np.sum(dual * (kernel @ single))) for kernel in kernels])
    return linear - 0.5 * float(weights @ q), q


def classes_solver(classes: np.ndarray, C: float) -> Solve:
    """Machines for classes numbered from 0: one problem for each pair of them, as in `SVC`."""

    def solve(K: np.ndarray) -> tuple[float, np.ndarray]:
        machine = SVC(kernel="precomputed", C=C, tol=1e-4).fit(K, classes)
        found = len(machine.classes_)
        starts = np.concatenate([[0], np.cumsum(machine.n_support_)])
        dual = np.zeros((len(K), found * (found - 1) // 2))
        # A pair's coefficients: libsvm keeps those of class i against j in the row of j, without i.
        for pair, (i, j) in enumerate(itertools.combinations(range(found), 2)):
            for own, row in ((i, j - 1), (j, i)):
                part = slice(starts[own], starts[own + 1])
                dual[machine.support_[part], pair] = machine.dual_coef_[row, part]
        return float(np.abs(dual).sum()), dual

    return solve


def numbers_solver(numbers: np.ndarray, C: float, epsilon: float) -> Solve:
    """Machines for a number per row, as in `SVR`."""

    def solve(K: np.ndarray) -> tuple[float, np.ndarray]:
        machine = SVR(kernel="precomputed", C=C, epsilon=epsilon, tol=1e-4).fit(K, numbers)
        dual = np.zeros((len(K), 1))
        dual[machine.support_, 0] = machine.dual_coef_[0]
        return float(numbers @ dual[:, 0] - epsilon * np.abs(dual).sum()), dual

    return solve


def easy_weights(kernels: Sequence[np.ndarray], classes: np.ndarray, balance: float) -> np.ndarray:
    """EasyMKL: the weights that maximise the margin between the classes' distributions.

    With `gamma` a distribution over the rows of each of the two classes and `y` their signs,

        gamma = argmin (1 - balance) gamma' Y (sum_k K_k / K) Y gamma + balance |gamma|^2
        w_k ~ gamma' Y K_k Y gamma

    The `gamma` are the nearest points of the two classes' convex hulls, which a support vector
    machine without slack on the kernel `sum_k K_k / K + balance / (1 - balance) I` finds, up to a
    factor. The method is for two classes. For more, each is held against the rest, and the weights
    of all are averaged: one vector again.

    Args:
        kernels: Each `(rows, rows)`.
        classes: Each row's class, as a number from 0.
        balance: lambda of the paper, in (0, 1]: 1 compares the classes' means.

    References:
        - [Aiolli and Donini, 2015](https://doi.org/10.1016/j.neucom.2014.11.078) (equations 7, 10)
    """
    if not 0 < balance <= 1:
        raise ValueError(f"`balance` is above 0 and at most 1. Received: {balance}.")
    K = combine(kernels, np.full(len(kernels), (1 - balance) / len(kernels)))
    K[np.diag_indices_from(K)] += balance
    # The scale of a kernel is that of its machine's coefficients, which libsvm's tolerance is for.
    K /= np.mean(np.diag(K))
    found = int(classes.max()) + 1
    weights = np.zeros(len(kernels))
    for label in [1] if found == 2 else range(found):
        machine = SVC(kernel="precomputed", C=1e6, tol=1e-4).fit(K, classes == label)
        dual = machine.dual_coef_[0] / machine.dual_coef_[0].clip(min=0).sum()
        used = machine.support_
        weights += _to_simplex(
            np.array([float(dual @ (kernel[np.ix_(used, used)] @ dual)) for kernel in kernels])
        )
    return _to_simplex(weights)


def _to_simplex(weights: np.ndarray) -> np.ndarray:
    """Scaled to a sum of 1; all alike if none is positive."""
    weights = np.maximum(weights, 0)
    return weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1 / len(weights))
