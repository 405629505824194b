"""Features of sequences: statistics of each channel over time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.classical.features.extractor import Extractor

_STATISTICS = ("mean", "std", "min", "max", "slope")


class SequenceFeatures(Extractor):
    """Each channel's mean, deviation, least and largest value and slope over time, and its course.

    The course is the mean in each of `parts` equal parts of the sequence. A sequence of one step is
    its own features.

    Args:
        parts: How many parts; 0 for none.

    Example:

    >>> steps = [np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[1.0, 1.0]])]
    >>> features = SequenceFeatures(parts=0).fit(steps, None)
    >>> features.names_[::2]
    ['mean_0', 'std_0', 'min_0', 'max_0', 'slope_0']
    >>> features.transform(steps)[0, ::2]
    array([1., 1., 0., 2., 2.])
    """

    def __init__(self, parts: int = 4):
        self.parts = parts

    def fit(self, values: Sequence[np.ndarray], fitted: Any) -> SequenceFeatures:
        self.fitted_ = fitted
        steps = self._read(values)
        # Vectors in the place of sequences: all statistics but one say the same, or nothing.
        self.one_step_ = all(len(each) == 1 for each in steps)
        channels = [str(place) for place in range(steps[0].shape[1])]
        self.names_ = channels if self.one_step_ else statistic_names(channels, self.parts)
        return self

    def transform(self, values: Sequence[np.ndarray]) -> np.ndarray:
        steps = self._read(values)
        if self.one_step_:
            return np.stack([each.mean(axis=0, dtype=np.float64) for each in steps])
        return step_statistics(steps, self.parts)

    def _read(self, values: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        return values if self.fitted_ is None else self.fitted_.scaled(values)


def statistic_names(channels: Sequence[str], parts: int) -> list[str]:
    """What `step_statistics` are called, in their order."""
    statistics = [*_STATISTICS, *(f"part{place}" for place in range(parts))]
    return [f"{statistic}_{channel}" for statistic in statistics for channel in channels]


def step_statistics(steps: Sequence[np.ndarray], parts: int) -> np.ndarray:
    """Statistics of channels over time, `(sequences, statistics * channels)`.

    Args:
        steps: Arrays `(steps, channels)`.
        parts: How many equal parts of a sequence have a mean of their own.
    """
    return np.stack([_statistics(np.asarray(each, np.float64), parts) for each in steps])


def _statistics(steps: np.ndarray, parts: int) -> np.ndarray:
    if not len(steps):
        steps = np.zeros((1, steps.shape[1]))
    time = np.linspace(-0.5, 0.5, len(steps)) if len(steps) > 1 else np.zeros(1)
    slope = time @ steps / max(time @ time, 1e-12)
    found = [steps.mean(axis=0), steps.std(axis=0), steps.min(axis=0), steps.max(axis=0), slope]
    # A sequence of fewer steps than parts has some step in several of them.
    bounds = np.linspace(0, len(steps), parts + 1)
    for first, last in itertools.pairwise(bounds):
        start = min(int(first), len(steps) - 1)
        found.append(steps[start : max(start + 1, int(np.ceil(last)))].mean(axis=0))
    return np.concatenate(found)
