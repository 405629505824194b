"""Fusion of correlated projections: deep canonical correlation analysis."""

from __future__ import annotations

import itertools
from typing import Any

import keras
from keras import ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import build_projections, pool_each


@keras.saving.register_keras_serializable(package="mmkeras")
class DeepCCAFusion(Fusion):
    """Concatenates projections that are trained to be correlated between the modalities.

        h_i = P_i pool(X_i) + p_i
        F(X) = [h_1, ..., h_m]

    In training a loss is added: minus the correlation of each pair of modalities, the mean over
    the pairs. With `H_i` the rows of a batch, each feature's mean taken off, and `n` rows,

        S_ij = H_i^T H_j / (n - 1),    S_ii = H_i^T H_i / (n - 1) + ridge I
        T = S_11^(-1/2) S_12 S_22^(-1/2)
        loss = -weight / dim * |T|^2

    The squared Frobenius norm `|T|^2 = trace(S_11^-1 S_12 S_22^-1 S_21)` is the sum of the
    *squared* canonical correlations. Andrew (equation 10) has their plain sum, the trace norm of
    `T`; for given encoders the squares have the same best projections, and need no matrix root,
    whose gradient breaks down where two correlations are equal. Each feature is divided by its
    standard deviation first, which changes no correlation and makes the ridge independent of
    scale. The gradient goes on into the encoders, which are the deep networks.

    A row counts for a pair if it has both modalities; a pair with fewer than two rows adds 0. An
    absent modality's part of the vector is zeros.

    Batches need several times as many rows as `dim`, hence its small default: any `n` rows of
    `n - 1` or more features correlate perfectly, and nothing is learnt from that. The ridge only
    keeps the numbers finite.

    Args:
        dim: The width of each projection.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.
        weight: The weight of the loss, which lies between `-weight` and 0.
        ridge: What is added to the variances, of features of variance 1.

    Returns:
        `(batch, modalities * dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> DeepCCAFusion(dim=16)([image, text]).shape
    (None, 32)

    References:
        - [Hotelling, 1936](https://doi.org/10.1093/biomet/28.3-4.321) (canonical correlations)
        - [Andrew et al., 2013](https://proceedings.mlr.press/v28/andrew13.html) (equation 10)
    """

    def __init__(
        self,
        dim: int = 8,
        pooling: str = "mean",
        weight: float = 0.1,
        ridge: float = 1e-3,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if ridge <= 0:
            raise ValueError(
                f"`ridge` must be positive, or small batches have no inverse. Received: {ridge}."
            )
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)
        self.weight = weight
        self.ridge = ridge

    def build(self, tokens_shape):
        check_token_shapes("DeepCCAFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections = build_projections(
            tokens_shape, self.dim, self.pooling, self.dtype_policy
        )

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        projected = [
            projection(vector)
            for projection, vector in zip(
                self.projections, pool_each(tokens, masks, self.poolings), strict=True
            )
        ]
        if present is not None:
            rows = ops.split(ops.cast(present, "bool"), len(projected), axis=1)
            projected = [ops.where(row, x, 0.0) for row, x in zip(rows, projected, strict=True)]
        else:
            rows = [ops.ones_like(x[:, :1], dtype="bool") for x in projected]
        if training and self.weight:
            pairs = list(itertools.combinations(range(len(projected)), 2))
            correlation = sum(
                squared_correlations(projected[i], projected[j], rows[i] & rows[j], self.ridge)
                for i, j in pairs
            )
            self.add_loss(-self.weight * correlation / (len(pairs) * self.dim))
        return ops.concatenate(projected, axis=-1)


def squared_correlations(x: Any, y: Any, rows: Any, ridge: float) -> Any:
    """The sum of the squared canonical correlations of `x` and `y`, in float32.

    Args:
        x, y: `(rows, dim)`.
        rows: Boolean `(rows, 1)`: which rows count.
        ridge: What is added to the variances, of features of variance 1.

    Returns:
        A number, 0 if fewer than two rows count.
    """
    rows = ops.cast(rows, "float32")
    number = ops.sum(rows)
    freedom = ops.maximum(number - 1.0, 1.0)
    x, y = (_standardize(ops.cast(part, "float32"), rows, freedom) for part in (x, y))
    within_x, within_y = (
        ops.matmul(ops.transpose(part), part) / freedom + ridge * ops.eye(part.shape[1])
        for part in (x, y)
    )
    between = ops.matmul(ops.transpose(x), y) / freedom
    left = ops.solve(within_x, between)
    right = ops.solve(within_y, ops.transpose(between))
    return ops.where(number > 1.0, ops.sum(left * ops.transpose(right)), 0.0)


def _standardize(x, rows, freedom):
    """Each feature with mean 0 and variance 1 over the rows that count, the others zeros."""
    mean = ops.sum(x * rows, axis=0) / ops.maximum(ops.sum(rows), 1.0)
    x = (x - mean) * rows
    variance = ops.sum(ops.square(x), axis=0) / freedom
    return x / ops.sqrt(ops.maximum(variance, 1e-9))
