"""What simple models make of the sources: ridge, kernel ridge, and the nearest training row's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from sklearn.model_selection import GroupKFold, KFold

from mmkeras.classical.features.modality_features import ModalityFeatures
from mmkeras.classical.floor.answers import scaled, side_by_side
from mmkeras.data.tables.splits import Splits
from mmkeras.schema import Schema
from mmkeras.studies.conversion.rows import VectorFeatures
from mmkeras.tasks import Task

_FOLDS = 3
_ALPHAS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0)  # gamma of the RBF kernel, where the mean squared distance is 2
RIDGE, KERNEL_RIDGE, NEAREST = "ridge", "kernel ridge (rbf)", "nearest training row"

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class FloorAnswers:
    """What a simple model answers.

    Args:
        method: Its name.
        setting: What was chosen on inner folds of the training rows, in words.
        outputs: Its answers for the test rows, in the target's own unit.
        cells: The same as cells of a table.
    """

    method: str
    setting: str
    outputs: np.ndarray
    cells: np.ndarray


def floors(splits: Splits, schema: Schema, task: Task, seed: int = 0) -> Iterator[FloorAnswers]:
    """The floors under a conversion, on the same rows.

    They learn from the training and the validation rows: with nothing to stop, they need no rows
    for that. The sources' features are scikit-learn's for each kind (`ModalityFeatures`), each
    modality scaled to the same total variance. Settings are those with the best main figure on
    inner folds. Of a text, ridge and kernel ridge give features, and the answer is the training
    text whose features are nearest to them.

    Args:
        splits: The rows, with target.
        schema: Sources and target.
        task: The fitted target.
        seed: Decides the folds.
    """
    known = pd.concat([splits.train, splits.validation])
    X, X_test = _source_features(known, splits.test, schema)
    targets = task.encode(known, schema.id)
    nearest = _nearest(X_test, X)
    yield FloorAnswers(
        NEAREST, "", task.own_unit(targets[nearest]), task.decode(task.fed(targets)[nearest])
    )
    answering = _TextAnswers(task, known) if task.kind == "text" else _ArrayAnswers(task, known)
    folds = list(_folds(known, schema, seed))
    for method, kernels in (
        (RIDGE, {"": _linear}),
        (KERNEL_RIDGE, {f"gamma {width}, ": _rbf(width / len(schema.names)) for width in _WIDTHS}),
    ):
        scores: dict[tuple[str, float], list[float]] = {}
        for name, kernel in kernels.items():
            for train, held in folds:
                made = kernel_ridge(kernel, X[train], answering.y[train], X[held], _ALPHAS)
                for alpha, values in made.items():
                    scores.setdefault((name, alpha), []).append(answering.score(values, held))
        name, alpha = max(scores, key=lambda setting: float(np.mean(scores[setting])))
        made = kernel_ridge(kernels[name], X, answering.y, X_test, (alpha,))
        outputs, cells = answering.of(made[alpha])
        yield FloorAnswers(method, f"{name}alpha {alpha:g}", outputs, cells)


def kernel_ridge(
    kernel: Kernel,
    X: np.ndarray,
    y: np.ndarray,
    X_test: np.ndarray,
    alphas: tuple[float, ...],
) -> dict[float, np.ndarray]:
    """Kernel ridge regression with several penalties, from one eigendecomposition.

        y' = mean(y) + k(X', X) (k(X, X) + alpha I)^-1 (y - mean(y))

    Args:
        kernel: Gives `k`.
        X: `(rows, features)`.
        y: `(rows, numbers)`.
        X_test: `(test rows, features)`.
        alphas: The penalties.

    Returns:
        By penalty, `(test rows, numbers)`.

    Example:

    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> kernel_ridge(lambda a, b: a @ b.T, X - 1, 3 * X, X - 1, (1e-9,))[1e-9].round(3).ravel()
    array([0., 3., 6.])

    References:
        - [Saunders, Gammerman and Vovk, 1998](https://eprints.soton.ac.uk/258942/)
    """
    mean = y.mean(axis=0)
    values, vectors = eigh(kernel(X, X))
    rotated, across = vectors.T @ (y - mean), kernel(X_test, X) @ vectors
    return {
        alpha: mean + across @ (rotated / (np.maximum(values, 0) + alpha)[:, None])
        for alpha in alphas
    }


def _linear(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first @ second.T


def _rbf(gamma: float) -> Kernel:
    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.exp(-gamma * _squared_distances(first, second))

    return kernel


def _squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    squares = [np.square(each).sum(axis=1) for each in (first, second)]
    return np.maximum(squares[0][:, None] + squares[1] - 2 * first @ second.T, 0)


def _nearest(queries: np.ndarray, known: np.ndarray) -> np.ndarray:
    return _squared_distances(queries, known).argmin(axis=1)


def _source_features(
    known: pd.DataFrame, test: pd.DataFrame, schema: Schema
) -> tuple[np.ndarray, np.ndarray]:
    """The sources' features, dense, centred, each modality of total variance 1."""
    features = ModalityFeatures(Schema(schema.modalities))
    matrices = [features.fit_transform(known), features.transform(test)]
    dense = [each.toarray() if hasattr(each, "toarray") else each for each in matrices]
    views = [[each[:, columns] for columns in features.views_.values()] for each in dense]
    scales = scaled(views[0])
    X, X_test = (side_by_side(each, scales) for each in views)
    return X - X.mean(axis=0), X_test - X.mean(axis=0)


def _folds(
    known: pd.DataFrame, schema: Schema, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if schema.group is None:
        return KFold(_FOLDS, shuffle=True, random_state=seed).split(known)
    groups = known[schema.group].astype(str).to_numpy()
    return GroupKFold(_FOLDS, shuffle=True, random_state=seed).split(known, groups=groups)


class _ArrayAnswers:
    """Answers that are numbers, which ridge regression gives itself."""

    def __init__(self, task: Task, known: pd.DataFrame):
        self._task, self._targets = task, task.encode(known)
        self._fed = task.fed(self._targets)
        self.y = self._fed.reshape(len(known), -1).astype(np.float64)

    def score(self, made: np.ndarray, held: np.ndarray) -> float:
        own = self._task.own_unit
        return self._task.main_score(own(self._targets[held]), own(self._shaped(made)))

    def of(self, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = self._shaped(made)
        return self._task.own_unit(outputs), self._task.decode(outputs)

    def _shaped(self, made: np.ndarray) -> np.ndarray:
        return made.reshape(len(made), *self._fed.shape[1:])


class _TextAnswers:
    """Answers that are texts: of the training texts, those whose features are nearest."""

    def __init__(self, task: Task, known: pd.DataFrame):
        self._features = VectorFeatures([task.target], known)
        self.y, self._texts = self._features(known), task.own_unit(task.encode(known))

    def score(self, made: np.ndarray, held: np.ndarray) -> float:
        """R² of the features: texts of other rows are never quite right."""
        errors = np.square(self.y[held] - made).sum()
        return 1 - errors / np.square(self.y[held] - self.y[held].mean(axis=0)).sum()

    def of(self, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        texts = self._texts[_nearest(made, self.y)]
        return texts, texts
