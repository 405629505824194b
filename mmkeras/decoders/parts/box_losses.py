"""What boxes are trained on, and what is watched meanwhile."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmkeras.decoders.parts.box_ops import assign, best_box, overlaps, top_boxes


@keras.saving.register_keras_serializable(package="mmkeras")
class BoxLoss(keras.losses.Loss):
    """Where boxes are, how large, and what is in them, from what each cell of a grid says.

    With `a` the logits, `M` the cells that have a box's middle and `n` how near each cell is to
    one (`box_ops.assign`), the loss of a row is `L_where + L_box + L_class`:

        one box:   L_where = -log softmax(a)_M
        several:   L_where = -sum_c [c in M] (1 - p_c)² log p_c
                             + [c not in M] (1 - n_c)⁴ p_c² log(1 - p_c),  divided by |M|, at
                             least 1;  p = sigmoid(a)
        L_box = sum_c n_c (1 - GIoU_c + mean |difference| in cells / 2) / sum_c n_c
        L_class = the cross-entropy of the class, weighted by n in the same way

    Args:
        grid: Rows and columns of cells.
        several: Whether a picture may have any number of boxes.

    References:
        - [Zhou et al., 2019](https://arxiv.org/abs/1904.07850) (objects as points)
        - [Lin et al., 2017](https://arxiv.org/abs/1708.02002) (focal loss)
    """

    def __init__(self, grid: tuple[int, int], several: bool = False, **kwargs):
        super().__init__(**{"name": "box_loss", **kwargs})
        self.grid = (int(grid[0]), int(grid[1]))
        self.several = several

    def call(self, y_true, y_pred):
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        wanted = assign(y_true, self.grid)
        giou = overlaps(wanted.box, y_pred[..., 1:5])[1]
        rows, cols = self.grid
        sides = ops.convert_to_tensor([cols, rows, cols, rows], dtype="float32")
        apart = ops.mean(ops.abs(wanted.box - y_pred[..., 1:5]) * sides, axis=-1)
        of_cell = 1 - giou + apart / 2
        if y_pred.shape[-1] > 5:
            of_cell += -ops.sum(wanted.classes * ops.log_softmax(y_pred[..., 5:]), axis=-1)
        near = ops.where(wanted.near > 0.1, wanted.near, 0.0)
        mean = ops.sum(near * of_cell, axis=-1) / ops.maximum(ops.sum(near, axis=-1), 1e-6)
        where = self._several_places if self.several else self._one_place
        return mean + where(y_pred[..., 0], wanted)

    def _one_place(self, logits: Any, wanted: Any) -> Any:
        return -ops.sum(wanted.middle * ops.log_softmax(logits), axis=-1)

    def _several_places(self, logits: Any, wanted: Any) -> Any:
        p, log_p, log_not = ops.sigmoid(logits), ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
        hits = wanted.middle * ops.square(1 - p) * log_p
        rest = (1 - wanted.middle) * (1 - wanted.near) ** 4 * ops.square(p) * log_not
        count = ops.maximum(ops.sum(wanted.middle, axis=-1), 1.0)
        return -ops.sum(hits + rest, axis=-1) / count

    def get_config(self):
        return {**super().get_config(), "grid": self.grid, "several": self.several}


@keras.saving.register_keras_serializable(package="mmkeras")
class BoxAccuracy(keras.metrics.Mean):
    """How often the one box overlaps with the true one by half or more and has its class."""

    def __init__(self, name: str = "box_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, said = ops.cast(y_true, "float32"), best_box(y_pred)
        right = overlaps(y_true[:, 0, 1:5], said[:, 0, 1:5])[0] >= 0.5
        if said.shape[-1] > 5:
            same = ops.argmax(y_true[:, 0, 5:], axis=-1) == ops.argmax(said[:, 0, 5:], axis=-1)
            right = ops.logical_and(right, same)
        return super().update_state(ops.cast(right, "float32"), sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class BoxF1(keras.metrics.Mean):
    """The mean over rows of the F1 of predicted boxes.

    A box is found, or right, if any of the other side's overlaps with it by half or more and has
    its class; reports match one to one, which gives the same unless boxes lie on each other.

    Args:
        max_boxes, overlap, score_threshold: As for `mmkeras.decoders.BoxesDecoder`.
    """

    def __init__(
        self,
        max_boxes: int,
        overlap: float,
        score_threshold: float,
        name: str = "box_f1",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.max_boxes, self.overlap = max_boxes, overlap
        self.score_threshold = score_threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "float32")
        said = top_boxes(y_pred, self.max_boxes, self.overlap)
        there, counts = y_true[..., 0] > 0, said[..., 0] >= self.score_threshold
        pairs = overlaps(y_true[:, :, None, 1:5], said[:, None, :, 1:5])[0] >= 0.5
        if said.shape[-1] > 5:
            classes = [ops.argmax(x[..., 5:], axis=-1) for x in (y_true, said)]
            pairs = ops.logical_and(pairs, classes[0][:, :, None] == classes[1][:, None, :])
        pairs = ops.logical_and(pairs, there[:, :, None])
        pairs = ops.cast(ops.logical_and(pairs, counts[:, None, :]), "float32")
        found = ops.sum(ops.max(pairs, axis=2), axis=1) + ops.sum(ops.max(pairs, axis=1), axis=1)
        both = [ops.sum(ops.cast(x, "float32"), axis=1) for x in (there, counts)]
        count = both[0] + both[1]
        f1 = ops.where(count > 0, found / ops.maximum(count, 1.0), 1.0)
        return super().update_state(f1, sample_weight)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("max_boxes", "overlap", "score_threshold")}
        return {**super().get_config(), **own}
