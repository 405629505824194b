"""Cells as decoded, before scaling and encoding: to change them, and to encode what they became."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.media.sequences import SequenceStore
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.sources import MEDIA_SOURCES, SequenceSource, TextSource, padded_length
from mmkeras.data.tables.cells import missing_cells

_BATCH = 256


class RawModality:
    """One modality of a pipeline's rows, decoded once, and the way from there to a model's inputs.

    Args:
        pipeline: Made with `cache="memory"` (or `"file"`): what it decoded is used again.
        name: The modality.

    Attributes:
        kind: The modality's kind.
        fitted: Its fitted preprocessor.
        missing: Where rows lack it, booleans `(rows,)`.

    Example:

    ```python
    image = RawModality(Pipeline(rows, fitted, cache="memory"), "image")
    darker = image.inputs(image.values // 2)  # what the model gets for darker pictures
    ```
    """

    def __init__(self, pipeline: Pipeline, name: str):
        self._pipeline, self._modality = pipeline, pipeline.preprocessing.schema[name]
        self.kind = self._modality.kind
        self.fitted = pipeline.preprocessing.modalities[name]
        self.missing = missing_cells(pipeline.frame, pipeline.preprocessing.schema)[name].to_numpy()

    @cached_property
    def values(self) -> Any:
        """The decoded cells, one a row.

        Images uint8 `(rows, height, width, channels)`, videos `(rows, frames, height, width,
        channels)`, sounds int16 `(rows, samples)`; texts a list of `str` or `None`; sequences a
        list of float32 `(steps, features)`; tables a DataFrame of their columns.
        """
        frame = self._pipeline.frame
        if self.kind in MEDIA_SOURCES:
            return self._pipeline.source(self._modality.name).decoded
        if self.kind == "sequence":
            return SequenceStore(frame[self._modality.column], self.fitted.features).values
        if self.kind == "text":
            return list(frame[self._modality.column])
        return frame[list(self._modality.columns)]

    def inputs(self, values: Any | None = None) -> np.ndarray:
        """What the model gets for such cells, `(rows, ...)`, all rows padded to one length.

        Args:
            values: Cells like `values`; by default those.
        """
        values = self.values if values is None else values
        everything = tf.range(len(values))
        if self.kind in MEDIA_SOURCES:
            source = self._pipeline.source(self._modality.name)
            starts = range(0, len(values), _BATCH)
            parts = [
                source.batch(None, tf.constant(values[start : start + _BATCH]), None).numpy()
                for start in starts
            ]
            return np.concatenate(parts)
        if self.kind == "text":
            source = TextSource(pd.Series(values, dtype=object), self.fitted)
            return source.batch(everything, None, None).numpy()
        if self.kind == "sequence":
            store = SequenceStore(pd.Series(list(values), dtype=object), self.fitted.features)
            length = self._pipeline.padded_steps
            if length is None:
                longest = max(map(len, self.values))
                length = padded_length(min(longest, self.fitted.settings.max_length))
            source = SequenceSource(store, np.arange(len(values)), self.fitted, length)
            return source.batch(everything, None, None).numpy()
        return self.fitted.vectors(values)
