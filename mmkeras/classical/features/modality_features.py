"""From a table of pictures, texts, sounds and numbers to one matrix of features."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from mmkeras.classical.features.extractor import Extractor, PreparedFeatures
from mmkeras.classical.features.table import FEATURES
from mmkeras.classical.filters import ViewFilter
from mmkeras.data.kinds import KINDS
from mmkeras.data.kinds.protocols import FedRows, Fitted, Source
from mmkeras.data.tables.cells import missing_cells, row_name
from mmkeras.data.unprepared import empty_here_only
from mmkeras.schema import Modality, Schema

PRESENT = "present"
_MOST_SHOWN = 20


class ModalityFeatures(TransformerMixin, BaseEstimator):
    """Turns rows of a validated table into a matrix, the features of each modality side by side.

    What features there are says a table by kind (`FEATURES`): HOG and colours of images, TF-IDF of
    texts, statistics over time of sounds and sequences, and of other kinds the inputs that a deep
    model gets. Cells are read as for deep models, and everything is fitted on the rows given to
    `fit`, the training rows.

    A row that lacks a modality gets the training rows' mean of its features. Where training rows
    lack it, a column `modality__present` says which have it (1) and which do not (0).

    Args:
        schema: Which column is what. Its target is not read.
        settings: Preprocessing settings by modality, as for `mmkeras.fit_preprocessing`. A filter
            among them is for deep models; here it is the argument `filter`.
        extractors: By modality or by kind, an `Extractor` instead of the kind's own.
        filter: Keeps some of each modality's features; its `views` are not read. All but
            `ViewFilter("variance")` need `y`.

    Attributes:
        views_: Each modality's columns, a slice by name: an estimator's argument `views`.
        extractors_: The fitted extractor of each modality.
        empty_: By modality, how many training rows lack it.
        kept_: By modality, the positions of the features that the filter keeps of all.

    Raises:
        ValueError: A cell cannot be read, or no training row has a modality.

    Example:

    >>> import mmkeras
    >>> from mmkeras import Schema, Tabular, Text
    >>> frame = pd.DataFrame({"note": ["red apple", None, "green pear"], "weight": [150, 160, 170]})
    >>> schema = Schema([Text("note"), Tabular("facts", ["weight"])], None)
    >>> features = ModalityFeatures(schema)
    >>> features.fit_transform(mmkeras.read_table(frame, schema)).toarray().round(2)
    array([[ 0.71,  0.  ,  0.  ,  0.71,  1.  , -1.22],
           [ 0.35,  0.35,  0.35,  0.35,  0.  ,  0.  ],
           [ 0.  ,  0.71,  0.71,  0.  ,  1.  ,  1.22]])
    >>> features.views_
    {'note': slice(0, 5, None), 'facts': slice(5, 6, None)}
    >>> features.get_feature_names_out()[[0, 4, 5]]
    array(['note__apple', 'note__present', 'facts__weight'], dtype=object)
    """

    def __init__(
        self,
        schema: Schema,
        settings: Mapping[str, Any] | None = None,
        extractors: Mapping[str, Extractor] | None = None,
        filter: ViewFilter | None = None,
    ):
        self.filter = filter
        self.schema = schema
        self.settings = settings
        self.extractors = extractors

    def fit(self, X: pd.DataFrame, y: Any = None) -> ModalityFeatures:
        """Learns from training rows: vocabularies, means, scales."""
        self._fit(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: Any = None) -> Any:
        """The same, and returns the training rows' features."""
        return self._join(self._fit(X, y))

    def transform(self, X: pd.DataFrame) -> Any:
        """The features of rows, `(rows, features)`: CSR if any modality's are sparse.

        With `set_output(transform="pandas")` a DataFrame, whose columns are named
        `modality__feature`.
        """
        check_is_fitted(self)
        missing = missing_cells(X, self.schema)
        blocks = []
        for modality in self.schema.modalities:
            absent = missing[modality.name].to_numpy()
            if absent.any() and not self.empty_[modality.name]:
                _warn([empty_here_only(", ".join(modality.columns), absent)])
            cells = _read(X[~absent], modality, self.fitted_[modality.name])
            _warn(cells.unprepared())
            blocks.append(self._block(modality.name, self._features(modality.name, cells), absent))
        return self._join(blocks)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The columns' names, `modality__feature`."""
        check_is_fitted(self)
        return np.array(
            [
                f"{name}__{feature}"
                for name, extractor in self.extractors_.items()
                for feature in [
                    *(extractor.names_[place] for place in self.kept_[name]),
                    *[PRESENT] * bool(self.empty_[name]),
                ]
            ],
            dtype=object,
        )

    def _fit(self, X: pd.DataFrame, y: Any) -> list[Any]:
        """Fits everything; returns each modality's features."""
        self._check(X)
        missing = missing_cells(X, self.schema)
        self.extractors_: dict[str, Extractor] = {}
        self.fitted_: dict[str, Fitted] = {}
        self.means_: dict[str, np.ndarray] = {}
        self.sparse_: dict[str, bool] = {}
        self.kept_: dict[str, np.ndarray] = {}
        self.empty_ = {name: int(missing[name].sum()) for name in self.schema.names}
        self.views_: dict[str, slice] = {}
        blocks: list[Any] = []
        for modality in self.schema.modalities:
            name, kind = modality.name, KINDS[modality.kind]
            absent = missing[name].to_numpy()
            if absent.all():
                raise ValueError(f"No training row has the modality {name!r}.")
            rows = X[~absent]
            extractor = self._extractor(modality)
            own = extractor.settings((self.settings or {}).get(name)) or kind.settings()
            self.fitted_[name] = kind.preprocessor.fit(rows, modality, own)
            cells = _read(rows, modality, self.fitted_[name])
            self.extractors_[name] = extractor.fit(cells.values(), self.fitted_[name])
            self.kept_[name] = np.arange(len(extractor.names_))
            found = self._features(name, cells)
            if self.filter is not None:
                own_y = None if y is None else np.asarray(y)[~absent]
                selected = clone(self.filter).set_params(views=None).fit(found, own_y)
                self.kept_[name] = selected.get_support(indices=True)
                found = found[:, self.kept_[name]]
            self.sparse_[name] = sparse.issparse(found)
            self.means_[name] = np.asarray(found.mean(axis=0), np.float64).ravel()
            blocks.append(self._block(name, found, absent))
            start = sum(block.shape[1] for block in blocks[:-1])
            self.views_[name] = slice(start, start + blocks[-1].shape[1])
        return blocks

    def _check(self, X: pd.DataFrame) -> None:
        if not isinstance(X, pd.DataFrame) or not len(X):
            raise ValueError(
                "ModalityFeatures takes rows of a table, as `mmkeras.read_table` returns them. "
                f"Received: {type(X).__name__}{' without rows' if hasattr(X, 'columns') else ''}."
            )
        kinds = {modality.kind for modality in self.schema.modalities}
        for argument, known in (
            ("settings", set(self.schema.names)),
            ("extractors", {*self.schema.names, *kinds}),
        ):
            if unknown := sorted(set(getattr(self, argument) or {}) - known):
                raise ValueError(
                    f"`{argument}` has {unknown}, which would have no effect: the schema has "
                    f"{[f'{m.name} ({m.kind})' for m in self.schema.modalities]}."
                )
        if marked := [name for name in self.schema.names if "__" in name]:
            raise ValueError(
                f"The modality {marked[0]!r} has two underscores in its name, which divide a "
                "view's name from a feature's. Rename it."
            )

    def _extractor(self, modality: Modality) -> Extractor:
        given = self.extractors or {}
        own = given.get(modality.name, given.get(modality.kind))
        return FEATURES.get(modality.kind, PreparedFeatures)() if own is None else clone(own)

    def _features(self, name: str, cells: _Cells) -> Any:
        """The features of cells that are there, `(cells, features)`."""
        kept = self.kept_[name]
        if not len(cells.frame):
            none = np.zeros((0, len(kept)))
            return sparse.csr_matrix(none) if self.sparse_[name] else none
        found = self.extractors_[name].transform(cells.values())
        if sparse.issparse(found):
            return sparse.csr_matrix(found)[:, kept]
        return np.asarray(found, np.float64)[:, kept]

    def _block(self, name: str, found: Any, absent: np.ndarray) -> Any:
        """The features of all rows, those of absent modalities filled, and marked if need be."""
        if absent.any():
            filled = np.tile(self.means_[name], (int(absent.sum()), 1))
            # First the rows that are there, then the others; back in their order.
            order = np.argsort(np.concatenate([np.flatnonzero(~absent), np.flatnonzero(absent)]))
            found = _stack([found, filled], sparse.vstack, np.vstack)[order]
        if self.empty_[name]:
            found = _stack([found, ~absent[:, None] * 1.0], sparse.hstack, np.hstack)
        return found

    def _join(self, blocks: list[Any]) -> Any:
        joined = _stack(blocks, sparse.hstack, np.hstack)
        own = getattr(self, "_sklearn_output_config", {}).get("transform")
        # A DataFrame holds no sparse matrix.
        named = (own or get_config()["transform_output"]) != "default"
        return joined.toarray() if named and sparse.issparse(joined) else joined


