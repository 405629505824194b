"""Cells as decoded, before scaling and encoding: to change them, and to encode what they became."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.cells import missing_cells


class RawModality:
    """One modality of a pipeline's rows, decoded once, and the way from there to a model's inputs.

    Args:
        pipeline: Made with `cache="memory"` (or `"file"`): what it decoded is used again.
        name: The modality.

    Attributes:
        kind: The modality's kind, of `mmkeras.data.kinds.KINDS`.
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
        self.kind = KINDS[self._modality.kind]
        self.fitted = pipeline.preprocessing.modalities[name]
        self.missing = missing_cells(pipeline.frame, pipeline.preprocessing.schema)[name].to_numpy()

    @cached_property
    def values(self) -> Any:
        """The decoded cells, one per row.

        Images uint8 `(rows, height, width, channels)`, or where a row may have several a list of
        uint8 `(images, height, width, channels)`; videos uint8 `(rows, frames, height, width,
        channels)`, sounds int16 `(rows, samples)`; texts a list of `str` or `None`; sequences a
        list of float32 `(steps, features)`; tables a DataFrame of their columns.
        """
        source = self._pipeline.source(self._modality.name)
        return self.kind.raw_values(self._pipeline.frame, self._modality, self.fitted, source)

    def inputs(self, values: Any | None = None) -> np.ndarray:
        """What the model gets for such cells, `(rows, ...)`, all rows padded to one length.

        Args:
            values: Cells like `values`; by default those.
        """
        length = self._pipeline.padded_steps
        if length is None:
            length = self.kind.common_length(self.values, self.fitted)
        values = self.values if values is None else values
        return self.kind.inputs_of(values, self.fitted, length)
