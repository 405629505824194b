"""Training: batches, epochs and learning rate by the number of rows; the scale of the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import to_numbers
from mmkeras.schema import Number, Schema, Tabular
from mmkeras.tasks import task_class
from mmkeras.training.settings import TrainingSettings

_STEPS = 1500
# Times as many epochs where the answer is a number, of so many rows or more.
_LONGER, _ROWS_OF_NUMBERS = 2, 1000
_ROUNDS = 3  # of all epochs, while the model still gets better
_FEWEST_EPOCHS, _MOST_EPOCHS = 10, 120
# Fewer rows of several modalities are learnt again with those of validation.
_FEW_ROWS = 3000
_ORDERS = 100.0  # the largest over the median: numbers of several orders of magnitude


def choose_training(
    rows: int, schema: Schema, *, parts_of_words: bool = False, once: bool = False
) -> tuple[TrainingSettings, str]:
    """Small tables get small batches and many epochs, large ones large batches and few.

    Classes of rare words and their parts (`parts_of_words`), which are thousands of inputs and
    hardly ever not 0, are learnt by heart at a high rate; so are those of a table alone. Each
    modality's own prediction is trained beside the fused one where the answer is a class. A number
    is what the modalities say together: from one alone it is far off, and learning that takes the
    place of what they need for the rest. Few rows of several modalities are learnt a second time,
    with those of validation, unless all are learnt `once`; of a table alone that made no
    difference.
    """
    numbers = not task_class(schema.target).has_classes
    batch = next((size for most, size in ((500, 16), (10_000, 32), (40_000, 64)) if rows < most),
                 128)  # fmt: skip
    steps = -(-rows // batch)
    longer = _LONGER if numbers and rows >= _ROWS_OF_NUMBERS else 1
    epochs = min(_MOST_EPOCHS, longer * max(_FEWEST_EPOCHS, round(_STEPS / steps)))
    several = len(schema.modalities) > 1
    table = not several and isinstance(schema.modalities[0], Tabular)
    settings = TrainingSettings(
        epochs=epochs,
        batch_size=batch,
        learning_rate=1e-3 if parts_of_words or (table and not numbers) else 3e-3,
        schedule="cosine",
        weight_decay=0.05,
        clip_norm=1.0,
        auxiliary=1.0 if several and not numbers else 0.0,
        patience=0,
        rounds=_ROUNDS,
        monitor="main",
        refit=several and rows < _FEW_ROWS and not once,
    )
    reason = (
        f"training: {rows:,} rows -> batches of {batch}, {epochs} epochs "
        f"({epochs * steps:,} steps), a rate of {settings.learning_rate:g} that rises and falls, "
        f"again up to {_ROUNDS} times while the validation loss falls"
    )
    if settings.refit:
        reason += "; then all again for the best number of epochs, with the validation rows"
    return settings, reason


def choose_target(train: pd.DataFrame, schema: Schema) -> tuple[dict[str, Any], str] | None:
    """A logarithm of numbers above 0 of several orders of magnitude."""
    target = schema.target
    if not isinstance(target, Number):
        return None
    for column in target.columns:
        values = to_numbers(train[column])
        if not (values > 0).all() or values.max() < _ORDERS * np.median(values):
            return None
    return {
        "scaling": "log"
    }, f"target {target.name!r}: from {values.min():g} to {values.max():g} -> logarithms"
