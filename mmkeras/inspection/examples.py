"""The test rows that a report shows: which ones, their pictures, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.pipeline import Pipeline
from mmkeras.tasks import Task

_EXAMPLES = 12


def telling_rows(
    task: Task, targets: np.ndarray, outputs: np.ndarray, examples: int = _EXAMPLES
) -> list[int]:
    """Positions of the surest right answers and of the worst mistakes, half and half if possible.

    Args:
        task: The fitted task.
        targets, outputs: In the target's own unit, `(examples, outputs)`.
        examples: How many.
    """
    right, wrong = task.right_and_wrong(targets, outputs)
    half = examples // 2
    wrong = wrong[: max(half, examples - len(right))]
    right = right[: examples - len(wrong)]
    return list(dict.fromkeys([*right.tolist(), *wrong.tolist()]))


def caption(pipeline: Pipeline, row: int) -> str:
    """What stands under a row's picture: its texts, else numbers, else its id; and the step."""
    schema = pipeline.preprocessing.schema
    cells = pipeline.examples.iloc[row]
    task = pipeline.preprocessing.fitted_target
    step = f", step {cells['step']}" if task is not None and task.per_step else ""
    texts = [cells[m.column] for m in schema.modalities if KINDS[m.kind].has_words]
    if texts:
        return " / ".join(x if isinstance(x, str) else "(no text)" for x in texts) + step
    tables = [m.columns[:4] for m in schema.modalities if KINDS[m.kind].is_table]
    if tables:
        return ", ".join(f"{column} {cells[column]}" for columns in tables for column in columns)
    return ("" if schema.id is None else str(cells[schema.id])) + step


def example_pictures(pipeline: Pipeline, rows: Sequence[int]) -> dict[str, np.ndarray]:
    """All that can be seen of rows: images, middle frames of videos, spectrograms of sounds.

    Several images of one cell are shown as one, row by row in a square.

    Args:
        pipeline: The rows.
        rows: Kept positions; with a label per step, positions among its `examples`.

    Returns:
        By modality, in schema order: uint8 `(rows, 96, 96, 1 | 3)`.
    """
    found = {}
    for modality in pipeline.preprocessing.schema.modalities:
        kind = KINDS[modality.kind]
        if kind.is_visual or kind.is_audible:
            fitted = pipeline.preprocessing.modalities[modality.name]
            column = pipeline.examples[modality.columns[0]].iloc[list(rows)]
            found[modality.name] = kind.pictures(column, fitted)
    return found


def side_by_side(pictures: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Each row's pictures as one, uint8 `(rows, 96, width, 1 | 3)`; `None` without any."""
    parts = list(pictures.values())
    if len(parts) > 1:
        coloured = [np.broadcast_to(part, (*part.shape[:3], 3)) for part in parts]
        gap = np.full((*coloured[0].shape[:2], 4, 3), 255, np.uint8)
        parts = [piece for part in coloured for piece in (part, gap)][:-1]
    return np.concatenate(parts, axis=2) if parts else None
