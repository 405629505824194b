"""Kernel PCA on the mean of the views' kernels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import KernelPCA
from sklearn.metrics.pairwise import cosine_similarity, linear_kernel, rbf_kernel
from sklearn.preprocessing import StandardScaler

from mmkeras.classical.views import Views, ViewsMixin

KERNELS = ("linear", "rbf", "cosine")


class MultiviewKernelPCA(
    ViewsMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Principal components in the feature space of the mean kernel, `K = 1/V sum_v K_v / t_v`.

    t_v is the total variance of the view in its feature space, the trace of the centred K_v over
    the rows, so that each view has as much to say. With linear kernels this is a PCA of the
    standardised views scaled by 1 / sqrt(width), as of `ScaledViews`; with others, components may
    be curved.

    Args:
        n_components: How many.
        kernel: linear and rbf, of the standardised columns, or cosine, of the columns as they are,
            for words' weights. The rbf's width is `gamma = 1 / columns`.
        views: Which columns are which view; see `mmkeras.classical.views`.
        random_state: Of scikit-learn's KernelPCA, which draws numbers for large matrices.

    Attributes:
        eigenvalues_: `(n_components,)`.
        traces_: t_v, by the view's name.

    Takes memory and time for all pairs of training rows, which it also keeps.

    Example:

    >>> X = np.random.default_rng(0).normal(size=(30, 5))
    >>> MultiviewKernelPCA(2, views=[3, 2]).fit_transform(X).shape
    (30, 2)

    References:
        - [Schölkopf et al., 1998](https://doi.org/10.1162/089976698300017467) (kernel PCA)
        - [Yu et al., 2012](https://doi.org/10.1109/TPAMI.2011.255) (the mean of kernels of equal
          trace, as clusterings are given it)
    """

    accepts_sparse = True

    def __init__(
        self,
        n_components: int = 2,
        kernel: Literal["linear", "rbf", "cosine"] = "linear",
        views: Views = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_components = n_components
        self.kernel = kernel
        self.views = views
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MultiviewKernelPCA:
        """Learns the components from `X` of `(rows, features)`."""
        views = self._fit_views(X, ensure_min_samples=2)
        if self.kernel not in KERNELS:
            raise ValueError(f"`kernel` is one of {KERNELS}. Received: {self.kernel!r}.")
        with_mean = not hasattr(views[0], "tocsr")
        self.scalers_ = [StandardScaler(with_mean=with_mean).fit(view) for view in views]
        self.rows_ = [self._prepared(place, view) for place, view in enumerate(views)]
        kernels = [self._kernel(rows, rows) for rows in self.rows_]
        traces = [float(np.trace(kernel) / len(kernel) - kernel.mean()) for kernel in kernels]
        self.traces_ = dict(zip(self.views_, traces, strict=True))
        self.pca_ = KernelPCA(
            self.n_components, kernel="precomputed", random_state=self.random_state
        ).fit(self._mean(kernels))
        self.eigenvalues_ = self.pca_.eigenvalues_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The coordinates of rows, `(rows, n_components)`."""
        kernels = [
            self._kernel(self._prepared(place, view), rows)
            for place, (view, rows) in enumerate(zip(self._views_of(X), self.rows_, strict=True))
        ]
        return self.pca_.transform(self._mean(kernels))

    def _prepared(self, place: int, view: Any) -> Any:
        return view if self.kernel == "cosine" else self.scalers_[place].transform(view)

    def _kernel(self, x: Any, y: Any) -> np.ndarray:
        if self.kernel == "rbf":
            return rbf_kernel(x, y)
        return (cosine_similarity if self.kernel == "cosine" else linear_kernel)(
            x, y, dense_output=True
        )

    def _mean(self, kernels: list[np.ndarray]) -> np.ndarray:
        traces = [trace if trace > 1e-12 else 1.0 for trace in self.traces_.values()]
        return sum(k / trace for k, trace in zip(kernels, traces, strict=True)) / len(kernels)

    @property
    def _n_features_out(self) -> int:
        return len(self.eigenvalues_)
