"""Model-level fusion: the decisions of models that were trained apart, combined afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

Rule = Literal["mean", "product", "weights", "vote", "stacking"]

# How much the mean probability counts next to the votes, as in `mmkeras.fusion.LateFusion`.
_TIE_BREAK = 0.01
_SMALLEST = 1e-12


class LateEnsemble:
    """Combines the class probabilities of several models, by a fixed or a fitted rule.

    With `p_i` what model `i` of `n` predicts for a row, a distribution over the classes:

        mean:      p = 1/n sum_i p_i
        product:   p ~ prod_i p_i, made to add up to 1
        weights:   p = sum_i w_i p_i,    w_i >= 0, sum_i w_i = 1
        vote:      p = 0.99/n sum_i onehot(argmax p_i) + 0.01/n sum_i p_i
        stacking:  p = softmax(b + sum_i W_i log p_i)

    `weights` takes the `w` of the least log loss on the validation rows, which is a convex problem.
    In `vote` the mean probability decides between equal numbers of votes. `stacking` learns `W` and
    `b` by logistic regression (L2, C = 1), so that it can also mend what a model mixes up. These
    two are fitted on predictions for rows that the models were not trained on: on training rows the
    model that memorised most would seem the best.

    The first four are the rules of `mmkeras.fusion.LateFusion`, whose classifiers are trained
    together with the rule. For classification only; a label per step is a row like any other.

    Args:
        rule: `"mean"`, `"product"`, `"weights"`, `"vote"` or `"stacking"`.

    Attributes:
        weights_: After `fit` with `"weights"`: one for each model.
        stacker_: After `fit` with `"stacking"`: the scikit-learn model.

    Example:

    >>> text, image = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.7, 0.3], [0.8, 0.2]])
    >>> LateEnsemble("mean").predict_proba([text, image]).round(2).tolist()
    [[0.8, 0.2], [0.6, 0.4]]
    >>> LateEnsemble("weights").fit([text, image], [0, 1]).weights_.round(2).tolist()
    [1.0, 0.0]

    References:
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (the product, sum and majority
          vote rules)
        - [Wolpert, 1992](https://doi.org/10.1016/S0893-6080(05)80023-1) (stacking)
    """

    def __init__(self, rule: Rule):
        if rule not in get_args(Rule):
            raise ValueError(f"`rule` must be one of {get_args(Rule)}. Received: {rule!r}.")
        self.rule = rule

    def fit(self, probabilities: Sequence[np.ndarray], labels: np.ndarray) -> LateEnsemble:
        """Learns the rule's parameters, if it has any, on validation rows.

        Args:
            probabilities: For each model `(rows, classes)`.
            labels: Each row's class as a number from 0, `(rows,)`, or one-hot, `(rows, classes)`.

        Returns:
            Itself.

        Raises:
            ValueError: These are not class probabilities, or no labels for them; stacking needs
                rows of two classes.
        """
        stacked = _check(probabilities)
        labels = _class_numbers(labels, *stacked.shape[1:])
        if self.rule == "weights":
            self.weights_ = _best_weights(stacked[:, np.arange(len(labels)), labels])
        elif self.rule == "stacking":
            if len(np.unique(labels)) < 2:
                raise ValueError("Stacking learns from rows of two classes or more. Received one.")
            self.stacker_ = LogisticRegression(max_iter=1000).fit(_features(stacked), labels)
        self._shape = (stacked.shape[0], stacked.shape[2])
        return self

    def predict_proba(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """The combined probabilities.

        Args:
            probabilities: For each model, in the order of `fit`, `(rows, classes)`.

        Returns:
            `(rows, classes)`; with stacking, a class that no validation row had gets 0.

        Raises:
            ValueError: These are not class probabilities, or of other models than those of `fit`.
        """
        stacked = _check(probabilities)
        models, _, classes = stacked.shape
        fitted = getattr(self, "_shape", None)
        if fitted is None and self.rule in ("weights", "stacking"):
            raise ValueError(f"The rule {self.rule!r} is learnt from validation rows; call `fit`.")
        if fitted is not None and fitted != (models, classes):
            raise ValueError(
                f"The ensemble was fitted on {fitted[0]} models and {fitted[1]} classes. Received: "
                f"{models} models and {classes} classes."
            )
        if self.rule == "product":
            logs = np.log(np.maximum(stacked, _SMALLEST)).sum(axis=0)
            product = np.exp(logs - logs.max(axis=1, keepdims=True))
            return product / product.sum(axis=1, keepdims=True)
        if self.rule == "weights":
            return np.tensordot(self.weights_, stacked, axes=1)
        if self.rule == "vote":
            votes = np.eye(classes)[stacked.argmax(axis=2)].mean(axis=0)
            return (1 - _TIE_BREAK) * votes + _TIE_BREAK * stacked.mean(axis=0)
        if self.rule == "stacking":
            combined = np.zeros(stacked.shape[1:])
            combined[:, self.stacker_.classes_] = self.stacker_.predict_proba(_features(stacked))
            return combined
        return stacked.mean(axis=0)


def _best_weights(of_the_label: np.ndarray) -> np.ndarray:
    """The weights of the least log loss, from each model's probability of the right class."""
    of_the_label = np.maximum(of_the_label, _SMALLEST)
    models = len(of_the_label)

    def loss_and_gradient(weights):
        mixed = np.maximum(weights @ of_the_label, _SMALLEST)
        return -np.log(mixed).mean(), -(of_the_label / mixed).mean(axis=1)

    found = minimize(
        loss_and_gradient,
        np.full(models, 1 / models),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * models,
        constraints={
            "type": "eq",
            "fun": lambda weights: weights.sum() - 1,
            "jac": lambda weights: np.ones(models),
        },
        options={"ftol": 1e-10, "maxiter": 1000},
    )
    weights = np.clip(found.x, 0.0, 1.0)
    return weights / weights.sum()


def _features(stacked: np.ndarray) -> np.ndarray:
    """Log-probabilities, the models side by side: `(rows, models * classes)`."""
    logs = np.log(np.maximum(stacked, _SMALLEST))
    return logs.transpose(1, 0, 2).reshape(stacked.shape[1], -1)


def _check(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    arrays = [np.asarray(p, dtype=np.float64) for p in probabilities]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or arrays[0].ndim != 2 or arrays[0].shape[1] < 2:
        raise ValueError(
            "Give each model's probabilities of the same rows, (rows, classes) with two classes or "
            f"more. Received: shapes {[array.shape for array in arrays]}."
        )
    stacked = np.stack(arrays)
    if not (np.all(stacked >= 0) and np.allclose(stacked.sum(axis=2), 1, atol=1e-3)):
        raise ValueError(
            "An ensemble of decisions is for classification, where each row's probabilities add up "
            f"to 1. Received: numbers from {stacked.min():.3g} to {stacked.max():.3g}, with sums "
            f"from {stacked.sum(axis=2).min():.3g} to {stacked.sum(axis=2).max():.3g}."
        )
    return stacked


def _class_numbers(labels: np.ndarray, rows: int, classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape == (rows, classes):
        labels = labels.argmax(axis=1)
    whole = np.issubdtype(labels.dtype, np.integer)
    if labels.shape != (rows,) or not whole or not np.all((labels >= 0) & (labels < classes)):
        raise ValueError(
            f"`labels` are {rows} class numbers from 0 to {classes - 1}, or one-hot. Received: "
            f"{labels.dtype} of shape {labels.shape}."
        )
    return labels
