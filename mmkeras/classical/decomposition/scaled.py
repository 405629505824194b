"""Views side by side on one scale, so that none counts for more because it is wider."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.sparsefuncs import mean_variance_axis

from mmkeras.classical.views import Views, ViewsMixin


class ScaledViews(ViewsMixin, TransformerMixin, BaseEstimator):
    """Standardised views side by side, each divided by one number.

    A view of 1,000 columns outweighs one of 10 in every distance. With `weigh="width"`, each view
    is divided by the square root of its total variance, which is its number of (varying) columns,
    so that all views have the same, 1. With `weigh="spread"`, it is divided by its first singular
    value over the square root of the rows, so that all have the same variance, 1, in their
    strongest direction: a view of many copies of one measurement then counts as one measurement,
    and a view of many different ones for more.

    Args:
        views: Which columns are which view; see `mmkeras.classical.views`.
        weigh: width or spread.
        standardise: Whether columns are divided by their standard deviations first, or the names of
            the views in which they are. Not for weights of words, of which rare ones would become
            as large as frequent ones: such a view is divided as a whole only.

    Attributes:
        divisors_: What each view was divided by, by name.

    A sparse matrix, which only `weigh="width"` takes, is not centred.

    Example:

    >>> X = np.random.default_rng(0).normal(size=(50, 12))
    >>> scaled = ScaledViews(views=[10, 2]).fit_transform(X)
    >>> variances = scaled.var(axis=0)
    >>> round(variances[:10].sum(), 6), round(variances[10:].sum(), 6)
    (1.0, 1.0)

    References:
        - [Escofier & Pagès, 1994](https://doi.org/10.1016/0167-9473(94)90135-X) (spread: the
          weights of multiple factor analysis, section 3)
    """

    @property
    def accepts_sparse(self) -> bool:  # type: ignore[override]
        return self.weigh == "width"

    def __init__(
        self,
        views: Views = None,
        weigh: Literal["width", "spread"] = "width",
        standardise: bool | Sequence[str] = True,
    ):
        self.views = views
        self.weigh = weigh
        self.standardise = standardise

    def fit(self, X: Any, y: Any = None) -> ScaledViews:
        """Learns the columns' means and deviations, and the views' divisors."""
        views = self._fit_views(X)
        if self.weigh not in ("width", "spread"):
            raise ValueError(f'`weigh` is "width" or "spread". Received: {self.weigh!r}.')
        chosen = standardised(self.standardise, self.views_)
        self.scalers_, self.divisors_ = [], {}
        for name, view in zip(self.views_, views, strict=True):
            centre = not scipy.sparse.issparse(view)
            scaler = StandardScaler(with_mean=centre, with_std=name in chosen).fit(view)
            scaled = scaler.transform(view)
            if self.weigh == "spread":
                divisor = np.linalg.norm(scaled, 2) / np.sqrt(len(scaled))
            elif centre:
                divisor = np.sqrt(scaled.var(axis=0).sum())
            else:
                divisor = np.sqrt(mean_variance_axis(scaled, axis=0)[1].sum())
            self.scalers_.append(scaler)
            self.divisors_[name] = float(divisor) or 1.0
        return self

    def transform(self, X: Any) -> Any:
        """The columns of all views, `(rows, columns)`, the first view's first."""
        views = self._views_of(X)
        parts = [
            scaler.transform(view) / divisor
            for scaler, view, divisor in zip(
                self.scalers_, views, self.divisors_.values(), strict=True
            )
        ]
        if scipy.sparse.issparse(parts[0]):
            return scipy.sparse.hstack(parts, format="csr")
        return np.concatenate(parts, axis=1)


def standardised(standardise: bool | Sequence[str], views: Iterable[str]) -> list[str]:
    """The views whose columns are standardised, as the argument `standardise` says it."""
    views = list(views)
    if isinstance(standardise, bool | np.bool_):
        return views if standardise else []
    if isinstance(standardise, str) or set(standardise) - set(views):
        raise ValueError(
            f"`standardise` is True, False, or a list of some of the views {views}. Received: "
            f"{standardise!r}."
        )
    return list(standardise)
