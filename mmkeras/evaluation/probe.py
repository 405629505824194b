"""Linear probe: how much of the classes a linear model finds in embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def linear_probe(
    train: Mapping[str, np.ndarray],
    train_labels: Sequence,
    test: Mapping[str, np.ndarray],
    test_labels: Sequence,
    *,
    C: float = 0.1,
) -> float:
    """The accuracy of a logistic regression on all modalities' embeddings, side by side.

    The encoders stay as they are, so that the accuracy tells what pre-training has found without
    labels.

    Args:
        train: By modality, `(training rows, dim)`; absent modalities are zeros.
        train_labels: A class for each training row.
        test: The same for the rows to judge by.
        test_labels: A class for each of them.
        C: Inverse regularisation, on standardised features.

    Returns:
        The share of `test` that is right.

    Raises:
        ValueError: `train` and `test` have other modalities.

    Example:

    >>> near, far = np.array([[0.0], [0.1]]), np.array([[1.0], [0.9]])
    >>> rows = {"image": np.concatenate([near, far])}
    >>> linear_probe(rows, ["a", "a", "b", "b"], {"image": near}, ["a", "a"])
    1.0

    References:
        - [Alain and Bengio, 2016](https://arxiv.org/abs/1610.01644)
    """
    if set(train) != set(test):
        raise ValueError(
            f"Training and test rows need the same modalities. Received: {sorted(train)} and "
            f"{sorted(test)}."
        )
    names = sorted(train)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    probe.fit(np.concatenate([train[name] for name in names], axis=1), train_labels)
    features = np.concatenate([test[name] for name in names], axis=1)
    return float(probe.score(features, test_labels))
