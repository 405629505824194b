"""Refuses target texts that are longer than the steps along which they are written."""

from __future__ import annotations

import keras
import numpy as np

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.cells import row_name
from mmkeras.decoders import Decoder
from mmkeras.models.parts import decoder_inputs

_SHOWN = 5


def refuse_too_few_steps(model: keras.Model, decoder: Decoder, pipeline: Pipeline) -> None:
    """Raises a `ValueError` that names the rows whose target a decoder has too few steps for.

    A row without the modality whose tokens are the steps teaches nothing and is not refused.

    Args:
        model: Built for the pipeline's preprocessing.
        decoder: The model's.
        pipeline: Rows with targets.
    """
    task, schema = pipeline.preprocessing.task, pipeline.preprocessing.schema
    needed = decoder.needed_tokens(task.fed(pipeline.targets))
    if needed is None:
        return
    modality = schema.modalities[decoder.place]
    steps = _token_counts(model, decoder.place, modality.name, pipeline)
    frame = pipeline.frame
    has_it = frame[list(modality.columns)].notna().all(axis=1).to_numpy()
    rows = np.flatnonzero(has_it & (steps < needed))
    if not len(rows):
        return
    shown = [
        f"{row_name(frame, row, schema.id)}, column {schema.target_columns[0]!r}: the text needs "
        f"{needed[row]} steps, and {modality.name!r} has {steps[row]}"
        for row in rows[:_SHOWN]
    ]
    more = [f"and {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else []
    raise ValueError(
        f"{len(rows)} target text(s) are too long for the steps along which they are written (one "
        "for each piece, and one between two equal ones):\n  "
        + "\n  ".join([*shown, *more])
        + f"\nLeave these rows out, let the encoder of {modality.name!r} keep more steps (smaller "
        "`strides`), or write larger pieces of text (target.pieces=words or bpe)."
    )


def _token_counts(model: keras.Model, place: int, name: str, pipeline: Pipeline) -> np.ndarray:
    """How many of a modality's tokens count in each row."""
    _, tokens, arguments = decoder_inputs(model)
    mask = arguments.get("masks", [None] * len(tokens))[place]
    if mask is None and tokens[place].shape[1] is not None:
        return np.full(len(pipeline), tokens[place].shape[1])
    counting = keras.Model(model.input[name], tokens[place] if mask is None else mask)
    counts = []
    for inputs, *_ in pipeline.evaluate():
        found = keras.ops.convert_to_numpy(counting(inputs[name], training=False))
        counts.append(np.full(len(found), found.shape[1]) if mask is None else found.sum(axis=1))
    return np.concatenate(counts)
