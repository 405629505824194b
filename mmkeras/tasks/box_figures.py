"""How well predicted boxes agree with true ones: overlap, matching, COCO's mean precision.

Boxes are `(boxes, 4)`: left, top, width, height. The unit does not matter: shares of a picture's
width and height give the same overlaps as pixels.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Found(NamedTuple):
    """The boxes of one picture `(boxes, 4)`, and the class and score of each, `(boxes,)`."""

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


def iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The area that two boxes share, as a share of what they cover together.

    Args:
        one, other: `(..., 4)`, of shapes that broadcast.

    Returns:
        `(...)`, from 0 (apart) to 1 (the same).

    Example:

    >>> iou(np.array([0, 0, 2, 2]), np.array([1, 0, 2, 2])).round(3).item()
    0.333
    """
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    start = np.maximum(one[..., :2], other[..., :2])
    end = np.minimum(one[..., :2] + one[..., 2:], other[..., :2] + other[..., 2:])
    shared = np.clip(end - start, 0, None).prod(axis=-1)
    areas = [np.clip(x[..., 2:], 0, None).prod(axis=-1) for x in (one, other)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)


def matched(true: Found, said: Found, least: float = 0.5) -> np.ndarray:
    """The overlap of each true box with the predicted box that it is matched with, 0 without one.

    As COCO does it: predicted boxes choose in the order of their scores, each the true box of its
    class that it overlaps most with (by `least` or more) among those that are still free.

    Returns:
        `(true boxes,)`.
    """
    overlaps = iou(true.boxes[:, None], said.boxes[None])
    overlaps = np.where(true.classes[:, None] == said.classes[None], overlaps, 0.0)
    found = np.zeros(len(true.boxes))
    for place in np.argsort(-said.scores, kind="stable") if len(found) else ():
        free = np.where(found > 0, 0.0, overlaps[:, place])
        best = int(free.argmax())
        if free[best] >= least:
            found[best] = free[best]
    return found


def f1(true: Found, said: Found) -> float:
    """Twice the matched boxes, as a share of all true and predicted ones; 1 where there is none."""
    count = len(true.boxes) + len(said.boxes)
    return 2 * np.count_nonzero(matched(true, said)) / count if count else 1.0


def coco_precision(true: Sequence[Found], said: Sequence[Found]) -> dict[str, float]:
    """COCO's mean average precision: at an overlap of 0.5 (`map50`), and of 0.5 to 0.95 (`map`).

    Computed by pycocotools, over all classes that occur in the truth and all predicted boxes,
    whatever their score.

    Args:
        true, said: One of each for each picture.

    Returns:
        NaN without a true box.

    References:
        - [Lin et al., 2014](https://arxiv.org/abs/1405.0312); <https://cocodataset.org/#detection-eval>
    """
    if not any(len(each.boxes) for each in true):
        return {"map50": float("nan"), "map": float("nan")}
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = [{"id": place} for place in range(1, len(true) + 1)]
    names = sorted({int(name) for each in (*true, *said) for name in each.classes})
    about = {"images": images, "categories": [{"id": name} for name in names]}
    most = max(1, *(len(each.boxes) for each in said))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how far it is
        sides = []
        for parts in (true, said):
            coco = COCO()
            coco.dataset = {**about, "annotations": _annotations(parts)}
            coco.createIndex()
            sides.append(coco)
        judge = COCOeval(*sides, iouType="bbox")
        judge.params.maxDets = [most]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 0]  # overlaps, recalls, classes
    precision = precision[:, :, (precision > -1).any(axis=(0, 1))]
    return {"map50": float(precision[0].mean()), "map": float(precision.mean())}


def _annotations(parts: Sequence[Found]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for image, each in enumerate(parts, start=1):
        for box, name, score in zip(*each, strict=True):
            box = [float(x) for x in box]
            listed.append(
                {
                    **{"id": len(listed) + 1, "image_id": image, "category_id": int(name)},
                    **{"bbox": box, "area": box[2] * box[3], "iscrowd": 0, "score": float(score)},
                }
            )
    return listed
