"""Boxes in a picture: the one that a phrase names (grounding), or all objects (detection)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.media.images.image_file import image_size
from mmkeras.data.tables.cells import is_empty, row_name
from mmkeras.data.tables.written.boxes import Box, parse_boxes
from mmkeras.reading import check_fields
from mmkeras.schema import Boxes
from mmkeras.tasks.box_figures import Found, coco_precision, f1, iou, matched
from mmkeras.tasks.figures import FIGURES
from mmkeras.tasks.task import Task

# How far a box may stand out of its picture, in pixels: coordinates are rounded.
_SLACK = 0.5


@dataclass(frozen=True)
class BoxSettings:
    """How boxes become what a model learns.

    Args:
        max_boxes: The most boxes that a picture may have. By default (0) twice as many as the
            training picture with the most, or 1 where each picture has one.
        score_threshold: With several boxes in a picture, the least score, in (0, 1), of a
            predicted box that counts.
    """

    max_boxes: int = 0
    score_threshold: float = 0.5

    def __post_init__(self):
        check_fields(self)
        if self.max_boxes < 0:
            raise ValueError(
                f"`max_boxes` is a number of boxes, or 0 for as many as the training rows ask "
                f"for. Received: {self.max_boxes}."
            )
        if not 0 < self.score_threshold < 1:
            raise ValueError(f"`score_threshold` is in (0, 1). Received: {self.score_threshold}.")


@dataclass(frozen=True)
class BoxesTask(Task):
    """Boxes, as arrays `(rows, max_boxes, 5 + classes)`.

    A box is `[exists, left, top, width, height, *classes]`: 1 for a box and 0 for padding, the
    coordinates as shares of the picture's width and height, and which class it has, one-hot. In
    answers the first is a score, and the classes are probabilities. As shares, boxes hold at any
    size that preprocessing stretches a picture to; where it does more to pictures than that, the
    settings are refused.

    One box in each picture is judged by whether it overlaps with the true one by half or more
    (and has its class, where boxes have one). Several are judged by the mean over pictures of the
    F1 of the boxes that count. COCO's mAP stands beside it: it is no mean over pictures, so that
    it cannot be compared row by row.

    Args:
        target: The schema's target.
        labels: The labels of the training rows' boxes, in alphabetical order; none where boxes
            have none.
        max_boxes: How many boxes an array holds.
        threshold: The score from which on one of several predicted boxes counts.
    """

    kind = "boxes"
    words = "boxes in a picture"
    cells = "boxes"
    is_flat = False
    suits_classical = False
    decoders = ("boxes",)
    settings = BoxSettings
    has_classes = False
    what = "box"
    telling = "The best boxes, then the worst."
    best_constant = "the best of these rows' own answers, given to all rows,"

    target: Boxes
    labels: tuple[str, ...] = ()
    max_boxes: int = 1
    threshold: float = 0.5

    @classmethod
    def cell_role(cls, target):
        return "boxes" if target.several else "box"

    @classmethod
    def main_of(cls, target):
        return FIGURES["box_f1" if target.several else "box_accuracy"]

    @property
    def main(self):  # type: ignore[override]
        return self.main_of(self.target)

    @classmethod
    def headline_of(cls, target):
        others = ("map50", "map") if target.several else ("pointing", "mean_iou")
        return (cls.main_of(target).key, *others)

    @property
    def headline(self):  # type: ignore[override]
        return self.headline_of(self.target)

    @classmethod
    def cell_values(cls, frame, target):
        return {target.column: frame[target.column].to_numpy(object)}

    @classmethod
    def fit(cls, frame, target, settings=None):
        settings = settings or BoxSettings()
        listed = [_boxes_of(frame, row, target) for row in range(len(frame))]
        most = max(map(len, listed), default=0)
        if not most:
            raise ValueError(
                f"No training row has a box in column {target.column!r}: there is nothing to learn."
            )
        labels = {box.label for boxes in listed for box in boxes if box.label is not None}
        most = settings.max_boxes or (2 * most if target.several else 1)
        return cls(target, tuple(sorted(labels)), most, settings.score_threshold)

    @classmethod
    def from_dict(cls, target, state: Mapping[str, Any]):
        return cls(target, tuple(state["labels"]), state["max_boxes"], state["threshold"])

    def to_dict(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "max_boxes": self.max_boxes,
            "threshold": self.threshold,
        }

    def check_modalities(self, fitted):
        settings = fitted[self.target.image].settings
        wanted = {"resize": "stretch", "flip": False, "rotation": 0.0, "crop": 0.0, "shift": 0.0}
        wrong = {k: v for k, v in wanted.items() if getattr(settings, k) != v}
        if wrong:
            name = self.target.image
            raise ValueError(
                f"The boxes in {name!r} stay where they are, and these settings move its pixels: "
                + ", ".join(f"{key}={getattr(settings, key)!r}" for key in wrong)
                + ". Set "
                + ", ".join(f"{name}.{key}={value}" for key, value in wrong.items())
                + "."
            )

    def decoder_options(self, name):
        return {
            "max_boxes": self.max_boxes,
            "classes": len(self.labels),
            "several": self.target.several,
            "score_threshold": self.threshold,
        }

    @property
    def num_outputs(self) -> int:
        return 5 + len(self.labels)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {label: 5 + place for place, label in enumerate(self.labels)}

    def encode(self, frame, id=None):
        encoded = np.zeros((len(frame), self.max_boxes, self.num_outputs), np.float32)
        sizes = _Sizes(self.target.image_column)
        for row in range(len(frame)):
            boxes = _boxes_of(frame, row, self.target, id)
            if len(boxes) > self.max_boxes:
                raise ValueError(
                    f"{row_name(frame, row, id)}, column {self.target.column!r}: {len(boxes)} "
                    f"boxes; the model gives at most {self.max_boxes}. Raise the target's "
                    "`max_boxes`, or leave the row out."
                )
            size = sizes.of(frame, row, id) if boxes else (0, 0)
            for place, box in enumerate(boxes):
                try:
                    encoded[row, place, :5] = 1.0, *_shares(box, *size)
                    if (box.label is None) != (not self.labels) or (
                        box.label is not None and box.label not in self._places
                    ):
                        raise ValueError(
                            f"the label {box.label!r} is not in any training row. Known labels: "
                            f"{list(self.labels)[:20]}"
                        )
                except ValueError as error:
                    where = f"{row_name(frame, row, id)}, column {self.target.column!r}"
                    raise ValueError(f"{where}: box {place + 1}: {error}.") from error
                if box.label is not None:
                    encoded[row, place, self._places[box.label]] = 1.0
        return encoded

    def check_judged(self, frame, id=None):
        self.encode(frame, id)

    def _listed(self, arrays: np.ndarray, all_scores: bool = False) -> list[Found]:
        """The boxes that count of each row; with `all_scores`, all but padding."""
        listed = []
        for row in np.asarray(arrays, np.float64):
            counts = row[:, 0] > 0 if all_scores else row[:, 0] >= self.threshold
            if not self.target.several:
                counts = np.arange(len(row)) == 0
            row = row[counts]
            classes = row[:, 5:].argmax(axis=1) if self.labels else np.zeros(len(row), int)
            listed.append(Found(row[:, 1:5], classes, row[:, 0]))
        return listed

    def _described(self, found: Found, size: tuple[int, int] | None, scores: bool) -> str:
        """Boxes as JSON: in pixels of a picture of a size, or without one as shares of it."""
        scale = np.array([1, 1, 1, 1] if size is None else [*size[::-1], *size[::-1]])
        listed = []
        for box, place, score in zip(*found, strict=True):
            box = np.round(box * scale, 4 if size is None else 2)
            entry: dict[str, Any] = {"share" if size is None else "box": box.tolist()}
            if self.labels:
                entry["label"] = self.labels[place]
            listed.append(entry | ({"score": round(float(score), 4)} if scores else {}))
        return json.dumps(listed, ensure_ascii=False)

    def decode(self, outputs):
        """JSON texts `(examples,)`; boxes as shares of their picture, whose size is not known."""
        return _objects(self._described(each, None, True) for each in self._listed(outputs))

    def true(self, examples):
        return examples[self.target.column].to_numpy(object)

    def prediction_columns(self, examples, outputs):
        """`true` and `predicted`, as JSON; predicted boxes in pixels of the stored picture."""
        sizes = _Sizes(self.target.image_column)
        known = self.target.image_column in examples
        predicted = _objects(
            self._described(found, sizes.of(examples, row) if known else None, True)
            for row, found in enumerate(self._listed(outputs))
        )
        columns = {"predicted": predicted}
        return (
            {"true": self.true(examples), **columns} if self.target.column in examples else columns
        )

    def figures(self, targets, outputs):
        """Of one box: how often it is right, how often its middle is in the true box, mean IoU.

        Of several: F1 over rows, COCO's mAP, and the mean IoU of the true boxes, where one that
        is not found counts 0.
        """
        if not self.target.several:
            overlaps = iou(targets[:, 0, 1:5], outputs[:, 0, 1:5])
            middle = outputs[:, 0, 1:3] + outputs[:, 0, 3:5] / 2 - targets[:, 0, 1:3]
            inside = ((middle >= 0) & (middle <= targets[:, 0, 3:5])).all(axis=1)
            return {
                "box_accuracy": self.main_score(targets, outputs),
                "pointing": float(inside.mean()),
                "mean_iou": float(overlaps.mean()),
            }
        true, said = self._listed(targets), self._listed(outputs)
        pairs = [matched(*each) for each in zip(true, said, strict=True)]
        overlaps = np.concatenate(pairs)
        return {
            "box_f1": self.main_score(targets, outputs),
            **coco_precision(true, self._listed(outputs, all_scores=True)),
            "mean_iou": float(overlaps.mean()) if len(overlaps) else np.nan,
        }

    @property
    def figure_names(self):
        return (*self.headline, *(["mean_iou"] if self.target.several else ()))

    def all_figures(self, targets, outputs):
        return self.figures(targets, outputs)

    def main_score(self, targets, outputs):
        return float(self.row_scores(targets, outputs).mean())

    def row_scores(self, targets, outputs):
        """Of one box 1.0 where it is right, else 0.0; of several, the F1 of the row's boxes."""
        if self.target.several:
            pairs = zip(self._listed(targets), self._listed(outputs), strict=True)
            return np.array([f1(*each) for each in pairs])
        right = iou(targets[:, 0, 1:5], outputs[:, 0, 1:5]) >= 0.5
        if self.labels:
            right &= targets[:, 0, 5:].argmax(axis=1) == outputs[:, 0, 5:].argmax(axis=1)
        return right.astype(np.float64)

    def constant_score(self, targets):
        """That of their mean, of no box at all, or of one of 50 rows' own, whichever is best."""
        rows = np.linspace(0, len(targets) - 1, min(50, len(targets))).astype(int)
        constants = [targets.mean(axis=0), np.zeros_like(targets[0]), *targets[rows]]
        answers = (np.broadcast_to(constant, targets.shape) for constant in constants)
        return max(self.main_score(targets, answer) for answer in answers)

    def consensus(self, drawn):
        """Of each example the answer that agrees most with the others: boxes have no mean."""
        agreement = [sum(self.row_scores(other, each) for other in drawn) for each in drawn]
        best = np.argmax(agreement, axis=0)
        return np.stack(drawn)[best, np.arange(len(best))]

    def texts(self, arrays):
        return [self._text(found) for found in self._listed(arrays)]

    def _text(self, found: Found) -> str:
        if self.target.several and self.labels:
            names = [self.labels[place] for place in found.classes]
            counted = (f"{names.count(name)} {name}" for name in sorted(set(names)))
            return ", ".join(counted) or "nothing"
        if self.target.several:
            return f"{len(found.boxes)} boxes"
        left, top, width, height = (f"{100 * share:.0f}" for share in found.boxes[0])
        label = f"{self.labels[found.classes[0]]}, " if self.labels else ""
        return f"{label}{left} % from the left, {top} % from the top, {width} % × {height} %"

    def _quality(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """How good answers are, finer than `row_scores`."""
        if not self.target.several:
            return iou(targets[:, 0, 1:5], outputs[:, 0, 1:5])
        return self.row_scores(targets, outputs)

    def right_and_wrong(self, targets, outputs):
        right = self.is_right(targets, outputs)
        order = np.argsort(-self._quality(targets, outputs), kind="stable")
        return order[right[order]], order[::-1][~right[order[::-1]]]

    def is_right(self, targets, outputs):
        """The one box is right; of several, all are found and no other."""
        return self.row_scores(targets, outputs) == 1

    def answer_in_words(self, target, output):
        quality = self._quality(target[None], output[None])[0]
        said, true = self.texts(np.stack([output, target]))
        said = said if self.target.several else f"overlap {quality:.2f}"
        return said if self.is_right(target[None], output[None])[0] else f"{said} (true: {true})"

    def drawn_on(self, pictures, targets, outputs):
        from mmkeras.tasks.box_pictures import draw_boxes

        name = self.target.image
        true, said = self._listed(targets), self._listed(outputs)
        return {**pictures, name: draw_boxes(pictures[name], true, said)}

    def pictures(self, targets, outputs):
        from mmkeras.tasks.box_pictures import plot_overlaps

        pairs = zip(self._listed(targets), self._listed(outputs), strict=True)
        overlaps = np.concatenate([matched(*pair, least=1e-9) for pair in pairs])
        return {
            "overlaps": (
                plot_overlaps(overlaps),
                "How much each true box overlaps with the predicted one. At 0 are objects that "
                "were missed or taken for others; between 0.5 and 1 a box is found, and not sharp.",
            )
        }


class _Sizes:
    """Height and width of rows' pictures; one that comes again is not looked at again."""

    def __init__(self, column: str):
        self._column = column
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, frame: pd.DataFrame, row: int, id: str | None = None) -> tuple[int, int]:
        cell = frame[self._column].iloc[row]
        try:
            if is_empty(cell):
                raise ValueError("a box, and no picture that it is in")
            if not isinstance(cell, str):
                return image_size(cell)
            if cell not in self._known:
                self._known[cell] = image_size(cell)
        except (ValueError, OSError) as error:
            where = f"{row_name(frame, row, id)}, column {self._column!r}"
            raise ValueError(f"{where}: {error}.") from error
        return self._known[cell]


