"""Scale numbers by what the training rows hold: what a model gets is finite and of size 1."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

SCALINGS = ("standard", "robust", "log", "quantile")
# A value is far outside when it is this many times the training rows' range away from it.
FAR = 10.0
# Scaled numbers are cut here: any further from the training rows, and float32 may not hold them.
MOST_DEVIATIONS = 1e6
_MANY_ROWS = 20  # with fewer, what looks like a heavy tail may be one row
_HEAVY = 5.0  # deviation of all values over that of the middle 90 %; 1.3 for a normal distribution
_LIGHT = 3.0
_KNOTS = 101
_LARGEST = float(np.finfo(np.float64).max)


def mean_and_deviation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the first axis; finite for all finite values.

    A deviation that is only rounding error, by scikit-learn's rule for constant features, is 1.

    Args:
        values: `(rows, ...)`, without NaN.

    Example:

    >>> mean, deviation = mean_and_deviation(np.full((8, 1), 0.1))
    >>> float(deviation[0])
    1.0
    """
    values = np.asarray(values, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = values.mean(axis=0), values.std(axis=0)
    unsure = ~np.isfinite(mean) | ~np.isfinite(deviation) | (deviation == 0)
    if unsure.any():
        # Squares or sums may have overflowed, or vanished: in units of the largest value.
        largest = np.abs(values).max(axis=0)
        unit = np.where(unsure & (largest > 0), largest, 1.0)
        mean, deviation = (values / unit).mean(axis=0) * unit, (values / unit).std(axis=0) * unit
    constant = deviation <= len(values) * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, deviation)


def choose_scaling(values: np.ndarray) -> str:
    """The scaling that suits a column: `"standard"`, unless a few rows decide its deviation.

    Then it is `"log"` if that makes the tails light, and otherwise `"quantile"`.

    Args:
        values: The training rows' numbers, `(rows,)`, without NaN.

    Example:

    >>> draws = np.random.default_rng(0).normal(size=1000)
    >>> choose_scaling(draws), choose_scaling(np.exp(4 * draws))
    ('standard', 'log')
    """
    if len(values) < _MANY_ROWS or _tails(values) <= _HEAVY:
        return "standard"
    return "log" if _tails(_log(values)) <= _LIGHT else "quantile"


def _tails(values: np.ndarray) -> float:
    low, high = _quantiles(values, (0.05, 0.95))
    core = values[(values >= low) & (values <= high)]
    (whole, middle) = (mean_and_deviation(each)[1] for each in (values, core))
    # Where most values are equal, the others are no tail: there is nothing to measure them by.
    return 1.0 if core.min() == core.max() else float(whole / middle)


def _quantiles(values: np.ndarray, shares: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """`numpy.quantile`, which interpolates by differences, where these would overflow, too."""
    unit = 16.0 if np.abs(values).max() > _LARGEST / 4 else 1.0
    return np.quantile(values / unit, shares) * unit


def _log(values: np.ndarray) -> np.ndarray:
    """The logarithm of 1 + |x|, with the sign of x."""
    return np.sign(values) * np.log1p(np.abs(values))


def limits_of(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number that are not far outside of the training rows'."""
    low, high = float(values.min()), float(values.max())
    width = high / 2 - low / 2 or max(abs(low), 1.0) / 2  # half of it: the whole may overflow
    reach = 2 * FAR * width  # may be infinite
    return max(low - reach, -_LARGEST), min(high + reach, _LARGEST)


def knots_of(values: np.ndarray) -> tuple[float, ...]:
    """Equally frequent values, for the scaling `"quantile"`."""
    return tuple(_quantiles(values, np.linspace(0, 1, _KNOTS)).tolist())


def transformed(values: np.ndarray, method: str, knots: tuple[float, ...] = ()) -> np.ndarray:
    """Numbers before they are centred: as they are, or through a logarithm or quantiles.

    Args:
        values: float64 `(rows,)`; NaN stays NaN.
        method: One of `SCALINGS`.
        knots: Of `knots_of`, for `"quantile"`: a number becomes the z-score of its rank.
    """
    if method == "log":
        return _log(values)
    if method != "quantile":
        return values
    shares, places = np.linspace(0, 1, len(knots)), np.asarray(knots)
    # Equal knots: the middle of their ranks, from both sides.
    ranks = np.interp(values, places, shares)
    ranks = (ranks + 1 - np.interp(-values, -places[::-1], shares)) / 2
    return norm.ppf(np.clip(ranks, 1e-3, 1 - 1e-3))


def untransformed(values: np.ndarray, method: str, knots: tuple[float, ...] = ()) -> np.ndarray:
    """Numbers whose `transformed` are these; between ranks that training rows have, interpolated.

    >>> untransformed(transformed(np.array([-2.0, 5.0]), "log"), "log").round(6).tolist()
    [-2.0, 5.0]
    """
    if method == "log":
        with np.errstate(over="ignore"):  # the caller cuts
            return np.sign(values) * np.expm1(np.abs(values))
    if method != "quantile":
        return values
    return np.interp(norm.cdf(values), np.linspace(0, 1, len(knots)), np.asarray(knots))


def centre_and_spread(values: np.ndarray, method: str) -> tuple[float, float]:
    """What transformed training values are centred and divided by.

    Mean and standard deviation; for `"robust"` the median and the interquartile range, as a
    normal distribution's deviation, where that range is not empty.
    """
    if method == "robust":
        first, median, third = _quantiles(values, (0.25, 0.5, 0.75))
        spread = third / 1.349 - first / 1.349
        if spread > 0:
            return float(median), float(spread)
    if method == "quantile":
        return 0.0, 1.0
    mean, deviation = mean_and_deviation(values)
    return float(mean), float(deviation)
