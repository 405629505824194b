"""Whether probabilities mean what they say: calibration errors, and a temperature to fix them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

_SMALLEST = 1e-12


def calibration_table(
    confidence: np.ndarray, right: np.ndarray, bins: int = 15, *, adaptive: bool = False
) -> pd.DataFrame:
    """How often answers of about one confidence are right; what a reliability diagram shows.

    Args:
        confidence: The probability of each answer, `(rows,)`.
        right: Whether it is right, `(rows,)`.
        bins: How many bins.
        adaptive: Bins of equally many rows; otherwise of equal width, from 0 to 1, each with its
            upper edge and without its lower one.

    Returns:
        A row for each bin with rows in it: `low`, `high`, `rows`, `confidence` and `accuracy`, the
        last two as means.

    Example:

    >>> table = calibration_table(np.array([0.9, 0.9, 0.6]), np.array([1, 0, 1]), bins=2)
    >>> table[["rows", "accuracy"]].round(2).to_dict("list")
    {'rows': [3], 'accuracy': [0.67]}
    """
    confidence = np.asarray(confidence, np.float64)
    right = np.asarray(right, np.float64)
    if confidence.shape != right.shape or confidence.ndim != 1 or not len(confidence):
        raise ValueError(
            "A confidence and whether it was right are needed for each row. Received: shapes "
            f"{confidence.shape} and {right.shape}."
        )
    if confidence.min() < 0 or confidence.max() > 1:
        raise ValueError(
            "Confidences are probabilities. Received: numbers from "
            f"{confidence.min():.3g} to {confidence.max():.3g}."
        )
    if adaptive:
        parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))
        edges = [(confidence[part[0]], confidence[part[-1]]) for part in parts]
    else:
        edges = [(i / bins, (i + 1) / bins) for i in range(bins)]
        # The upper edge belongs to a bin; 0 itself to the first.
        place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
        parts = [np.flatnonzero(place == i) for i in range(bins)]
    rows = [
        {
            "low": low,
            "high": high,
            "rows": len(part),
            "confidence": confidence[part].mean(),
            "accuracy": right[part].mean(),
        }
        for (low, high), part in zip(edges, parts, strict=True)
        if len(part)
    ]
    return pd.DataFrame(rows)


def calibration_error(
    confidence: np.ndarray, right: np.ndarray, bins: int = 15, *, adaptive: bool = False
) -> float:
    """The expected calibration error, ECE; with `adaptive`, over bins of equally many rows.

        ECE = sum_b n_b / n |accuracy(b) - confidence(b)|

    With few rows per bin it is above 0 also for a perfect model, by chance.

    Args:
        confidence, right, bins, adaptive: As for `calibration_table`.

    Example:

    >>> round(calibration_error(np.array([0.9, 0.9, 0.6]), np.array([1, 0, 1])), 3)
    0.4

    References:
        - [Guo et al., 2017](https://arxiv.org/abs/1706.04599) (equation 3)
        - [Nguyen and O'Connor, 2015](https://arxiv.org/abs/1508.05154) (section 4.2: bins of
          equally many rows)
    """
    table = calibration_table(confidence, right, bins, adaptive=adaptive)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((gaps * table["rows"]).sum() / table["rows"].sum())


def fit_temperature(targets: np.ndarray, outputs: np.ndarray) -> float:
    """The temperature of the least log loss, to be fitted on validation rows.

    Args:
        targets: One-hot rows, or multi-hot rows, `(rows, outputs)`.
        outputs: Probabilities: of one class each (rows that add up to 1), or of each label.

    Returns:
        `T` for `apply_temperature`, from 0.05 to 20. Above 1 the model was too sure of itself.

    References:
        - [Guo et al., 2017](https://arxiv.org/abs/1706.04599) (section 4.2)
    """

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(outputs, np.exp(log_temperature))
        if _is_distribution(outputs):
            return -np.log(np.maximum((scaled * targets).sum(axis=1), _SMALLEST)).mean()
        clipped = np.clip(scaled, _SMALLEST, 1 - _SMALLEST)
        return -(targets * np.log(clipped) + (1 - targets) * np.log1p(-clipped)).mean()

    bounds = (np.log(0.05), np.log(20))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def apply_temperature(outputs: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities at a temperature: `softmax(log p / T)`, or `sigmoid(logit(p) / T)` of labels.

    The most probable class stays the same.

    Args:
        outputs: Probabilities `(rows, outputs)`.
        temperature: Above 0; 1 changes nothing.

    Example:

    >>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    if not temperature > 0:
        raise ValueError(f"`temperature` must be above 0. Received: {temperature}.")
    outputs = np.asarray(outputs, np.float64)
    logs = np.log(np.maximum(outputs, _SMALLEST))
    if _is_distribution(outputs):
        return np.exp(log_softmax(logs / temperature, axis=1))
    logits = logs - np.log(np.maximum(1 - outputs, _SMALLEST))
    return 1 / (1 + np.exp(-logits / temperature))


def _is_distribution(outputs: np.ndarray) -> bool:
    """Whether each row's probabilities add up to 1: of classes, not of labels."""
    return outputs.shape[1] > 1 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3)
