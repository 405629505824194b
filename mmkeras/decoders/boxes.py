"""Boxes from the tokens of a picture: where the thing is that a phrase names, or all objects."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.decoders.parts.box_losses import BoxAccuracy, BoxF1, BoxLoss
from mmkeras.decoders.parts.box_ops import best_box, cell_middles, top_boxes
from mmkeras.decoders.parts.decoder import Decoder, no_label_smoothing
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent, masked_mean

MATCHINGS = ("film", "dot")


@keras.saving.register_keras_serializable(package="mmkeras")
class BoxesDecoder(Decoder):
    """Every cell of the picture says whether a box has its middle there, and how large it is.

    The picture's tokens `X` lie on a grid, `P` being where (x and y from 0 to 1). What the other
    modalities say, `c`, is the fused vector and the mean of each other modality's tokens. It scales
    and shifts the features of all cells (FiLM) before each of `depth` residual convolutions:

        H_0 = X W + P V + b
        H_k = H_(k-1) + conv(relu((1 + g_k(c)) * norm(H_(k-1)) + s_k(c)))
        Z = relu((1 + g(c)) * norm(H_depth) + s(c)) W' + b'

    with `g`, `s` linear. With `matching="dot"`, the picture is read without knowing what is asked
    (no `g` and `s`), and what a cell looks like is compared with the mean `c` of each other
    modality's tokens, whatever the picture:

        a = a_0 + exp(t) cos(V' relu(norm(H_depth)), U c)

    What was learnt of one phrase's words then holds for others, also for phrases and things that
    no training row has. FiLM can do more (relations, counting), and learns phrases by heart. The
    other things in a picture are few; with `contrast`, a phrase is told from all pictures of the
    batch, too, by what is most like it in each. With `s_bic` what is added to `a_0` in cell `c` of
    picture `i` for phrase `b`, the loss has one term more:

        L_contrast = -log softmax_i(log sum_c exp(s_bic))_b

    A cell's `z = (a, x, y, w, h, classes)` is a box: its middle is that of
    the cell, moved by `x` and `y` cells, its sides are `2 exp(w)` and `2 exp(h)` cells.

    The one box of a phrase is that of the cell with the largest `a`, trained as a softmax over
    cells. Of several boxes, those with the largest `sigmoid(a)` remain that do not overlap. Each
    box belongs to the cell of its middle from the first step on, from which training takes
    minutes; a set matching by assignment (DETR) would decide anew in each step which output
    belongs to which box, and takes hundreds of epochs to settle. Two boxes whose middles are in
    one cell are taken for one: choose an encoder whose cells are smaller than the objects. Cells
    are taken to divide the picture evenly: give pictures a size that is a multiple of theirs.

    Args:
        max_boxes: How many boxes an answer holds.
        classes: How many classes boxes have; 0 where they have none.
        several: Whether a picture may have any number of boxes, and not exactly one.
        score_threshold: The score from which on one of several boxes counts, in training's F1.
        overlap: Of several boxes, the largest IoU with one of a better score.
        dim: Width of the cells' features.
        depth: Number of residual convolutions (3×3 cells).
        matching: How the other modalities choose: `"film"`, or `"dot"`, which leaves the fused
            vector out.
        contrast: With `"dot"`, the weight of telling a phrase from the batch's other pictures, in
            training.
        dropout: Share of the cells' features that are dropped, in training.
        place: Which of the modalities is the picture.
        grid: Rows and columns of its tokens (an encoder's `token_grid`).

    Call arguments:
        As for `Decoder`.

    Returns:
        `(batch, cells, 5 + classes)`: for each cell `a`, its box (left, top, width, height as
        shares of the picture) and the classes' logits. `answer` gives boxes, as the target's
        arrays hold them: `(batch, max_boxes, 5 + classes)`, scores first, probabilities last.

    Example:

    >>> import numpy as np
    >>> decoder = BoxesDecoder(max_boxes=3, several=True, grid=(4, 8))
    >>> vector, image, text = np.zeros((2, 6)), np.zeros((2, 32, 16)), np.zeros((2, 5, 8))
    >>> decoder(vector, [image, text]).shape, decoder.answer(vector, [image, text]).shape
    (TensorShape([2, 32, 5]), TensorShape([2, 3, 5]))

    References:
        - [Liu et al., 2018](https://arxiv.org/abs/1807.03247) (coordinates as features)
        - [Perez et al., 2018](https://arxiv.org/abs/1709.07871) (FiLM)
        - [Frome et al., 2013](https://papers.nips.cc/paper/5204) (pictures and words that were
          never seen, compared in one space)
        - [Miech et al., 2020](https://arxiv.org/abs/1912.06430) (contrast over bags, of which one
          instance is meant)
        - [Tian et al., 2019](https://arxiv.org/abs/1904.01355) (boxes without anchors)
        - [Carion et al., 2020](https://arxiv.org/abs/2005.12872) (DETR)
    """

    of_modality = True
    gives_answer = False

    def __init__(
        self,
        max_boxes: int = 1,
        classes: int = 0,
        several: bool = False,
        score_threshold: float = 0.5,
        overlap: float = 0.5,
        dim: int = 64,
        depth: int = 2,
        matching: str = "film",
        contrast: float = 0.0,
        dropout: float = 0.0,
        place: int = 0,
        grid: tuple[int, int] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if max_boxes < 1 or (max_boxes > 1 and not several):
            raise ValueError(
                "`max_boxes` is 1, or more with `several=True`. Received: "
                f"max_boxes={max_boxes}, several={several}."
            )
        if matching not in MATCHINGS:
            raise ValueError(f"`matching` is one of {MATCHINGS}. Received: {matching!r}.")
        if contrast < 0 or (contrast and matching != "dot"):
            raise ValueError(
                "`contrast` is 0, or above with matching='dot'. Received: "
                f"contrast={contrast}, matching={matching!r}."
            )
        self.matching, self.contrast = matching, float(contrast)
        self.max_boxes, self.classes, self.several = int(max_boxes), int(classes), bool(several)
        self.score_threshold, self.overlap = float(score_threshold), float(overlap)
        self.dim, self.depth, self.dropout = int(dim), int(depth), float(dropout)
        self.place = int(place)
        self.grid = None if grid is None else (int(grid[0]), int(grid[1]))

    @classmethod
    def default_modality(cls, schema):
        return schema.target.image

    def build(self, vector_shape, tokens_shape):
        check_token_shapes("BoxesDecoder", tokens_shape)
        if not 0 <= self.place < len(tokens_shape):
            raise ValueError(
                f"`place` is that of one of {len(tokens_shape)} modalities. Received: {self.place}."
            )
        cells, width = tokens_shape[self.place][1:]
        if self.grid is None or cells not in (None, self.grid[0] * self.grid[1]):
            raise ValueError(
                f"BoxesDecoder needs to know how the picture's {cells} tokens lie in rows and "
                f"columns, as its encoder's `token_grid` says it. Received: grid={self.grid}."
            )
        others = [shape for index, shape in enumerate(tokens_shape) if index != self.place]
        widths = [shape[-1] for shape in others]
        dot = self.matching == "dot"
        common = {"dtype": self.dtype_policy}
        self.project = layers.Dense(self.dim, **common)
        self.project.build((None, None, width))
        self.project_places = layers.Dense(self.dim, use_bias=False, **common)
        self.project_places.build((1, *self.grid, 2))
        self.steps = []
        for number in range(self.depth + 1):
            norm = layers.LayerNormalization(**common)
            norm.build((None, *self.grid, self.dim))
            film = None
            if not dot:
                film = layers.Dense(2 * self.dim, **common)
                film.build((None, vector_shape[-1] + sum(widths)))
            conv = None
            if number < self.depth:
                conv = layers.Conv2D(
                    self.dim, 3, padding="same", data_format="channels_last", **common
                )
                conv.build((None, *self.grid, self.dim))
            self.steps.append((norm, film, conv))
        self.drop = layers.Dropout(self.dropout, **common)
        self.last = layers.Dense(5 + self.classes, **common)
        self.last.build((None, None, self.dim))
        self.compare = []
        if dot and widths:
            for shape in ((None, None, self.dim), (None, sum(widths))):
                self.compare.append(layers.Dense(self.dim, use_bias=False, **common))
                self.compare[-1].build(shape)
            self.log_scale = self.add_weight(
                name="log_scale", shape=(), initializer=keras.initializers.Constant(2.0)
            )

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        means = [
            masked_mean(x, mask)
            for index, (x, mask) in enumerate(zip(tokens, masks, strict=True))
            if index != self.place
        ]
        x = ops.reshape(self.project(tokens[self.place]), (-1, *self.grid, self.dim))
        places = ops.reshape(cell_middles(self.grid), (1, *self.grid, 2))
        x = x + self.project_places(ops.cast(places, x.dtype))
        for norm, film, conv in self.steps:
            changed = norm(x)
            if film is not None:
                context = ops.concatenate([vector, *means], axis=-1)
                scale, shift = ops.split(film(context)[:, None, None, :], 2, axis=-1)
                changed = (1 + scale) * changed + shift
            changed = ops.relu(changed)
            x = changed if conv is None else x + conv(changed)
        x = self.drop(x, training=training)
        cells = self.grid[0] * self.grid[1]
        x = ops.reshape(x, (-1, cells, self.dim))
        said = self.last(x)
        if self.compare:
            likeness = self._likeness(x, ops.concatenate(means, axis=-1), training)
            said = ops.concatenate([said[..., :1] + likeness, said[..., 1:]], axis=-1)
        return self._as_boxes(said)

    def _likeness(self, x: Any, context: Any, training: bool | None) -> Any:
        """How much each cell looks like what the other modalities say, `(batch, cells, 1)`."""
        cells, phrase = (each(y) for each, y in zip(self.compare, (x, context), strict=True))
        cells, phrase = ops.normalize(cells, axis=-1), ops.normalize(phrase, axis=-1)
        phrase = ops.cast(ops.exp(self.log_scale), x.dtype) * phrase
        if training and self.contrast:
            of_all = ops.cast(ops.einsum("icd,bd->bic", cells, phrase), "float32")
            by_picture = ops.log_softmax(ops.logsumexp(of_all, axis=-1), axis=-1)
            self.add_loss(-self.contrast * ops.mean(ops.diagonal(by_picture)))
        return ops.matmul(cells, phrase[..., None])

    def compute_output_spec(self, vector, tokens, masks=None, present=None, **more):
        shape = (vector.shape[0], self.grid[0] * self.grid[1], 5 + self.classes)
        return keras.KerasTensor(shape, self.compute_dtype)

    def _as_boxes(self, said: Any) -> Any:
        middles = ops.cast(cell_middles(self.grid), said.dtype)
        cell = ops.convert_to_tensor([1 / self.grid[1], 1 / self.grid[0]], dtype=said.dtype)
        middle = middles + said[..., 1:3] * cell
        sides = 2 * ops.exp(ops.clip(said[..., 3:5], -4.0, 4.0)) * cell
        # At first hardly any cell claims one of several boxes: almost all of them have none.
        logit = said[..., :1] - 4.0 if self.several else said[..., :1]
        return ops.concatenate([logit, middle - sides / 2, sides, said[..., 5:]], axis=-1)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        no_label_smoothing(self, label_smoothing)
        return BoxLoss(self.grid, self.several)

    def training_metrics(self) -> list[keras.metrics.Metric]:
        if self.several:
            return [BoxF1(self.max_boxes, self.overlap, self.score_threshold)]
        return [BoxAccuracy()]

    def answer(self, vector, tokens, masks=None, present=None, overlap: float | None = None):
        cells = self(vector, tokens, masks=masks, present=present)
        if not self.several:
            return best_box(cells)
        return top_boxes(cells, self.max_boxes, self.overlap if overlap is None else overlap)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return (self.max_boxes, 5 + self.classes)
