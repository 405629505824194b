"""Support vector machines on a weighted sum of kernels, one kernel or more per view."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.kernels.functions import Kernels, ViewKernel, fit_kernels
from mmkeras.classical.kernels.weights import (
    Solve,
    alignment_weights,
    classes_solver,
    combine,
    easy_weights,
    numbers_solver,
    simple_weights,
)
from mmkeras.classical.views import Views, ViewsMixin

KernelWeights = Literal["mean", "alignment", "independent_alignment", "simple", "easy"]

# Rows at once, of a kernel that is computed.
_CHUNK = 1000
# SimpleMKL stops at this duality gap, relative to the objective, or at so many machines.
_GAP, _FITS = 1e-3, 300


class _MultipleKernelMachine(ViewsMixin, BaseEstimator):
    """What classification and regression share: kernels, their weights, their sum."""

    accepts_sparse = True

    def _fit(self, views: list[Any], targets: np.ndarray, y: np.ndarray) -> Any:
        """Fits kernels, weights and the machine.

        Args:
            views: Each view's training rows.
            targets: `(rows, columns)`, what kernels are aligned with.
            y: What the machine learns.
        """
        if self.weights not in get_args(KernelWeights):
            raise ValueError(
                f"`weights` is one of {get_args(KernelWeights)}. Received: {self.weights!r}."
            )
        random = check_random_state(self.random_state)
        named = dict(zip(self.views_, views, strict=True))
        self.kernels_ = fit_kernels(named, self.kernel, self.widths, random)
        rows = len(y)
        self.approximate_ = rows > self.max_rows
        self._check_memory(rows)
        drawn = np.sort(random.permutation(rows)[: self.max_rows])
        if self.weights == "mean" or len(self.kernels_) == 1:
            grams = None
            weights = np.full(len(self.kernels_), 1 / len(self.kernels_))
        else:
            grams = [_gram(kernel, views[kernel.view][drawn]) for kernel in self.kernels_]
            weights = self._learn_weights(grams, targets[drawn], y[drawn])
        self._name_weights(weights)
        if self.approximate_:
            del grams
            self._fit_map(views, random)
            self.machine_ = self._linear_machine().fit(self._features(views), y)
        else:
            K = self._sum(views, views) if grams is None else combine(grams, weights)
            del grams
            self.machine_ = self._kernel_machine().fit(K, y)
            self._references = [view[self.machine_.support_] for view in views]
        return self

    def _learn_weights(
        self, grams: list[np.ndarray], targets: np.ndarray, y: np.ndarray
    ) -> np.ndarray:
        if self.weights == "simple":
            weights, self.duality_gap_, self.n_fits_ = simple_weights(
                grams, self._solver(y), tolerance=_GAP, max_fits=_FITS
            )
            if self.duality_gap_ > _GAP:
                warnings.warn(
                    f"SimpleMKL stopped after {self.n_fits_} machines at a duality gap of "
                    f"{self.duality_gap_:.2g}. A smaller C, or fewer kernels that are much alike, "
                    "make it easier.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
            return weights
        if self.weights == "easy":
            return self._easy(grams, y)
        return alignment_weights(grams, targets, together=self.weights == "alignment")

    def _name_weights(self, weights: np.ndarray) -> None:
        self._weights = weights
        self.kernel_weights_ = {
            kernel.name: float(weight)
            for kernel, weight in zip(self.kernels_, weights, strict=True)
        }
        self.weights_ = dict.fromkeys(self.views_, 0.0)
        names = list(self.views_)
        for kernel, weight in zip(self.kernels_, weights, strict=True):
            self.weights_[names[kernel.view]] += float(weight)

    def _check_memory(self, rows: int) -> None:
        """Refuses what would take more than `max_gigabytes`, before any of it is taken.

        Of r rows and k kernels: 4 r^2 k bytes to learn weights, 8 r^2 for the sum. Features are
        8 bytes each, and liblinear's copy of them 16.
        """
        kernels, exact = len(self.kernels_), min(rows, self.max_rows)
        learnt = 4 * exact**2 * kernels if self.weights != "mean" and kernels > 1 else 0
        bytes_ = learnt + (8 * exact**2 if learnt or not self.approximate_ else 0)
        if self.approximate_:
            bytes_ = max(bytes_, 24 * rows * kernels * min(self.n_components, rows))
        if bytes_ > self.max_gigabytes * 1e9:
            how = "Nyström features" if self.approximate_ else "exact kernels"
            raise ValueError(
                f"{kernels} kernels of {rows:,} rows would take {bytes_ / 1e9:.1f} GB as {how}; "
                f"`max_gigabytes` is {self.max_gigabytes:g}. Raise it, lower `max_rows` "
                f"(from {self.max_rows:,}; larger data get Nyström features, {self.n_components} "
                "per kernel: `n_components`), or give fewer kernels or widths."
            )

    def _active(self) -> list[tuple[ViewKernel, float]]:
        return [
            (kernel, weight)
            for kernel, weight in zip(self.kernels_, self._weights, strict=True)
            if weight > 0
        ]

    def _sum(self, views: list[Any], references: list[Any]) -> np.ndarray:
        """The weighted sum of the kernels, in double precision."""
        total = np.zeros((views[0].shape[0], references[0].shape[0]))
        for first in range(0, len(total), _CHUNK):
            part = slice(first, first + _CHUNK)
            for kernel, weight in self._active():
                x, z = views[kernel.view][part], references[kernel.view]
                total[part] += weight * kernel(x, z)
        return total

    def _fit_map(self, views: list[Any], random: np.random.RandomState) -> None:
        """Draws rows Z and finds `K(Z, Z)^(-1/2)` of each kernel (Williams and Seeger, 2001)."""
        drawn = np.sort(random.permutation(views[0].shape[0])[: self.n_components])
        self._references = [view[drawn] for view in views]
        self._maps = []
        for kernel, _ in self._active():
            z = self._references[kernel.view]
            values, vectors = np.linalg.eigh(kernel(z, z))
            kept = values > 1e-10 * values[-1]
            self._maps.append(vectors[:, kept] / np.sqrt(values[kept]) @ vectors[:, kept].T)

    def _features(self, views: list[Any]) -> np.ndarray:
        """`sqrt(w_k) K_k(X, Z) K_k(Z, Z)^(-1/2)` of all kernels, side by side."""
        return np.hstack(
            [
                np.sqrt(weight) * kernel(views[kernel.view], self._references[kernel.view]) @ whiten
                for (kernel, weight), whiten in zip(self._active(), self._maps, strict=True)
            ]
        )

    def _apply(self, X: Any, method: str) -> np.ndarray:
        """A method of the machine, on as many rows at once as fit."""
        check_is_fitted(self)
        views = self._views_of(X)
        found = []
        for first in range(0, views[0].shape[0], _CHUNK):
            part = [view[first : first + _CHUNK] for view in views]
            if self.approximate_:
                found.append(getattr(self.machine_, method)(self._features(part)))
            else:
                K = np.zeros((part[0].shape[0], self.machine_.shape_fit_[0]))
                K[:, self.machine_.support_] = self._sum(part, self._references)
                found.append(getattr(self.machine_, method)(K))
        return np.concatenate(found)


class MultipleKernelClassifier(ClassifierMixin, _MultipleKernelMachine):
    """A support vector machine on `K = sum_k w_k K_k`, one kernel or more per view.

    The views are alike or unlike in their own ways; the weights say how much each way counts.

    | `weights` | |
    |---|---|
    | `"mean"` | all kernels alike; hard to beat |
    | `"alignment"` | centred alignment of the sum with the classes (Cortes et al., 2012) |
    | `"independent_alignment"` | each kernel's own alignment |
    | `"simple"` | the least objective of the machine itself, a sparse choice (SimpleMKL) |
    | `"easy"` | the largest margin between distributions of the classes (EasyMKL) |

    Weights are not negative and sum to 1. Of several classes too there is one weight per kernel:
    the alignment is with the one-hot classes, SimpleMKL adds up the objectives of all pairs of
    classes, which share one kernel, EasyMKL is learnt for each class against the rest and averaged.
    The machine is scikit-learn's `SVC`, which decides between pairs of classes.

    SimpleMKL and EasyMKL (the more, the smaller `balance`) judge a kernel by how well it separates
    the training rows, which a view of many noisy features does too; alignment does not fall for it.

    Kernels are scaled to a variance of 1 in feature space. Features are not scaled: put a
    `StandardScaler` before, unless features of a view have one unit. There are no probabilities;
    `CalibratedClassifierCV` makes some of `decision_function`.

    Above `max_rows` rows the weights are learnt on the kernels of so many random rows, and each
    kernel becomes `n_components` Nyström features, on which a `LinearSVC` is fitted (squared hinge
    loss, each class against the rest).

    Args:
        kernel: `"linear"`, `"polynomial"` (degree 2), `"cosine"`, `"rbf"` or `"chi2"` (of features
            that are not negative), several of them, or one or several for each view by name.
        widths: One kernel for each with `"rbf"` and `"chi2"`: squared width in units of the median
            squared distance of training rows. 0.5 is about `gamma="scale"` of scikit-learn.
        weights: See above.
        C: How much an error costs.
        balance: lambda of EasyMKL, in (0, 1].
        max_rows: Above it, Nyström features replace kernels.
        n_components: Nyström features per kernel.
        max_gigabytes: Kernels or features that would take more are refused before they are made.
        views: Which columns are which view; see `resolve_views`.
        random_state: Draws rows, of which medians are taken, and of large data.

    Attributes:
        weights_: Each view's weight, by name.
        kernel_weights_: Each kernel's weight, by view, kernel and width.
        duality_gap_, n_fits_: With `weights="simple"`: the gap relative to the objective, at most
            1e-3, and how many machines it took.
        approximate_: Whether Nyström features replaced the kernels.
        classes_, views_: Class names; the views' names and columns.

    Example:

    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_wine(return_X_y=True)
    >>> X, views = StandardScaler().fit_transform(X), {"alcohol, flavanoids": [0, 6], "ash": [2, 3]}
    >>> machine = MultipleKernelClassifier(weights="alignment", views=views, random_state=0)
    >>> {view: round(weight, 1) for view, weight in machine.fit(X, y).weights_.items()}
    {'alcohol, flavanoids': 0.8, 'ash': 0.2}

    References:
        - [Gönen and Alpaydın, 2011](https://www.jmlr.org/papers/v12/gonen11a.html) (a survey)
        - [Cortes et al., 2012](https://www.jmlr.org/papers/v13/cortes12a.html) (alignment)
        - [Rakotomamonjy et al., 2008](https://www.jmlr.org/papers/v9/rakotomamonjy08a.html)
          (SimpleMKL; several classes, section 4.4)
        - [Aiolli and Donini, 2015](https://doi.org/10.1016/j.neucom.2014.11.078) (EasyMKL)
        - [Williams and Seeger, 2001](https://papers.nips.cc/paper/1866) (Nyström features)
    """

    def __init__(
        self,
        kernel: Kernels = "rbf",
        *,
        widths: Sequence[float] = (1.0,),
        weights: KernelWeights = "mean",
        C: float = 1.0,
        balance: float = 0.1,
        max_rows: int = 6000,
        n_components: int = 300,
        max_gigabytes: float = 2.0,
        views: Views = None,
        random_state: Any = None,
    ):
        self.kernel = kernel
        self.widths = widths
        self.weights = weights
        self.C = C
        self.balance = balance
        self.max_rows = max_rows
        self.n_components = n_components
        self.max_gigabytes = max_gigabytes
        self.views = views
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> MultipleKernelClassifier:
        """Learns from `X`, `(rows, features)`, and one class per row.

        Raises:
            ValueError: Kernels would take too much memory, or an argument makes no sense.
        """
        views, y = self._fit_views(X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("There must be at least two classes. Received: one class.")
        return self._fit(views, np.eye(len(self.classes_))[numbers], numbers)

    def decision_function(self, X: Any) -> np.ndarray:
        """How much speaks for each class, `(rows, classes)`; of two classes `(rows,)`."""
        return self._apply(X, "decision_function")

    def predict(self, X: Any) -> np.ndarray:
        """The class with the largest decision value, `(rows,)`."""
        predicted = self._apply(X, "predict")
        return self.classes_[predicted]

    def _solver(self, y: np.ndarray) -> Solve:
        return classes_solver(np.unique(y, return_inverse=True)[1], self.C)

    def _easy(self, grams: list[np.ndarray], y: np.ndarray) -> np.ndarray:
        return easy_weights(grams, np.unique(y, return_inverse=True)[1], self.balance)

    def _kernel_machine(self) -> SVC:
        return SVC(kernel="precomputed", C=self.C, break_ties=True)

    def _linear_machine(self) -> LinearSVC:
        return LinearSVC(C=self.C, dual="auto")


class MultipleKernelRegressor(RegressorMixin, _MultipleKernelMachine):
    """Support vector regression on `K = sum_k w_k K_k`, one kernel or more per view.

    As `MultipleKernelClassifier`, with scikit-learn's `SVR`; above `max_rows` rows with `LinearSVR`
    (squared loss outside the tube) on Nyström features. EasyMKL is for classes only. `C` and
    `epsilon` are in units of `y`.

    Args:
        kernel: As in `MultipleKernelClassifier`.
        widths: The same.
        weights: `"mean"`, `"alignment"`, `"independent_alignment"` or `"simple"`.
        C: How much an error costs.
        epsilon: Half the tube's width; errors inside cost nothing.
        max_rows: Above it, Nyström features replace kernels.
        n_components: Nyström features per kernel.
        max_gigabytes: Kernels or features that would take more are refused before they are made.
        views: Which columns are which view; see `resolve_views`.
        random_state: Draws rows, of which medians are taken, and of large data.

    Attributes:
        weights_, kernel_weights_, duality_gap_, n_fits_, approximate_, views_: As in
            `MultipleKernelClassifier`.

    References:
        - [Rakotomamonjy et al., 2008](https://www.jmlr.org/papers/v9/rakotomamonjy08a.html)
          (section 4.1, regression)
        - [Cortes et al., 2012](https://www.jmlr.org/papers/v13/cortes12a.html) (alignment)
    """

    def __init__(
        self,
        kernel: Kernels = "rbf",
        *,
        widths: Sequence[float] = (1.0,),
        weights: KernelWeights = "mean",
        C: float = 1.0,
        epsilon: float = 0.1,
        max_rows: int = 6000,
        n_components: int = 300,
        max_gigabytes: float = 2.0,
        views: Views = None,
        random_state: Any = None,
    ):
        self.kernel = kernel
        self.widths = widths
        self.weights = weights
        self.C = C
        self.epsilon = epsilon
        self.max_rows = max_rows
        self.n_components = n_components
        self.max_gigabytes = max_gigabytes
        self.views = views
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> MultipleKernelRegressor:
        """Learns from `X`, `(rows, features)`, and one number per row.

        Raises:
            ValueError: Kernels would take too much memory, or an argument makes no sense.
        """
        if self.weights == "easy":
            raise ValueError('weights="easy" is for classes. Give another of the weights.')
        views, y = self._fit_views(X, y, y_numeric=True)
        y = y.astype(np.float64)
        return self._fit(views, y[:, None], y)

    def predict(self, X: Any) -> np.ndarray:
        """A number per row, `(rows,)`."""
        return self._apply(X, "predict")

    def _solver(self, y: np.ndarray) -> Solve:
        return numbers_solver(y, self.C, self.epsilon)

    def _kernel_machine(self) -> SVR:
        return SVR(kernel="precomputed", C=self.C, epsilon=self.epsilon)

    def _linear_machine(self) -> LinearSVR:
        return LinearSVR(
            C=self.C, epsilon=self.epsilon, loss="squared_epsilon_insensitive", dual="auto"
        )


def _gram(kernel: ViewKernel, x: Any) -> np.ndarray:
    """A kernel of all pairs of rows, in single precision: there are several to hold at once."""
    K = np.empty((x.shape[0],) * 2, np.float32)
    for first in range(0, len(K), _CHUNK):
        part = slice(first, first + _CHUNK)
        K[part] = kernel(x[part], x)
    return K
