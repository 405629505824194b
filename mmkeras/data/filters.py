"""Which features to keep: by variance, mutual information, mRMR, or an L1-regularised model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from mmkeras.tasks import Task

_BINS = 8  # of numbers, equally frequent
_BLOCK = 512  # columns that are made dense at once
_PENALTIES = (0.01, 0.1, 1.0, 10.0)


def select_features(
    X: Any, targets: np.ndarray | None, method: str, keep: float, classes: bool = True
) -> np.ndarray:
    """The positions of the features to keep, in their order.

    - `"variance"`: those that vary most; needs no targets.
    - `"mutual_information"`: those that say most about the target, each by itself.
    - `"mrmr"`: one after the other, the one that says most about the target less what it has in
      common with those before, on average (minimal redundancy, maximal relevance).
    - `"l1"`: those with the largest weights in a linear model that sets most weights to 0; fewer
      than asked for, if it needs fewer.

    Information is counted with numbers in 8 equally frequent bins; of sparse features, in whether
    they are 0. With several targets, it is added up.

    Args:
        X: The training rows' features, `(rows, features)`, dense or sparse.
        targets: One-hot, multi-hot or numbers, `(rows, outputs)`.
        method: See above.
        keep: How many (from 1 on), or which share (below 1).
        classes: Whether targets are classes.

    Raises:
        ValueError: An unknown method; nothing to keep; a method that needs targets, without any.

    Example:

    >>> X = np.array([[0.0, 5.0, 1.0], [0.0, 1.0, 2.0], [1.0, 4.0, 3.0], [1.0, 2.0, 4.0]])
    >>> targets = np.eye(2)[[0, 0, 1, 1]]
    >>> select_features(X[:, :2], targets, "mutual_information", 1)
    array([0])

    References:
        - [Peng et al., 2005](https://doi.org/10.1109/TPAMI.2005.159) (mRMR)
        - [Tibshirani, 1996](https://doi.org/10.1111/j.2517-6161.1996.tb02080.x) (L1)
    """
    check_filter(method, keep)
    width = X.shape[1]
    number = min(width, max(1, round(keep * width) if keep < 1 else int(keep)))
    return np.sort(rank_features(X, targets, method, number, classes))


def rank_features(
    X: Any, targets: np.ndarray | None, method: str, number: int, classes: bool = True
) -> np.ndarray:
    """The positions of so many features, the best first; arguments as for `select_features`."""
    if targets is None and method != "variance":
        raise ValueError(
            f"The filter {method!r} needs a target to judge features by. Without one, only "
            "'variance' is possible."
        )
    return FILTERS[method](X, targets, number, classes)


def targets_of(task: Task | None, frame: pd.DataFrame) -> tuple[np.ndarray | None, bool]:
    """What filters judge features by: targets `(rows, outputs)`, and whether they are classes.

    There are none without a target, or where it is more than classes or numbers of a row.
    """
    if task is None or not task.suits_classical:
        return None, True
    return task.encode(frame), task.has_classes


def check_filter(method: str, keep: float) -> None:
    """Refuses a method or a number to keep that does not exist."""
    if method not in FILTERS:
        raise ValueError(f"A filter is one of {list(FILTERS)}. Received: {method!r}.")
    if not keep > 0 or (keep >= 1 and keep % 1):
        raise ValueError(
            f"`keep` is a number of features, or a share between 0 and 1. Received: {keep}."
        )


def check_filter_settings(owner: str, filter: str, keep: float | None) -> None:
    """Refuses a kind's settings `filter` and `keep` that do not exist or have no effect."""
    if filter == "none":
        if keep is not None:
            raise ValueError(f"{owner}: `keep` has no effect without a `filter`. Received: {keep}.")
    elif keep is None:
        raise ValueError(f"{owner}: `filter` needs `keep`: how many features, or which share.")
    else:
        check_filter(filter, keep)


def _by_variance(X: Any, targets: Any, number: int, classes: bool) -> np.ndarray:
    squares = X.multiply(X) if sparse.issparse(X) else np.square(X)
    means = np.asarray(X.mean(axis=0)).ravel()
    return _largest(np.asarray(squares.mean(axis=0)).ravel() - means**2, number)


def _by_information(X: Any, targets: np.ndarray, number: int, classes: bool) -> np.ndarray:
    return _largest(_relevance(X, targets, classes), number)


def _by_mrmr(X: Any, targets: np.ndarray, number: int, classes: bool) -> np.ndarray:
    relevance = _relevance(X, targets, classes)
    # Only of the best candidates is it asked what they have in common.
    candidates = _largest(relevance, min(len(relevance), max(10 * number, 200)))
    relevance, codes = relevance[candidates], _codes(X[:, candidates])
    chosen = [int(relevance.argmax())]
    redundancy = np.zeros(len(candidates))
    while len(chosen) < number:
        redundancy += _information(codes, _one_hot(codes[:, chosen[-1]]))
        score = relevance - redundancy / len(chosen)
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
    return candidates[chosen]


def _by_l1(X: Any, targets: np.ndarray, number: int, classes: bool) -> np.ndarray:
    # Reading a table needs no scikit-learn.
    from sklearn.preprocessing import StandardScaler

    X = StandardScaler(with_mean=not sparse.issparse(X)).fit_transform(X)
    weights = np.zeros(X.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights near the end of the path are good enough
        for penalty in _PENALTIES:
            weights = sum(
                np.abs(_sparse_weights(X, column, penalty, classes)) for column in targets.T
            )
            if np.count_nonzero(weights) >= number:
                break
    found = _largest(weights, number)
    return found[weights[found] > 0] if weights.any() else found


def _sparse_weights(X: Any, y: np.ndarray, penalty: float, classes: bool) -> np.ndarray:
    from sklearn.linear_model import Lasso
    from sklearn.svm import LinearSVC

    if len(np.unique(y)) < 2:
        return np.zeros(X.shape[1])
    if classes:
        model = LinearSVC(penalty="l1", dual=False, C=penalty / 10, tol=1e-3, random_state=0)
        return model.fit(X, y > 0.5).coef_[0]
    return Lasso(alpha=0.1 * y.std() / penalty, max_iter=300).fit(X, y).coef_


FILTERS: dict[str, Callable[[Any, Any, int, bool], np.ndarray]] = {
    "variance": _by_variance,
    "mutual_information": _by_information,
    "mrmr": _by_mrmr,
    "l1": _by_l1,
}


def _largest(scores: np.ndarray, number: int) -> np.ndarray:
    """Positions, the largest score first; of equal ones the first."""
    return np.argsort(-scores, kind="stable")[:number]


def _relevance(X: Any, targets: np.ndarray, classes: bool) -> np.ndarray:
    """What each feature says about the targets, in bits, `(features,)`."""
    if classes and np.allclose(targets.sum(axis=1), 1):
        outcomes = [targets]
    elif classes:
        outcomes = [np.stack([1 - column, column], axis=1) for column in targets.T]
    else:
        outcomes = [_one_hot(column) for column in _codes(targets).T]
    found = np.zeros(X.shape[1])
    for start in range(0, X.shape[1], _BLOCK):
        codes = _codes(X[:, start : start + _BLOCK])
        found[start : start + _BLOCK] = sum(_information(codes, each) for each in outcomes)
    return found


def _codes(X: Any) -> np.ndarray:
    """The bin of each number, integers `(rows, features)`."""
    if sparse.issparse(X):
        return (X.toarray() != 0).astype(np.int8)
    codes = np.empty(X.shape, np.int8)
    for place, column in enumerate(np.asarray(X, np.float64).T):
        edges = np.unique(np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1]))
        values = np.unique(column)
        few = len(values) <= _BINS
        codes[:, place] = np.searchsorted(values if few else edges, column, "left")
    return codes


def _one_hot(codes: np.ndarray) -> np.ndarray:
    return np.eye(int(codes.max()) + 1)[codes]


def _information(codes: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """The mutual information of each feature with an outcome, in bits, `(features,)`.

    Args:
        codes: `(rows, features)`.
        outcome: One-hot, `(rows, values)`.
    """
    rows = len(codes)
    share = outcome.mean(axis=0)
    bits = np.zeros(codes.shape[1])
    for code in range(int(codes.max()) + 1):
        joint = (codes == code).T.astype(np.float64) @ outcome / rows
        product = joint.sum(axis=1, keepdims=True) * share
        ratio = np.divide(joint, product, out=np.ones_like(joint), where=joint > 0)
        bits += (joint * np.log2(ratio)).sum(axis=1)
    return bits
