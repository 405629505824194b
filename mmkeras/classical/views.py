"""Several views in one matrix: which columns of `X` belong to which modality.

Every estimator here takes one `X` of shape `(rows, features)`, as scikit-learn's do, so that it
clones, works in pipelines and searches, and can be cross-validated. Its argument `views` says which
columns are which view; without it all columns are one view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

# What an estimator's argument `views` may be; see `resolve_views`.
Views = str | Mapping[str, Any] | Sequence[Any] | None


def resolve_views(
    views: Views, features: int, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The columns of each view.

    Args:
        views: One of

            - `None`: all columns are one view.
            - `"names"`: a column `text__cat` belongs to the view `text`, as `ModalityFeatures` and
              `ColumnTransformer` name their columns.
            - A list of widths, such as `[216, 76]`: the first 216 columns, the 76 after them.
            - A list, or a dict by view's name, of each view's columns: a slice, their positions,
              or their names. Columns of no view are left out.

        features: How many columns there are.
        names: What they are called, where they have names.

    Returns:
        The views' names (`view_0`, ... where they have none) and the positions of their columns.

    Raises:
        ValueError: A column does not exist, is in two views or is named although columns have no
            names; a view is empty; or widths do not sum to the number of columns.

    Example:

    >>> resolve_views([2, 1], features=3)
    {'view_0': array([0, 1]), 'view_1': array([2])}
    >>> resolve_views("names", 3, ["image__red", "image__blue", "text__cat"])
    {'image': array([0, 1]), 'text': array([2])}
    """
    if views is None:
        return {"view_0": np.arange(features)}
    names = None if names is None else [str(name) for name in names]
    if isinstance(views, str):
        return _by_prefix(views, names)
    if isinstance(views, Mapping):
        by_name = {str(name): columns for name, columns in views.items()}
    else:
        views = list(views)
        if views and all(_is_integer(width) for width in views):
            views = _by_width(views, features)
        by_name = {f"view_{place}": columns for place, columns in enumerate(views)}
    resolved = {view: _positions(view, c, features, names) for view, c in by_name.items()}
    _check_apart(resolved)
    return resolved


class ViewsMixin:
    """What estimators of several views share: they check `X` and take it apart.

    Left of `BaseEstimator` in a class that has an argument `views`.

    Attributes:
        views_: The views' names and the positions of their columns in `X`.
        n_features_in_: How many columns `X` has.
        feature_names_in_: Their names, where `X` is a DataFrame.

    Example:

    >>> from sklearn.base import BaseEstimator
    >>> class Widths(ViewsMixin, BaseEstimator):
    ...     def __init__(self, views=None):
    ...         self.views = views
    ...
    ...     def fit(self, X, y=None):
    ...         self.widths_ = [view.shape[1] for view in self._fit_views(X)]
    ...         return self
    >>> Widths(views={"image": slice(0, 3), "text": [3, 4]}).fit(np.ones((4, 5))).widths_
    [3, 2]
    """

    # Whether `X` may be sparse; views are then in CSR form.
    accepts_sparse: ClassVar[bool] = False
    views: Views

    def _fit_views(self, X: Any, y: Any = None, **checks: Any) -> Any:
        """Checks training rows; returns the views, or `(views, y)` where a `y` is given."""
        unlabelled = y is None and not get_tags(self).target_tags.required
        checked = validate_data(
            self, X, **({} if unlabelled else {"y": y}), **{**self._checks(), **checks}
        )
        X, y = (checked, None) if unlabelled else checked
        self.views_ = resolve_views(
            self.views, X.shape[1], getattr(self, "feature_names_in_", None)
        )
        return self._split(X) if y is None else (self._split(X), y)

    def _views_of(self, X: Any, **checks: Any) -> list[Any]:
        """Checks rows after training; returns the views, each `(rows, features)`."""
        check_is_fitted(self)
        return self._split(validate_data(self, X, reset=False, **{**self._checks(), **checks}))

    def _checks(self) -> dict[str, Any]:
        sparse = ["csr"] if self.accepts_sparse else False
        return {"accept_sparse": sparse, "dtype": [np.float64, np.float32]}

    def _split(self, X: Any) -> list[Any]:
        return [X[:, _as_slice(columns)] for columns in self.views_.values()]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.accepts_sparse
        return tags


def split_views(X: Any, views: Views, names: Sequence[str] | None = None) -> dict[str, Any]:
    """An array or sparse matrix taken apart; see `resolve_views`.

    Example:

    >>> {name: view.shape for name, view in split_views(np.ones((4, 5)), [3, 2]).items()}
    {'view_0': (4, 3), 'view_1': (4, 2)}
    """
    return {
        view: X[:, _as_slice(columns)]
        for view, columns in resolve_views(views, X.shape[1], names).items()
    }


def _by_prefix(views: str, names: list[str] | None) -> dict[str, np.ndarray]:
    if views != "names":
        raise ValueError(
            f'`views` is None, "names", a list or a dict; see `resolve_views`. Received: {views!r}.'
        )
    bare = [name for name in names or [] if "__" not in name]
    if names is None or bare:
        found = f"the column {bare[0]!r}" if bare else "columns without names"
        raise ValueError(
            'views="names" needs columns with names such as "text__cat", of a DataFrame. '
            f"Received: {found}."
        )
    prefixes = np.array([name.partition("__")[0] for name in names])
    return {str(view): np.flatnonzero(prefixes == view) for view in dict.fromkeys(prefixes)}


def _by_width(widths: list[int], features: int) -> list[slice]:
    if min(widths) < 1 or sum(widths) != features:
        raise ValueError(
            f"The widths in `views` are positive and sum to the number of columns, {features}. "
            f"Received: {widths}, which sum to {sum(widths)}."
        )
    ends = np.cumsum(widths)
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def _positions(view: str, columns: Any, features: int, names: list[str] | None) -> np.ndarray:
    """Where a view's columns are."""
    if isinstance(columns, slice):
        positions = np.arange(features)[columns]
    else:
        positions = [columns] if isinstance(columns, str) or _is_integer(columns) else list(columns)
        if any(isinstance(column, str) for column in positions):
            unknown = [column for column in positions if column not in (names or ())]
            if unknown:
                raise ValueError(
                    f"The view {view!r} has a column {unknown[0]!r}, and X has no such column"
                    f"{'' if names else ': its columns have no names'}."
                )
            positions = [names.index(column) for column in positions]
        positions = np.asarray(positions, dtype=np.intp).ravel()
        outside = positions[(positions < -features) | (positions >= features)]
        if len(outside):
            raise ValueError(
                f"The view {view!r} has a column {outside[0]}, and X has {features} columns."
            )
        positions = np.where(positions < 0, positions + features, positions)
    if not len(positions):
        raise ValueError(f"The view {view!r} has no columns. Received: {columns!r}.")
    return positions


def _check_apart(resolved: dict[str, np.ndarray]) -> None:
    if not resolved:
        raise ValueError("`views` names no view. Give None if all columns are one view.")
    owner: dict[int, str] = {}
    for view, positions in resolved.items():
        for position in positions.tolist():
            if position in owner:
                raise ValueError(f"Column {position} is in {owner[position]!r} and in {view!r}.")
            owner[position] = view


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _as_slice(columns: np.ndarray) -> slice | np.ndarray:
    """Neighbouring columns as a slice, which copies nothing."""
    first, last = int(columns[0]), int(columns[-1])
    if last - first + 1 == len(columns) and (np.diff(columns) == 1).all():
        return slice(first, last + 1)
    return columns
