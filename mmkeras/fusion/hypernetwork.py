"""Fusion by a hypernetwork: one modality generates the weights that are applied to the others."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.fusion.parts.conditioning import check_condition, split_condition
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


@keras.saving.register_keras_serializable(package="mmkeras")
class HypernetworkFusion(Fusion):
    """Applies to each modality a layer whose weights the conditioning modality generates.

    A hypernetwork `f` gives the weights of a primary network `g`, so that the result is
    `g(x; f(z))`. With `x_i = pool(X_i)`, `c` the conditioning modality and `K = bottleneck`:

        h_i = relu(P_i x_i + p_i),    of width K, for every modality
        W_j(z) = W_j0 + sum_k h_ck T_jk,    of shape (K, dim)
        b(z) = b_0 + h_c B
        F(X) = sum over j != c of h_j W_j(z) + b(z)

    `h_c` is the hypernetwork's hidden layer, and its second layer is linear. `K` is small, since
    `T_j` has `K * K * dim` weights.

    Without the conditioning modality `h_c = 0`, and what is left are the learnt `W_j0` and `b_0`,
    the same for every row. An absent modality among the others adds nothing. A row without any
    modality gives zeros.

    Args:
        dim: The width of the fused vector.
        condition: The index of the conditioning modality; -1 is the last.
        bottleneck: The width of what the generated weights are applied to, and of the
            hypernetwork's hidden layer.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> HypernetworkFusion(dim=32, condition=1)([image, text]).shape
    (None, 32)

    References:
        - [Ha et al., 2017](https://arxiv.org/abs/1609.09106) (hypernetworks)
        - [Galanti & Wolf, 2020](https://arxiv.org/abs/2002.10006) (`g(x; f(z))` where `z` is
          another input, not a layer's embedding, and why `g` can then be small)
    """

    def __init__(
        self,
        dim: int = 64,
        condition: int = -1,
        bottleneck: int = 16,
        pooling: str = "mean",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.condition = check_condition(condition)
        self.bottleneck = int(bottleneck)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("HypernetworkFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.index, self.others = split_condition(
            "HypernetworkFusion", self.condition, len(tokens_shape)
        )
        self.projections = build_projections(
            tokens_shape, self.bottleneck, self.pooling, self.dtype_policy, activation="relu"
        )
        self.base_weights = [
            self.add_weight(
                shape=(self.bottleneck, self.dim), initializer="glorot_uniform", name=f"base_{j}"
            )
            for j in self.others
        ]
        self.weight_generators = []
        for _ in self.others:
            generator = layers.Dense(
                self.bottleneck * self.dim, use_bias=False, dtype=self.dtype_policy
            )
            generator.build((None, self.bottleneck))
            self.weight_generators.append(generator)
        self.bias_generator = layers.Dense(self.dim, dtype=self.dtype_policy)
        self.bias_generator.build((None, self.bottleneck))

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        vectors = pool_each(tokens, masks, self.poolings)
        hidden = project(self.projections, vectors, here)
        condition = hidden[:, self.index]
        fused = self.bias_generator(condition)
        for j, base, generator in zip(
            self.others, self.base_weights, self.weight_generators, strict=True
        ):
            generated = ops.reshape(generator(condition), (-1, self.bottleneck, self.dim))
            fused = fused + ops.einsum("bk,bkd->bd", hidden[:, j], base + generated)
        return zero_empty_rows(fused, here)
