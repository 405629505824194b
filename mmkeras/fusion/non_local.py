"""Non-local gates: what a modality's tokens are joined by what they find in the others."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.masked_attention import split_by_modality
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent
from mmkeras.fusion.parts.projection import masked_softmax, pool_each, presence


@keras.saving.register_keras_serializable(package="mmkeras")
class NonLocalGateFusion(Fusion):
    """Adds to each modality's tokens what a non-local operation finds in all other modalities.

    With `H_i = X_i P_i + p_i`, modality `i`'s tokens at the width `dim`, and `H_{-i}` the tokens
    of all others, one below the other:

        A_i = softmax(theta_i(H_i) phi_i(H_{-i})^T / sqrt(dim))
        Y_i = A_i g_i(H_{-i})
        Z_i = H_i + W_i Y_i
        F(X) = mean over the modalities i that a row has of the mean of Z_i's tokens

    `Y_i` is the non-local operation (equation 1 of Wang et al., 2018) with their embedded
    Gaussian as the pairwise function, in which the normalised weights are a softmax; `theta`,
    `phi` and `g` are dense layers on each token. `Z_i` is their residual connection (equation 6);
    it alone is the gate, there is no sigmoid. As a gate between modalities (MultiBench's `NLgate`,
    after a baseline of Wang et al., 2020) the queries come from one modality, keys and values
    from another. Three things differ: keys and values come from all other modalities at once,
    each modality queries in turn, and the scores are divided by `sqrt(dim)`, which keeps the
    softmax soft in a new layer. Positions are not added.

    It has one head and no normalisation; `CrossAttentionFusion` has both, and concatenates where
    this takes the mean.

    Padding and absent modalities are not keys. Where nothing is left to attend to `Z_i = H_i`; an
    absent modality does not query, and a row without any gives zeros. The scores take
    `batch * queries * keys` numbers for each modality.

    Args:
        dim: The width of the common projection and of the fused vector.

    Returns:
        `(batch, dim)`. With `return_weights`, also a dict of the weights for each direction,
        `"1_to_0"` for modality 1's tokens that attend to modality 0's:
        `(batch, 1, tokens of 1, tokens of 0)`. A query's weights add up to 1 over all modalities
        that it attends to; those of padding and of an absent modality are zeros.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((3, 4))
    >>> vector, weights = NonLocalGateFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights["1_to_0"].shape
    ((None, 32), (None, 1, 3, 16))

    References:
        - [Wang et al., 2018](https://arxiv.org/abs/1711.07971) (non-local networks, equations 1
          and 6)
        - [Wang et al., 2020](https://arxiv.org/abs/1905.12681) (as a gate between modalities)
        - [Liang et al., 2021](https://arxiv.org/abs/2107.07502) (MultiBench)
    """

    has_weights = True

    def __init__(self, dim: int = 64, **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)

    def build(self, tokens_shape):
        check_token_shapes("NonLocalGateFusion", tokens_shape, at_least=2)
        self.projections, self.queries, self.keys, self.values = [], [], [], []
        self.outputs = []
        for shape in tokens_shape:
            self.projections.append(self._dense(tuple(shape)))
            self.queries.append(self._dense((None, None, self.dim)))
            self.keys.append(self._dense((None, None, self.dim)))
            self.values.append(self._dense((None, None, self.dim)))
            self.outputs.append(self._dense((None, None, self.dim)))

    def _dense(self, shape):
        dense = layers.Dense(self.dim, dtype=self.dtype_policy)
        dense.build(shape)
        return dense

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        masks = [
            ops.ones(ops.shape(x)[:2], dtype="bool") if mask is None else mask
            for x, mask in zip(tokens, masks, strict=True)
        ]
        hidden = [projection(x) for projection, x in zip(self.projections, tokens, strict=True)]
        joined: list[Any] = []
        weights: dict[str, Any] = {}
        for i, x in enumerate(hidden):
            others = [j for j in range(len(hidden)) if j != i]
            rest = ops.concatenate([hidden[j] for j in others], axis=1)
            counts = ops.expand_dims(ops.concatenate([masks[j] for j in others], axis=1), axis=1)
            queries = self.queries[i](x) * self.dim**-0.5
            scores = ops.matmul(queries, ops.transpose(self.keys[i](rest), (0, 2, 1)))
            attention = ops.cast(masked_softmax(scores, counts), self.compute_dtype)
            found = self.outputs[i](ops.matmul(attention, self.values[i](rest)))
            joined.append(x + ops.where(ops.any(counts, axis=-1, keepdims=True), found, 0.0))
            if return_weights:
                attention = ops.where(ops.expand_dims(masks[i], axis=-1), attention, 0.0)
                # With an axis for its one head, as other fusions' weights have.
                attention = ops.expand_dims(attention, axis=1)
                parts = split_by_modality(attention, [hidden[j] for j in others])
                weights |= {f"{i}_to_{j}": part for j, part in zip(others, parts, strict=True)}
        total = sum(pool_each(joined, masks, ["mean"] * len(joined)))
        number = ops.sum(ops.cast(presence(tokens, present), total.dtype), axis=1, keepdims=True)
        fused = total / ops.maximum(number, 1.0)
        return (fused, weights) if return_weights else fused
