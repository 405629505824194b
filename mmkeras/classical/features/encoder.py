"""Features of any kind: what the encoder of a trained model says."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.classical.features.extractor import Extractor
from mmkeras.data.kinds import KINDS
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.models.saved import PREPROCESSING

_BATCH = 256


class EncoderFeatures(Extractor):
    """The mean of the tokens that a trained model's encoder gives.

    Cells are read as the run reads them. The run should have been trained on other rows than those
    that a classical model is judged by.

    Args:
        run: The folder of a finished run.
        modality: Which of the run's modalities it is that reads the cells; of the same kind.

    Example:

    ```python
    own = {"photo": EncoderFeatures("runs/train-emoji/20260102-030405-image", "image")}
    features = ModalityFeatures(schema, extractors=own)
    ```
    """

    def __init__(self, run: str, modality: str):
        self.run = run
        self.modality = modality

    def settings(self, settings: Any) -> Any:
        return self._preprocessing().settings

    def fit(self, values: Any, fitted: Any) -> EncoderFeatures:
        """Nothing is learnt: the run has fitted its preprocessing, and its encoder."""
        self.fitted_ = self._preprocessing()
        self.names_ = [f"unit_{place}" for place in range(self.transform(values).shape[1])]
        return self

    def transform(self, values: Any) -> np.ndarray:
        kind = next(kind for kind in KINDS.values() if isinstance(self.fitted_, kind.preprocessor))
        length = kind.common_length(values, self.fitted_)
        inputs = kind.inputs_of(values, self.fitted_, length)
        encode = _encoder(str(Path(self.run).resolve()), self.modality)
        starts = range(0, len(inputs), _BATCH)
        return np.concatenate([encode(inputs[start : start + _BATCH]) for start in starts])

    def _preprocessing(self) -> Any:
        path = Path(self.run) / PREPROCESSING
        if not path.is_file():
            raise FileNotFoundError(f"{self.run} is not a run folder: it has no {PREPROCESSING}.")
        modalities = Preprocessing.load(path).modalities
        if self.modality not in modalities:
            raise ValueError(
                f"The run {self.run} has the modalities {list(modalities)}. Received: "
                f"{self.modality!r}."
            )
        return modalities[self.modality]


@functools.lru_cache(maxsize=4)
def _encoder(run: str, modality: str) -> Any:
    """What gives a modality's mean tokens, `(rows, dim)`, for its inputs."""
    import keras

    from mmkeras.models.parts import fusion_inputs, token_mask
    from mmkeras.models.saved import load_model

    model = load_model(run)
    tokens = keras.Model(model.input[modality], fusion_inputs(model)[0][modality])

    def encode(inputs: np.ndarray) -> np.ndarray:
        said = keras.ops.convert_to_numpy(tokens(inputs, training=False)).astype(np.float64)
        mask = token_mask(model, modality, inputs)
        weights = np.ones(said.shape[:2]) if mask is None else mask.astype(np.float64)
        total = (said * weights[..., None]).sum(axis=1)
        return total / np.maximum(weights.sum(axis=1), 1)[:, None]

    return encode
