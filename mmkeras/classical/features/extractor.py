"""What every feature extractor answers, and the one for kinds that have none of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mmkeras.data.kinds import KINDS


class Extractor(BaseEstimator, ABC):
    """Turns the decoded cells of one modality into rows of numbers.

    A subclass stores its constructor's arguments under their own names, as scikit-learn's
    estimators do; what is fitted ends in an underscore. It is given cells as
    `mmkeras.data.raw.RawModality.values` describes them, none of them empty.

    Attributes:
        names_: What the features are called, one name per column.
    """

    names_: list[str]

    def settings(self, settings: Any) -> Any:
        """The preprocessing settings that cells are read with.

        Args:
            settings: Those of the modality, or `None` for the extractor's own choice.
        """
        return settings

    @abstractmethod
    def fit(self, values: Any, fitted: Any) -> Extractor:
        """Learns from the cells of the training rows.

        Args:
            values: The cells.
            fitted: The modality's fitted preprocessing.
        """

    @abstractmethod
    def transform(self, values: Any) -> Any:
        """The features, an array or CSR matrix `(rows, features)`."""


class PreparedFeatures(Extractor):
    """A deep model's inputs, as they are: tables; and kinds without features of their own.

    Inputs of several dimensions are laid out in one row. Of inputs whose length varies, the mean
    over their steps is taken; of word numbers, how often each one occurs.
    """

    def fit(self, values: Any, fitted: Any) -> PreparedFeatures:
        self.fitted_ = fitted
        self.kind_ = next(name for name, k in KINDS.items() if isinstance(fitted, k.preprocessor))
        width = self.transform(values).shape[1]
        names = getattr(fitted, "input_names", None)
        self.names_ = [str(place) for place in range(width)] if names is None else list(names)
        return self

    def transform(self, values: Any) -> np.ndarray:
        kind = KINDS[self.kind_]
        length = kind.common_length(values, self.fitted_)
        inputs = np.asarray(kind.inputs_of(values, self.fitted_, length))
        spec = self.fitted_.spec
        if spec.vocabulary_size is not None:
            words = np.arange(1, spec.vocabulary_size)  # 0 is padding
            return np.stack([(inputs == word).sum(axis=1) for word in words], axis=1)
        if spec.shape[0] is not None:
            return inputs.reshape(len(inputs), -1)
        inputs = inputs.reshape(*inputs.shape[:2], -1)
        real = inputs.any(axis=2)[..., None]
        return (inputs * real).sum(axis=1) / np.maximum(real.sum(axis=1), 1)


def balanced(blocks: list[np.ndarray]) -> list[float]:
    """What to multiply each block of features with, so that all have the same total variance.

    Distances then see a block of 1,764 features as much as one of 64.

    >>> balanced([np.array([[0.0, 0.0], [2.0, 2.0]]), np.array([[0.0], [4.0]])])
    [0.7071067811865475, 0.5]
    """
    spread = (np.sqrt(block.var(axis=0, dtype=np.float64).sum()) for block in blocks)
    return [float(1 / each) if each > 0 else 1.0 for each in spread]
