"""Canonical correlation analysis of any number of views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import svd_flip

from mmkeras.classical.decomposition.scaled import standardised
from mmkeras.classical.views import Views, ViewsMixin


class GCCA(ViewsMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Generalised canonical correlations (MAX-VAR): what all views can predict.

    Finds uncorrelated variables G, `(rows, n_components)`, that linear models of each view
    predict best, all views taken together:

        min sum_v |G - X_v W_v|^2 + r_v |W_v|^2    with G'G = rows I

    G are the first eigenvectors of the sum over the views of P_v = X_v (X_v'X_v + r_v I)^(-1) X_v',
    X_v being centred. With two views and no ridge, the eigenvalues are 1 + the canonical
    correlations, and G the mean of both canonical variates. What a view alone has stays out, which
    PCA would keep.

    Args:
        n_components: How many variables.
        ridge: r_v, in units of the sum of squares of the view's centred entries (the view's
            total variance times the rows) per row. Without it, a view with as many columns as
            rows predicts anything.
        standardise: As of `ScaledViews`.
        views: Which columns are which view; see `mmkeras.classical.views`.

    Attributes:
        agreements_: `(n_components,)`, the eigenvalues over the number of views: 1 where all views
            predict the variable perfectly.
        directions_: For each view `(its columns, n_components)`, the W_v.

    Example:

    >>> random = np.random.default_rng(0)
    >>> common = random.normal(size=(200, 1))
    >>> X = np.hstack([common + 0.1 * random.normal(size=(200, 3)), random.normal(size=(200, 2))])
    >>> X = np.hstack([X, -common])
    >>> gcca = GCCA(1, views=[5, 1]).fit(X)
    >>> round(abs(np.corrcoef(gcca.transform(X)[:, 0], common[:, 0])[0, 1]), 2)
    1.0

    References:
        - [Kettenring, 1971](https://doi.org/10.1093/biomet/58.3.433) (MAXVAR)
        - [Carroll, 1968](https://doi.org/10.1037/e473742008-115) (P_v)
        - [Rastogi et al., 2015](https://doi.org/10.3115/v1/N15-1058) (eq. 1 to 4, the ridge and
          the singular value decompositions)
    """

    def __init__(
        self,
        n_components: int = 10,
        ridge: float = 0.1,
        standardise: bool | Sequence[str] = True,
        views: Views = None,
    ):
        self.n_components = n_components
        self.ridge = ridge
        self.standardise = standardise
        self.views = views

    def fit(self, X: Any, y: Any = None) -> GCCA:
        """Learns the directions from `X` of `(rows, features)`."""
        views = self._fit_views(X, ensure_min_samples=2)
        if self.n_components < 1:
            raise ValueError(f"`n_components` is at least 1. Received: {self.n_components}.")
        if not self.ridge >= 0:
            raise ValueError(f"`ridge` must not be negative. Received: {self.ridge}.")
        rows = len(views[0])
        chosen = standardised(self.standardise, self.views_)
        self.scalers_ = [
            StandardScaler(with_std=name in chosen).fit(view)
            for name, view in zip(self.views_, views, strict=True)
        ]
        bases, backs = [], []
        for scaler, view in zip(self.scalers_, views, strict=True):
            left, values, right = np.linalg.svd(scaler.transform(view), full_matrices=False)
            kept = values > 1e-10 * max(values[0], 1e-300)
            left, values, right = left[:, kept], values[kept], right[kept]
            damped = np.sqrt(values**2 + self.ridge * (values**2).sum() / rows)
            bases.append(left * (values / damped))  # B_v with B_v B_v' = P_v
            backs.append(right.T / damped)
        variables, values, mixed = np.linalg.svd(np.hstack(bases), full_matrices=False)
        if not 1 <= self.n_components <= np.sum(values > 1e-10):
            raise ValueError(
                f"`n_components` is at most {np.sum(values > 1e-10)}, the rank of the centred "
                f"rows. Received: {self.n_components}."
            )
        variables, mixed = svd_flip(variables, mixed)
        values, mixed = values[: self.n_components], mixed[: self.n_components]
        self.agreements_ = values**2 / len(views)
        parts = np.split(mixed.T, np.cumsum([basis.shape[1] for basis in bases])[:-1])
        # W_v = (X_v'X_v + r_v I)^(-1) X_v'G, and B_v'G = M_v diag(values) sqrt(rows).
        self.directions_ = [
            back @ part * values * np.sqrt(rows) for back, part in zip(backs, parts, strict=True)
        ]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """G as all views together predict it, `(rows, n_components)`; exact on training rows."""
        views = self._views_of(X)
        predicted = sum(
            scaler.transform(view) @ directions
            for scaler, view, directions in zip(self.scalers_, views, self.directions_, strict=True)
        )
        return predicted / (len(views) * self.agreements_)

    @property
    def _n_features_out(self) -> int:
        return len(self.agreements_)