def _boxes_of(frame: pd.DataFrame, row: int, target: Boxes, id: str | None = None) -> list[Box]:
    cell = frame[target.column].iloc[row]
    try:
        if is_empty(cell):
            raise ValueError("the target is empty")
        return parse_boxes(cell)
    except ValueError as error:
        where = f"{row_name(frame, row, id)}, column {target.column!r}"
        raise ValueError(f"{where}: {error}.") from error


def _shares(box: Box, height: int, width: int) -> list[float]:
    """A box in pixels as shares of its picture, cut at the edges that it touches."""
    left, top, right, bottom = box.left, box.top, box.left + box.width, box.top + box.height
    beyond = max(-left, -top, right - width, bottom - height)
    if beyond > _SLACK:
        raise ValueError(
            f"{list(box[:4])} is outside its picture, which is {width} pixels wide and {height} "
            "high; boxes are left, top, width, height in pixels of the stored picture"
        )
    left, right = (min(max(x, 0.0), width) / width for x in (left, right))
    top, bottom = (min(max(y, 0.0), height) / height for y in (top, bottom))
    return [left, top, right - left, bottom - top]


def _objects(values: Any) -> np.ndarray:
    listed = list(values)
    found = np.empty(len(listed), dtype=object)
    found[:] = listed
    return found
