"""Corruptions of feature sequences: noise, missing steps, missing features.

All take a list of float arrays `(steps, features)` and return a list. `None` and arrays without
steps, which stand for holes, stay.

What is missing becomes the training steps' mean, of which the model sees nothing but zeros. Where
nothing was fitted (`SequenceSettings(scaling="none")`) the mean is 0 and the deviation 1.

References:
    Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation learning",
    NeurIPS 2021 Datasets and Benchmarks, https://arxiv.org/abs/2107.07502 (noise, and steps and
    features that drop out)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmkeras.data.kinds.sequence import SequencePreprocessor
from mmkeras.evaluation.corruptions.corruption import round_randomly

Sequences = Sequence[np.ndarray | None]


def noise(
    sequences: Sequences,
    deviation: float,
    random: np.random.Generator,
    fitted: SequencePreprocessor,
) -> list[np.ndarray | None]:
    """Adds Gaussian noise to every feature of every step: `x + deviation * s * n`, `n ~ N(0, 1)`.

    `s` is the feature's standard deviation over the training steps.

    Args:
        sequences: The sequences.
        deviation: The noise's standard deviation, in units of `s`.
        random: Where the noise is drawn from.
        fitted: The modality's preprocessor.
    """
    scale = deviation * np.asarray(fitted.deviation or (1.0,), np.float32)
    result = []
    for sequence in sequences:
        if sequence is not None:
            white = random.standard_normal(sequence.shape, np.float32)
            sequence = (sequence + scale * white).astype(sequence.dtype)
        result.append(sequence)
    return result


def missing_steps(
    sequences: Sequences, share: float, random: np.random.Generator, fitted: SequencePreprocessor
) -> list[np.ndarray | None]:
    """Sets a share of each sequence's steps, drawn for the row, to the training mean.

    Args:
        sequences: The sequences.
        share: The share of the steps; for each row it is rounded at random, up or down.
        random: Where the steps are drawn from.
        fitted: The modality's preprocessor.
    """
    return [_without(sequence, 0, share, random, fitted) for sequence in sequences]


def missing_features(
    sequences: Sequences, share: float, random: np.random.Generator, fitted: SequencePreprocessor
) -> list[np.ndarray | None]:
    """Sets a share of the features, drawn for the row, to the training mean in all of its steps.

    Args:
        sequences: The sequences.
        share: The share of the features; for each row it is rounded at random, up or down.
        random: Where the features are drawn from.
        fitted: The modality's preprocessor.
    """
    return [_without(sequence, 1, share, random, fitted) for sequence in sequences]


def _without(
    sequence: np.ndarray | None,
    axis: int,
    share: float,
    random: np.random.Generator,
    fitted: SequencePreprocessor,
) -> np.ndarray | None:
    if sequence is None:
        return None
    size = sequence.shape[axis]
    order = random.permutation(size)
    missing = np.zeros(size, bool)
    missing[order[: round_randomly(share, size, random.random())]] = True
    mean = np.asarray(fitted.mean or (0.0,), sequence.dtype)
    return np.where(missing[:, None] if axis == 0 else missing, mean, sequence)
