"""What is fitted for feature sequences: how many features, their mean and deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmkeras.data.kinds.settings import SequenceSettings
from mmkeras.data.media.sequences import SequenceStore
from mmkeras.schema import InputSpec, Sequence


@dataclass(frozen=True)
class SequencePreprocessor:
    """Fitted state of a sequence modality.

    Args:
        settings: Length and scaling.
        features: Features of a step.
        mean: Of each feature over the training steps; empty without scaling.
        deviation: The same; 1 for a feature that does not vary.
    """

    settings: SequenceSettings
    features: int
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def spec(self) -> InputSpec:
        return InputSpec((None, self.features))

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Sequence, settings: SequenceSettings
    ) -> SequencePreprocessor:
        store = SequenceStore(frame[modality.column])
        if not store.features:
            raise ValueError(
                f"No training row has a feature sequence in column {modality.column!r} that can "
                f"be read: {store.reason(0)}."
            )
        if settings.scaling == "none":
            return cls(settings, store.features)
        steps = np.concatenate(store.values).astype(np.float64)
        deviation = steps.std(axis=0)
        deviation[deviation == 0] = 1.0
        return cls(
            settings, store.features, tuple(steps.mean(axis=0).tolist()), tuple(deviation.tolist())
        )

    def scaled(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Sequences as the model reads them: cut to `max_length` and scaled, float32."""
        mean = np.asarray(self.mean or (0.0,))
        deviation = np.asarray(self.deviation or (1.0,))
        longest = self.settings.max_length
        return [((v[:longest] - mean) / deviation).astype(np.float32) for v in values]
