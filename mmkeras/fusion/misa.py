"""Fusion of what the modalities share and what each has for itself (MISA)."""

from __future__ import annotations

import itertools
from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.transformer import TransformerLayers, check_heads
from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pooled_dim,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import pool_each


@keras.saving.register_keras_serializable(package="mmkeras")
class MISAFusion(Fusion):
    """Splits each modality into an invariant and a specific vector, which attend to each other.

    With one encoder `C` for all modalities, and an encoder `S_i` and a decoder `D_i` for each,

        u_i = Norm(P_i pool(X_i) + p_i)
        c_i = sigmoid(C u_i + a),    s_i = sigmoid(S_i u_i + b_i)
        F(X) = Transformer([c_1, ..., c_m, s_1, ..., s_m]), side by side

    The transformer is one layer of `TransformerLayers` over the `2 m` vectors, which get no
    positions. An absent modality's two vectors are not keys, and zeros in the result.

    In training three losses are added, each times its weight. Over a batch's rows, `c_i` and `s_i`
    are matrices; `Z(.)` takes off the mean over the rows and makes each row of length 1; `E` is
    the mean over the rows and `M_k(x) = E((x - E(x))^k)` a central moment:

        similarity:      mean over pairs of modalities of CMD(c_i, c_j),
                         CMD(x, y) = |E(x) - E(y)| + sum_{k=2..5} |M_k(x) - M_k(y)|
        difference:      sum_i |Z(c_i)^T Z(s_i) / n|^2 + sum_{i<j} |Z(s_i)^T Z(s_j) / n|^2
        reconstruction:  mean_i E(|u_i - D_i(c_i + s_i)|^2) / dim

    A row counts where the modality is present; for a pair's difference, where both are. Dividing
    by the `n` rows is not in the paper, whose code takes the mean of the squares instead, has an
    activation before `Norm` and, as here, a decoder for each modality.

    Args:
        dim: The width of each vector; a multiple of `num_heads`.
        num_heads: Attention heads of the transformer.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.
        similarity, difference, reconstruction: The weights of the losses.
        dropout: Share of units that are dropped in the transformer, in training.

    Returns:
        `(batch, 2 * modalities * dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> MISAFusion(dim=32)([image, text]).shape
    (None, 128)

    References:
        - [Hazarika et al., 2020](https://arxiv.org/abs/2005.03545)
        - [Zellinger et al., 2017](https://arxiv.org/abs/1702.08811) (central moment discrepancy)
    """

    def __init__(
        self,
        dim: int = 64,
        num_heads: int = 4,
        pooling: str = "mean",
        similarity: float = 0.1,
        difference: float = 0.1,
        reconstruction: float = 0.1,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(dim, num_heads)
        self.dim = int(dim)
        self.num_heads = int(num_heads)
        self.pooling = check_pooling(pooling)
        self.similarity = similarity
        self.difference = difference
        self.reconstruction = reconstruction
        self.dropout = dropout

    def build(self, tokens_shape):
        check_token_shapes("MISAFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        common = {"dtype": self.dtype_policy}

        def dense(inputs, activation=None):
            layer = layers.Dense(self.dim, activation=activation, **common)
            layer.build((None, inputs))
            return layer

        widths = [pooled_dim(shape, self.pooling) for shape in tokens_shape]
        self.projections = [dense(width) for width in widths]
        self.norms = [layers.LayerNormalization(**common) for _ in widths]
        for norm in self.norms:
            norm.build((None, self.dim))
        self.invariant = dense(self.dim, "sigmoid")
        self.specific = [dense(self.dim, "sigmoid") for _ in widths]
        self.decoders = [dense(self.dim) for _ in widths]
        self.transformer = TransformerLayers(
            self.num_heads, num_layers=1, ff_dim=2 * self.dim, dropout=self.dropout, **common
        )
        self.transformer.build((None, 2 * len(widths), self.dim))

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        projected = [
            norm(projection(vector))
            for projection, norm, vector in zip(
                self.projections,
                self.norms,
                pool_each(tokens, masks, self.poolings),
                strict=True,
            )
        ]
        shared = [self.invariant(u) for u in projected]
        own = [encoder(u) for encoder, u in zip(self.specific, projected, strict=True)]
        keys = None if present is None else ops.tile(ops.cast(present, "bool"), (1, 2))
        fused = self.transformer(ops.stack(shared + own, axis=1), key_mask=keys)
        if keys is not None:
            fused = ops.where(ops.expand_dims(keys, axis=-1), fused, 0.0)
        if training:
            self._add_losses(projected, shared, own, present)
        return ops.reshape(fused, (-1, 2 * len(tokens) * self.dim))

    def _add_losses(self, projected, shared, own, present):
        rebuilt = [decoder(c + s) for decoder, c, s in zip(self.decoders, shared, own, strict=True)]
        projected, shared, own, rebuilt = (
            [ops.cast(x, "float32") for x in part] for part in (projected, shared, own, rebuilt)
        )
        if present is None:
            rows = [ops.ones_like(x[:, :1]) for x in projected]
        else:
            rows = ops.split(ops.cast(present, "float32"), len(projected), axis=1)
        modalities = range(len(projected))
        pairs = list(itertools.combinations(modalities, 2))
        similarity = sum(
            central_moment_discrepancy(shared[i], shared[j], rows[i], rows[j]) for i, j in pairs
        )
        difference = sum(alignment(shared[i], own[i], rows[i]) for i in modalities)
        difference = difference + sum(
            alignment(own[i], own[j], rows[i] * rows[j]) for i, j in pairs
        )
        reconstruction = sum(
            ops.mean(_mean(ops.square(projected[i] - rebuilt[i]), rows[i])) for i in modalities
        )
        self.add_loss(self.similarity * similarity / len(pairs))
        self.add_loss(self.difference * difference)
        self.add_loss(self.reconstruction * reconstruction / len(projected))


def central_moment_discrepancy(x: Any, y: Any, x_rows: Any, y_rows: Any) -> Any:
    """How far the first five moments of two sets of vectors in [0, 1] are apart.

    `x_rows` and `y_rows`, `(rows, 1)`, are 1 for a row that counts; where none does, this is 0.
    """
    x_mean, y_mean = _mean(x, x_rows), _mean(y, y_rows)
    distance = _length(x_mean - y_mean)
    for power in range(2, 6):
        x_moment = _mean((x - x_mean) ** power, x_rows)
        distance = distance + _length(x_moment - _mean((y - y_mean) ** power, y_rows))
    return ops.where(ops.any(x_rows > 0) & ops.any(y_rows > 0), distance[0], 0.0)


def alignment(x: Any, y: Any, rows: Any) -> Any:
    """The squared Frobenius norm of `Z(x)^T Z(y) / n`, see `MISAFusion`: 0 if orthogonal."""
    x, y = ((part - _mean(part, rows)) * rows for part in (x, y))
    x, y = (part / _length(part) for part in (x, y))
    product = ops.matmul(ops.transpose(x), y) / ops.maximum(ops.sum(rows), 1.0)
    return ops.sum(ops.square(product))


def _mean(x, rows):
    return ops.sum(x * rows, axis=0) / ops.maximum(ops.sum(rows), 1.0)


def _length(x):
    # The root's slope at zero is infinite; the maximum passes none of it on.
    return ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 1e-12))
