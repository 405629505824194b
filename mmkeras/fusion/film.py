"""Feature-wise linear modulation: one modality scales and shifts the features of the others."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.fusion.parts.conditioning import check_condition, split_condition
from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pool,
    pooled_dim,
    resolve_poolings,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class FiLMFusion(Fusion):
    """Modulates the tokens of all other modalities by what one modality says.

    With `c` the conditioning modality, and for each other modality `j` and layer `l`:

        gamma_jl = 1 + U_jl pool(X_c) + u_jl,    beta_jl = V_jl pool(X_c) + v_jl
        H_j0 = X_j P_j + p_j
        H_jl = H_j,l-1 + relu(gamma_jl * Norm(H_j,l-1 A_jl + a_jl) + beta_jl)
        F(X) = W [pool(H_jL) for each j != c]

    `gamma` and `beta` are equation 1 of the paper, their use on every token of a row is
    equation 2, and the 1 in `gamma` is in its appendix (model details): the modulation starts
    near the identity. The paper modulates residual blocks of two convolutions, of which the first
    has no counterpart here. For the second the same dense layer is before every token, so order
    and place of tokens play no part, and `Norm` is layer normalisation without weights where the
    paper normalises over the batch.

    Without the conditioning modality `gamma = 1` and `beta = 0`. An absent modality among the
    others contributes zeros. The conditioning modality speaks through the others alone: a row
    that has none of them gives zeros.

    Args:
        dim: The width of the modulated tokens and of the fused vector.
        condition: The index of the conditioning modality; -1 is the last.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.
        num_layers: Modulated layers.

    Returns:
        `(batch, dim)`.

    Example:

    >>> image, question = keras.Input((16, 8)), keras.Input((1, 4))
    >>> FiLMFusion(dim=32, condition=1)([image, question]).shape
    (None, 32)

    References:
        - [Perez et al., 2018](https://arxiv.org/abs/1709.07871) (equations 1 and 2)
    """

    def __init__(
        self,
        dim: int = 64,
        condition: int = -1,
        pooling: str = "mean",
        num_layers: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_layers < 1:
            raise ValueError(f"`num_layers` must be 1 or more. Received: {num_layers}.")
        self.dim = int(dim)
        self.condition = check_condition(condition)
        self.pooling = check_pooling(pooling)
        self.num_layers = int(num_layers)

    def build(self, tokens_shape):
        check_token_shapes("FiLMFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.index, self.others = split_condition("FiLMFusion", self.condition, len(tokens_shape))
        common = {"dtype": self.dtype_policy}
        self.generator = layers.Dense(len(self.others) * self.num_layers * 2 * self.dim, **common)
        self.generator.build((None, pooled_dim(tokens_shape[self.index], self.pooling)))
        self.projections, self.blocks, width = [], [], 0
        for j in self.others:
            self.projections.append(layers.Dense(self.dim, **common))
            self.projections[-1].build(tuple(tokens_shape[j]))
            self.blocks.append([layers.Dense(self.dim, **common) for _ in range(self.num_layers)])
            for block in self.blocks[-1]:
                block.build((None, None, self.dim))
            width += pooled_dim((*tokens_shape[j][:2], self.dim), self.pooling)
        self.norm = layers.LayerNormalization(center=False, scale=False, **common)
        self.norm.build((None, None, self.dim))
        self.output_projection = layers.Dense(self.dim, use_bias=False, **common)
        self.output_projection.build((None, width))

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        film = self.generator(
            pool(tokens[self.index], masks[self.index], self.poolings[self.index])
        )
        if present is not None:
            here = ops.cast(present[:, self.index], "bool")
            film = ops.where(ops.expand_dims(here, axis=-1), film, 0.0)
        film = ops.reshape(film, (-1, len(self.others), self.num_layers, 2, 1, self.dim))
        vectors = []
        for n, j in enumerate(self.others):
            x = self.projections[n](tokens[j])
            for layer, block in enumerate(self.blocks[n]):
                gamma, beta = 1.0 + film[:, n, layer, 0], film[:, n, layer, 1]
                x = x + ops.relu(gamma * self.norm(block(x)) + beta)
            vectors.append(pool(x, masks[j], self.poolings[j]))
        return self.output_projection(ops.concatenate(vectors, axis=-1))
