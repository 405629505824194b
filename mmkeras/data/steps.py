"""Sequence labelling: rows whose target has a label for each step of their sequences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import tensorflow as tf

from mmkeras.data.media.sequences import SequenceStore
from mmkeras.data.sources import padded_length
from mmkeras.data.tables.cells import row_name, step_labels
from mmkeras.schema import Schema


def count_steps(
    frame: pd.DataFrame,
    schema: Schema,
    stores: Mapping[str, SequenceStore],
    positions: np.ndarray,
    longest: int,
) -> np.ndarray:
    """How many steps each row has: the same in all its sequences, and of its labels.

    Args:
        frame: The rows that are fed.
        schema: Which column is what.
        stores: The sequences, by modality.
        positions: The rows' places in the stores.
        longest: The most steps that a row may have.

    Returns:
        Integers `(rows,)`.

    Raises:
        ValueError: A row's sequences and labels differ in length, or it has too many steps.
    """
    counts = [
        (name, np.array([len(store.values[position]) for position in positions]))
        for name, store in stores.items()
    ]
    if schema.target.column in frame:
        cells = frame[schema.target.column]
        separator = schema.target.separator
        labels = np.array([len(step_labels(value, separator)) for value in cells])
        counts.append((schema.target.column, labels))
    steps = np.zeros(len(frame), np.int64)
    for name, lengths in counts:
        # An absent modality has no steps of its own.
        differ = np.flatnonzero((lengths > 0) & (steps > 0) & (lengths != steps))
        if len(differ):
            row = differ[0]
            raise ValueError(
                f"{row_name(frame, row, schema.id)}: {name!r} has {lengths[row]} steps, and the "
                f"labels or sequences before it have {steps[row]}. With a label per step, all "
                "sequences of a row, and its labels, must have the same length."
            )
        steps = np.maximum(steps, lengths)
    if steps.max() > longest:
        row = int(steps.argmax())
        raise ValueError(
            f"{row_name(frame, row, schema.id)}: the row has {steps[row]} steps, and `max_length` "
            f"is {longest}. Each step has a label, so none can be cut."
        )
    return steps


def step_examples(frame: pd.DataFrame, schema: Schema, steps: np.ndarray) -> pd.DataFrame:
    """A row for each step: the cells of its own row, the step's own label, and `step` (from 1)."""
    examples = frame.iloc[np.repeat(np.arange(len(frame)), steps)].copy()
    examples["step"] = np.concatenate([np.arange(1, count + 1) for count in steps])
    if schema.target.column in frame:
        cells, separator = frame[schema.target.column], schema.target.separator
        examples[schema.target.column] = [n for v in cells for n in step_labels(v, separator)]
    return examples


def drop_padding(outputs: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """From `(rows, padded steps, ...)` to `(all steps, ...)`."""
    return outputs[np.arange(outputs.shape[1]) < steps[:, None]]


class StepLabels:
    """A batch's targets with a label per step, and weights that leave padding out.

    Args:
        targets: `(all steps, outputs)`.
        steps: Integers `(rows,)`.
    """

    def __init__(self, targets: np.ndarray, steps: np.ndarray):
        self._targets = tf.RaggedTensor.from_row_lengths(tf.constant(targets), steps)
        self._steps = tf.constant(steps)
        self._shape = (None, padded_length(int(steps.max())), targets.shape[1])

    def batch(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Targets `(batch, padded steps, outputs)` and weights `(batch, padded steps)`."""
        targets = tf.gather(self._targets, indices).to_tensor(shape=self._shape)
        steps = tf.gather(self._steps, indices)
        return targets, tf.sequence_mask(steps, self._shape[1], tf.float32)
