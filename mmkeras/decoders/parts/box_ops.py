"""Boxes as tensors: overlaps, the cells that answer for them, and the answer from all cells.

Boxes are left, top, width, height as shares of the picture. Arrays are those of the target:
`(batch, max_boxes, 5 + classes)`, `[exists, box, one-hot class]`; what a model gives for each
cell of a grid over the picture is `(batch, cells, 5 + classes)`, `[logit, box, class logits]`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops


def overlaps(one: Any, other: Any) -> tuple[Any, Any]:
    """IoU and generalised IoU of boxes.

    With `I` and `U` the areas that two boxes share and cover, and `H` that of the smallest box
    around both: `IoU = I / U` and `GIoU = IoU - (H - U) / H`, which falls further where they are
    further apart.

    Args:
        one, other: `(..., 4)`, of shapes that broadcast.

    Returns:
        Both `(...)`.

    Example:

    >>> iou, giou = overlaps(np.array([[0.0, 0, 0.2, 0.2]]), np.array([[0.3, 0, 0.2, 0.2]]))
    >>> float(iou[0]), round(float(giou[0]), 3)
    (0.0, -0.2)

    References:
        - [Rezatofighi et al., 2019](https://arxiv.org/abs/1902.09630)
    """
    one_end, other_end = one[..., :2] + one[..., 2:], other[..., :2] + other[..., 2:]
    start = ops.maximum(one[..., :2], other[..., :2])
    sides = ops.maximum(ops.minimum(one_end, other_end) - start, 0.0)
    around = ops.maximum(one_end, other_end) - ops.minimum(one[..., :2], other[..., :2])
    shared, hull = _area(sides), ops.maximum(_area(around), 1e-9)
    covered = ops.maximum(_area(one[..., 2:]) + _area(other[..., 2:]) - shared, 1e-9)
    iou = shared / covered
    return iou, iou - (hull - covered) / hull


def _area(sides: Any) -> Any:
    return sides[..., 0] * sides[..., 1]


def cell_middles(grid: tuple[int, int]) -> np.ndarray:
    """The middle of each cell, row by row, as shares of the width and height: `(cells, 2)`.

    >>> cell_middles((1, 2)).tolist()
    [[0.25, 0.5], [0.75, 0.5]]
    """
    rows, cols = grid
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) / rows, (np.arange(cols) + 0.5) / cols, indexing="ij"
    )
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype("float32")


class Assigned(NamedTuple):
    """What each cell shall say.

    Args:
        middle: 1 at the cell that a box has its middle in, else 0, `(batch, cells)`.
        near: How near a cell is to the nearest such middle, from 0 to 1 (there).
        box: The box whose middle is nearest, `(batch, cells, 4)`.
        classes: Its class, `(batch, cells, classes)`.
    """

    middle: Any
    near: Any
    box: Any
    classes: Any


def assign(targets: Any, grid: tuple[int, int], spread: float = 0.75) -> Assigned:
    """Gives each box to the cells around its middle.

    A cell at a distance of `d` cells from the middle is near by `exp(-d² / (2 spread²))`; of two
    boxes, the cell belongs to the nearer.

    Args:
        targets: `(batch, max_boxes, 5 + classes)`.
        grid: Rows and columns of cells.
        spread: In cells.
    """
    sides = np.array(grid[::-1], "float32")  # columns, rows
    middles = cell_middles(grid) * sides
    exists, box = targets[..., :1], targets[..., 1:5]
    middle = (box[..., :2] + box[..., 2:] / 2) * sides
    # A middle on the picture's very edge is in the last cell.
    inside = ops.minimum(ops.floor(middle), sides - 1) + 0.5
    offset = ops.expand_dims(middle, 2) - middles  # (batch, max_boxes, cells, 2)
    distance = ops.sum(ops.square(offset), axis=-1)
    there = ops.sum(ops.abs(ops.expand_dims(inside, 2) - middles), axis=-1) < 0.5
    there = exists * ops.cast(there, box.dtype)
    # At the middle's own cell 1, whatever the distance to the cell's middle.
    near = exists * ops.maximum(ops.exp(-distance / (2 * spread**2)), there)
    # The cell of a middle belongs to that box, though another's may be as near.
    owner = ops.one_hot(ops.argmax(near + there, axis=1), targets.shape[1], dtype=box.dtype)
    owned = ops.matmul(owner, targets[..., 1:])
    return Assigned(ops.max(there, axis=1), ops.max(near, axis=1), owned[..., :4], owned[..., 4:])


def best_box(cells: Any) -> Any:
    """The box of the cell with the largest logit: `(batch, 1, 5 + classes)`.

    Its score is the share of the softmax over cells whose boxes overlap with it by half or more:
    cells beside each other say the same of one object.
    """
    cells = ops.cast(cells, "float32")
    shares = ops.softmax(cells[..., 0], axis=-1)
    best = ops.one_hot(ops.argmax(shares, axis=-1), cells.shape[1], dtype="float32")
    chosen = ops.matmul(ops.expand_dims(best, 1), cells)  # (batch, 1, 5 + classes)
    same = overlaps(cells[..., 1:5], chosen[..., 1:5])[0] >= 0.5
    score = ops.sum(ops.where(same, shares, 0.0), axis=-1)[:, None, None]
    classes = chosen[..., 5:]
    classes = ops.softmax(classes, axis=-1) if classes.shape[-1] else classes
    return ops.concatenate([score, chosen[..., 1:5], classes], axis=-1)


def top_boxes(cells: Any, max_boxes: int, overlap: float) -> Any:
    """The boxes of the best scores, without those that overlap with one of a better score.

    All at once: a box goes if any better one overlaps with it by more than `overlap`, also one
    that goes itself (which takes away a little more than one by one would).

    Returns:
        `(batch, max_boxes, 5 + classes)`, the best first, zeros where there are no more.

    References:
        - [Bolya et al., 2019](https://arxiv.org/abs/1904.02689) (Fast NMS)
    """
    cells = ops.cast(cells, "float32")
    count = min(cells.shape[1], 4 * max_boxes)
    scores, places = ops.top_k(ops.sigmoid(cells[..., 0]), count)
    found = ops.take_along_axis(cells, places[..., None], axis=1)
    better = np.triu(np.ones((count, count), bool), 1)  # row before column
    iou = overlaps(found[:, :, None, 1:5], found[:, None, :, 1:5])[0]
    gone = ops.any(ops.logical_and(iou > overlap, better), axis=1)
    kept, places = ops.top_k(ops.where(gone, 0.0, scores), min(count, max_boxes))
    found = ops.take_along_axis(found, places[..., None], axis=1)
    classes = found[..., 5:]
    classes = ops.softmax(classes, axis=-1) if classes.shape[-1] else classes
    answer = ops.concatenate([kept[..., None], found[..., 1:5], classes], axis=-1)
    answer = ops.where(kept[..., None] > 0, answer, 0.0)
    return ops.pad(answer, [(0, 0), (0, max_boxes - answer.shape[1]), (0, 0)])
