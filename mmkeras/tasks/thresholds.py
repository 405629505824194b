"""From which probability a label applies, fitted on rows that the model was not trained on."""

from __future__ import annotations

import numpy as np

# As many rows with the label as the shared threshold counts for.
_PRIOR = 10.0


def fit_thresholds(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """For each label the threshold of the best F1, drawn towards a shared one where it is rare.

    With `s_k` the threshold at which label `k` has the best F1 (on ties the one nearest to one
    half), `n_k` the rows that have it, `s` the threshold of the best F1 of all labels together,
    `n` the rows' labels together, and `m = 10`:

        logit(t)   = n logit(s) / (n + m)
        logit(t_k) = (n_k logit(s_k) + m logit(t)) / (n_k + m)

    So a label that no row has takes the shared threshold, and without any label all are one half.

    Args:
        targets: 0 and 1, `(rows, labels)`.
        outputs: Probabilities, `(rows, labels)`.

    Returns:
        `(labels,)`, each above 0 and below 1.

    Example:

    >>> rare = np.array([[1, 0], [0, 0], [0, 0], [1, 0]] * 20)
    >>> probabilities = np.array([[0.3, 0.1], [0.1, 0.1], [0.2, 0.1], [0.4, 0.1]] * 20)
    >>> fit_thresholds(rare, probabilities).round(2).tolist()
    [0.26, 0.29]

    References:
        - [Lipton, Elkan and Naryanaswamy, 2014](https://arxiv.org/abs/1402.1892) (the optimal
          threshold of F1 is half the best F1, and so low for rare labels)
    """
    true, said = targets >= 0.5, outputs.astype(np.float64)
    counts = true.sum(axis=0)
    shared = counts.sum() * _logit(_best(true.ravel(), said.ravel())) / (counts.sum() + _PRIOR)
    own = np.array([_logit(_best(*each)) for each in zip(true.T, said.T, strict=True)])
    logits = (counts * own + _PRIOR * shared) / (counts + _PRIOR)
    return 1 / (1 + np.exp(-logits))


def _best(true: np.ndarray, said: np.ndarray) -> float:
    """The threshold of the best F1: halfway between two neighbouring probabilities."""
    if not true.any():
        return 0.5
    order = np.argsort(-said, kind="stable")
    scores, found = said[order], true[order].cumsum()
    f1 = 2 * found / (np.arange(1, len(said) + 1) + true.sum())
    ends = np.flatnonzero(np.append(scores[:-1] != scores[1:], True))
    halfway = (scores[ends] + np.append(scores[ends[1:]], 0.0)) / 2
    best = f1[ends] == f1[ends].max()
    return float(min(halfway[best], key=lambda limit: abs(limit - 0.5)))


def _logit(share: float) -> float:
    share = min(max(share, 1e-4), 1 - 1e-4)
    return float(np.log(share / (1 - share)))
