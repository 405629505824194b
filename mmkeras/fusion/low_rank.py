"""Low-rank fusion: a dense layer over the tensor of all modalities that never forms the tensor."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pooled_dim,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import append_one, pool_each, presence, zero_empty_rows


def factors_near_one(shape, dtype=None):
    """Starting values of `[W, w]` for `[z; 1]`: variance 1 / width, and ones for the constant."""
    drawn = keras.initializers.LecunNormal()((shape[0] - 1, *shape[1:]), dtype)
    return ops.concatenate([drawn, ops.ones((1, *shape[1:]), drawn.dtype)], axis=0)


@keras.saving.register_keras_serializable(package="mmkeras")
class LowRankFusion(Fusion):
    """Tensor fusion with a dense layer behind, whose weights are a sum of `rank` outer products.

    With `z_i = [pool(X_i); 1]` and a matrix `W_i^(r)`, of shape `(dim, width of z_i)`, for each
    modality and `r = 1 ... rank`:

        F(X) = sum_r prod_i W_i^(r) z_i + b,    the product element by element

    This equals a dense layer over the outer product of all `z_i` (`TensorFusion` without its
    projections) with the weights, for its output `k`,

        W_k = sum_r  w_1k^(r) x w_2k^(r) x ... x w_mk^(r),    x the outer product

    (section 3 of the paper). It has `rank * dim * sum_i (width_i + 1) + dim` weights, where the
    dense layer has `dim * prod_i (width_i + 1) + dim`. A high enough rank can give any dense
    layer. The paper's own code learns another weight for each `r`; the factors hold that already.

    The column of `W_i^(r)` that meets the constant begins at 1: a product of factors that vary
    around 0 shows no modality's own effect, only their interaction (see `ElementwiseFusion`).

    For an absent modality `z_i = [0; 1]`: what is left are the terms in which only its constant
    stands, as in tensor fusion. A row without any modality gives zeros.

    Args:
        dim: The width of the fused vector.
        rank: The number of outer products.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> LowRankFusion(dim=32, rank=2)([image, text]).shape
    (None, 32)

    References:
        - [Liu et al., 2018](https://arxiv.org/abs/1806.00064) (section 3)
    """

    def __init__(self, dim: int = 64, rank: int = 4, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        if rank < 1:
            raise ValueError(f"`rank` must be 1 or more. Received: {rank}.")
        self.dim = int(dim)
        self.rank = int(rank)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("LowRankFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        # Variance 1 / width, so that a product of several modalities neither vanishes nor explodes.
        self.factors = [
            self.add_weight(
                shape=(pooled_dim(shape, self.pooling) + 1, self.rank * self.dim),
                initializer=factors_near_one,
                name=f"factors_{i}",
            )
            for i, shape in enumerate(tokens_shape)
        ]
        self.bias = self.add_weight(shape=(self.dim,), initializer="zeros", name="bias")

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        vectors = pool_each(tokens, masks, self.poolings)
        # In float32: products of several modalities leave the range of float16.
        product = 1.0
        for vector, factors in zip(vectors, self.factors, strict=True):
            product = product * ops.cast(ops.matmul(append_one(vector), factors), "float32")
        fused = ops.sum(ops.reshape(product, (-1, self.rank, self.dim)), axis=1)
        fused = ops.cast(fused, self.compute_dtype) + self.bias
        return zero_empty_rows(fused, presence(tokens, present))
