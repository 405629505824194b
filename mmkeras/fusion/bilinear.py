"""Factorized bilinear pooling: a wide product of the modalities, pooled and normalised."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import (
    build_projections,
    pool_each,
    presence,
    project,
    zero_empty_rows,
)

EPSILON = 1e-6


@keras.saving.register_keras_serializable(package="mmkeras")
class FactorizedBilinearFusion(Fusion):
    """Bilinear pooling whose matrix for each output is a product of two of `factor` columns.

    With `x_i = pool(X_i)`, each projected to the width `factor * dim` (MFB):

        p = Dropout(prod_i (U_i x_i + u_i)),    the product element by element
        s_k = sum of p over the k-th window of `factor` neighbours,    k = 1 ... dim
        n = sign(s) |s|^(1/2)
        F(X) = n / ||n||

    These are sum pooling, power normalisation and l2 normalisation, in the paper's order. For two
    modalities, without the biases, `s_k` is the bilinear form `x_1^T U_1k^T U_2k x_2`, of rank
    `factor`. The paper has two modalities; with more, the product runs over all of them. The roots
    are computed as `s / sqrt(|s| + 1e-6)` and `n / sqrt(||n||^2 + 1e-6)`, so that gradients are
    finite at zero. The biases `u_i` begin at 1: a product of factors that vary around 0 shows no
    modality's own effect, only their interaction (see `ElementwiseFusion`).

    An absent modality is left out of the product: it is its neutral element 1. A row without any
    gives zeros.

    Args:
        dim: The width of the fused vector.
        factor: The rank of each output's bilinear form, the paper's `k`.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.
        dropout: Share of the product's features that are dropped, in training.

    Returns:
        `(batch, dim)`, rows of length 1.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> FactorizedBilinearFusion(dim=32)([image, text]).shape
    (None, 32)

    References:
        - [Yu et al., 2017](https://arxiv.org/abs/1708.01471)
    """

    def __init__(
        self,
        dim: int = 64,
        factor: int = 4,
        pooling: str = "mean",
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.factor = int(factor)
        self.pooling = check_pooling(pooling)
        self.dropout = dropout

    def build(self, tokens_shape):
        check_token_shapes("FactorizedBilinearFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections = build_projections(
            tokens_shape,
            self.factor * self.dim,
            self.pooling,
            self.dtype_policy,
            bias_initializer="ones",
        )
        self.drop = layers.Dropout(self.dropout, dtype="float32")

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        vectors = pool_each(tokens, masks, self.poolings)
        projected = project(self.projections, vectors, here)
        # A product of several modalities, and squares of small numbers, leave the range of float16.
        projected = ops.cast(projected, "float32")
        product = ops.prod(ops.where(ops.expand_dims(here, axis=-1), projected, 1.0), axis=1)
        product = self.drop(zero_empty_rows(product, here), training=training)
        x = ops.sum(ops.reshape(product, (-1, self.dim, self.factor)), axis=-1)
        x = x / ops.sqrt(ops.abs(x) + EPSILON)
        x = x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + EPSILON)
        return ops.cast(x, self.compute_dtype)
