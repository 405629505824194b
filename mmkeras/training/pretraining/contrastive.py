"""Contrastive pre-training: encoders that put what belongs together close to each other."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal, get_args

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.models.parts import fusion_inputs, pooled

Positives = Literal["rows", "classes"]
POSITIVES = get_args(Positives)
LARGEST_SCALE = 100.0


@keras.saving.register_keras_serializable(package="mmkeras")
class Projection(ConfiguredLayer):
    """A modality's vector as one of length 1, in the space that all modalities share.

        z = W x / |W x|

    Zeros, which stand for an absent modality, stay zeros.

    Args:
        dim: The width of the shared space.

    Call arguments:
        inputs: `(batch, features)`.

    Returns:
        `(batch, dim)`.

    Example:

    >>> Projection(32)(keras.Input((8,))).shape
    (None, 32)
    """

    def __init__(self, dim: int = 128, **kwargs):
        super().__init__(**kwargs)
        if dim < 1:
            raise ValueError(f"`dim` must be at least 1. Received: {dim}.")
        self.dim = int(dim)

    def build(self, input_shape):
        self.dense = layers.Dense(self.dim, use_bias=False, dtype=self.dtype_policy, name="dense")
        self.dense.build(input_shape)

    def call(self, inputs, training=None):
        z = ops.cast(self.dense(inputs), "float32")
        # Not `ops.normalize`, whose gradient at zeros is NaN.
        z = z / ops.sqrt(ops.sum(ops.square(z), axis=-1, keepdims=True) + 1e-12)
        return ops.cast(z, self.compute_dtype)


def projection_model(model: keras.Model, dim: int = 128) -> keras.Model:
    """A model from the same inputs to each modality's place in one shared space.

    Args:
        model: A model of `build_model` with two or more modalities. Its encoders are shared, so
            that training the projections trains them, and `model` starts from there.
        dim: The width of the shared space.

    Returns:
        A model that gives, by modality name, vectors `(batch, dim)` of length 1, and zeros where
        the modality is absent. Similarity is their dot product.

    Raises:
        ValueError: There is a single modality.
    """
    tokens, arguments = fusion_inputs(model)
    if len(tokens) < 2:
        raise ValueError(
            f"Contrastive training relates two or more modalities. Received: {list(tokens)}."
        )
    outputs = {}
    for name, x in tokens.items():
        projection = Projection(dim, dtype="float32", name=f"{name}_projection")
        outputs[name] = projection(pooled(model, name, x, arguments.get("present")))
    return keras.Model(model.input, outputs, name="projection")


def info_nce(
    first: Any, second: Any, scale: Any, *, positives: Any | None = None, valid: Any | None = None
) -> Any:
    """The symmetric InfoNCE loss of two modalities' vectors in one batch.

    Each vector is to recognise its partner among all those of the other modality:

        L = 1/2 (l(U, V) + l(V, U)),   l(U, V) = -mean_i log(exp(s u_i v_i) / sum_j exp(s u_i v_j))

    With several partners `P(i)`, the mean over them replaces the one:
    `l(U, V) = -mean_i 1/|P(i)| sum_{p in P(i)} log(exp(s u_i v_p) / sum_j exp(s u_i v_j))`.

    Args:
        first: `U`, `(batch, dim)`, of length 1 each.
        second: `V`, the same.
        scale: `s`, one over the temperature.
        positives: Boolean `(batch, batch)`, symmetric: which rows are partners. By default each
            row is its own.
        valid: Boolean `(batch,)`: rows that count. The others are neither asked nor candidates.

    Returns:
        A number; 0 where no row is valid.

    References:
        - [van den Oord, Li and Vinyals, 2018](https://arxiv.org/abs/1807.03748) (InfoNCE)
        - [Radford et al., 2021](https://arxiv.org/abs/2103.00020) (CLIP: symmetric, learnt scale)
        - [Khosla et al., 2020](https://arxiv.org/abs/2004.11362) (several partners)
    """
    logits = scale * ops.matmul(ops.cast(first, "float32"), ops.transpose(second))
    if positives is None:
        rows = ops.arange(ops.shape(logits)[0])
        positives = rows[:, None] == rows[None, :]
    count = ops.cast(ops.shape(logits)[0], "float32")
    if valid is not None:
        both = valid[:, None] & valid[None, :]
        positives = positives & both
        logits = ops.where(both, logits, -1e9)
        count = ops.sum(ops.cast(valid, "float32"))
    share = ops.cast(positives, "float32")
    share = share / ops.maximum(ops.sum(share, axis=1, keepdims=True), 1.0)
    forward = ops.sum(share * ops.log_softmax(logits, axis=1))
    backward = ops.sum(share * ops.log_softmax(ops.transpose(logits), axis=1))
    return -(forward + backward) / (2.0 * ops.maximum(count, 1.0))


class ContrastiveModel(keras.Model):
    """Trains a `projection_model` by InfoNCE, the mean over all pairs of modalities.

    Compile it with an optimizer and without a loss, and fit it on the batches that any model of
    these modalities is fitted on. The task grows with the batch: a few hundred rows at once teach
    more than 32. A row that lacks a modality is left out of that modality's pairs. The
    temperature is learnt; its inverse stays between 1 and 100, as in CLIP.

    Args:
        projections: A model of `projection_model`.
        temperature: At the start.
        positives: `"rows"`: partners are the modalities of one row; needs no target.
            `"classes"`: those of all rows of one class (any common label).

    Example:

    >>> from mmkeras.models.build import build_model
    >>> from mmkeras.schema import InputSpec, Schema, Tabular
    >>> schema = Schema([Tabular("left", ["a"]), Tabular("right", ["b"])], "label")
    >>> inputs = {"left": InputSpec((5,)), "right": InputSpec((3,))}
    >>> model = build_model(schema, inputs, num_outputs=2)
    >>> contrastive = ContrastiveModel(projection_model(model, dim=8))
    >>> contrastive.compile("adam")
    >>> x = {"left": keras.random.normal((16, 5)), "right": keras.random.normal((16, 3))}
    >>> history = contrastive.fit(x, verbose=0)

    References: see `info_nce`.
    """

    def __init__(
        self,
        projections: keras.Model,
        *,
        temperature: float = 0.07,
        positives: str = "rows",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if positives not in POSITIVES:
            raise ValueError(f"`positives` must be one of {POSITIVES}. Received: {positives!r}.")
        if not 1.0 / LARGEST_SCALE <= temperature <= 1.0:
            raise ValueError(
                f"`temperature` must be in [{1 / LARGEST_SCALE}, 1]. Received: {temperature}."
            )
        self.projections, self.positives = projections, positives
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(-math.log(temperature)),
            # After each step. Clipped where it is used, it would get no gradient back.
            constraint=lambda value: ops.clip(value, 0.0, math.log(LARGEST_SCALE)),
            name="log_scale",
        )

    def call(self, inputs, training=None):
        return self.projections(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        positives = None
        if self.positives == "classes":
            if y is None or len(y.shape) != 2:
                raise ValueError(
                    "positives='classes' needs one-hot targets (batch, classes). Received: "
                    f"{'no targets' if y is None else f'targets of shape {tuple(y.shape)}'}."
                )
            labels = ops.cast(y, "float32")
            positives = ops.matmul(labels, ops.transpose(labels)) > 0.5
        losses = []
        for first, second in itertools.combinations(y_pred.values(), 2):
            valid = None
            if "present" in self.projections.input:
                # What is absent is all zeros.
                valid = ops.any(first != 0, axis=-1) & ops.any(second != 0, axis=-1)
            scale = ops.exp(self.log_scale)
            losses.append(info_nce(first, second, scale, positives=positives, valid=valid))
        return sum(losses) / len(losses) + sum(self.losses)
