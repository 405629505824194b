"""Feature sequences: their length, and what reads them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from mmkeras.data.media.sequences import SequenceStore
from mmkeras.experiment.defaults.choice import Choice
from mmkeras.schema import Schema, Sequence
from mmkeras.tasks import task_class

_LONGEST = 2000  # steps


def choose_sequence(frame: pd.DataFrame, modality: Sequence, schema: Schema) -> Choice:
    """Random convolutions of z-scores: what learns from dozens of rows, and from thousands.

    Of one step, or with an answer for every step, encoders that keep the steps.
    """
    store = SequenceStore(frame[modality.column])
    lengths = [len(values) for values in store.values if len(values)]
    usual, longest = (int(np.median(lengths)), max(lengths)) if lengths else (1, 1)
    said = f"sequence {modality.name!r}: {usual} steps of {store.features} numbers"
    if longest == 1:
        options = {"units": (128,), "dropout": 0.3}
        return Choice(f"{said} -> dense layers", {"max_length": 1}, "mlp", options)
    kept = min(longest, _LONGEST)
    settings = {"max_length": 2 ** math.ceil(math.log2(kept)), "scaling": "standardize"}
    if task_class(schema.target).per_step:
        options = {"filters": (64, 64, 64), "kernel_size": 5, "normalize": True, "dropout": 0.1}
        return Choice(f"{said}, each with an answer -> convolutions", settings, "tcn", options)
    reason = f"{said} -> z-scores, random convolutions over up to {kept} steps"
    return Choice(reason, settings, "random_convolutions")