@dataclass(frozen=True)
class _Cells:
    """One modality's cells in some rows, none of them empty."""

    frame: pd.DataFrame
    modality: Modality
    fitted: Fitted
    source: Source | None

    def values(self) -> Any:
        """What extractors get."""
        kind = KINDS[self.modality.kind]
        return kind.raw_values(self.frame, self.modality, self.fitted, self.source)

    def unprepared(self) -> list[Any]:
        if self.source is None:
            return []
        kind = KINDS[self.modality.kind]
        return kind.unprepared(self.frame, self.modality, self.fitted, self.source)


def _read(frame: pd.DataFrame, modality: Modality, fitted: Fitted) -> _Cells:
    """Reads or decodes cells.

    Raises:
        ValueError: Some cannot be read.
    """
    if not len(frame):
        return _Cells(frame, modality, fitted, None)
    kind, column = KINDS[modality.kind], modality.columns[0]
    store = kind.open_store(frame[column], fitted.settings, fitted=fitted, cache="memory")
    wrong = np.flatnonzero(~store.readable) if store is not None else np.array([], int)
    if len(wrong):
        said = [f"{row_name(frame, place)}: {store.reason(place)}" for place in wrong[:_MOST_SHOWN]]
        raise ValueError(
            f"{len(wrong)} cell(s) of column {column!r} cannot be read:\n  "
            + "\n  ".join(said)
            + "\nRepair them, or leave their rows out."
        )
    rows = FedRows(frame, np.arange(len(frame)))
    return _Cells(frame, modality, fitted, kind.source(rows, modality, fitted, store))


def _warn(found: list[Any]) -> None:
    for each in found:
        warnings.warn(f"The features do not take some cells as they are: {each}", stacklevel=3)


def _stack(blocks: list[Any], sparse_stack: Any, dense_stack: Any) -> Any:
    if any(sparse.issparse(block) for block in blocks):
        return sparse_stack([sparse.csr_matrix(block) for block in blocks], format="csr")
    return dense_stack(blocks)
