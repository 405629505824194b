"""Fusion by cross-attention: the tokens of one modality attend to those of the others."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.joint_tokens import project_each
from mmkeras.fusion.parts.masked_attention import attend, join_masks, split_by_modality
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pool,
    resolve_poolings,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossAttentionFusion(Fusion):
    """Lets each querying modality attend to the tokens of all other modalities.

    With `H_i = X_i P_i`, modality `i`'s tokens projected to the width `D = num_heads * key_dim`,
    and `H_{-i}` the tokens of all others, one below the other:

        A_i = Attention(H_i Wq, H_{-i} Wk, H_{-i} Wv) Wo
        Attention(Q, K, V) = softmax(Q K^T / sqrt(key_dim)) V      (in each head)
        F(X) = [pool(Norm(H_i + A_i)) for each querying modality i]

    This is cross-attention: queries come from one modality, keys and values from others. (In
    self-attention all three come from one; that is `SelfAttentionEncoder`.) It runs over the
    tokens of one row, never over the rows of a batch.

    Padding and absent modalities are not keys. A row in which nothing is left to attend to gets
    `A_i = 0`; an absent querying modality contributes zeros.

    With thousands of tokens on both sides, as for two image maps, the scores take
    `batch * num_heads * queries * keys` numbers; let the smaller side query, or pool more.

    Args:
        query: The index of the modality that queries, or `"all"`: each one in turn.
        num_heads: Attention heads.
        key_dim: The width of a head.
        pooling: How a querying modality's tokens become a vector; see
            `mmkeras.fusion.parts.pooling.pool`.
        dropout: Share of attention weights that are dropped, in training.

    Returns:
        `(batch, D)` for each querying modality, concatenated. With `return_weights`, also a dict
        of the weights for each direction, `"1_to_0"` for modality 1's tokens that attend to
        modality 0's: `(batch, num_heads, tokens of 1, tokens of 0)`. A query's weights add up to
        1 over all modalities that it attends to.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((3, 4))
    >>> fusion = CrossAttentionFusion(query=1, num_heads=2, key_dim=8)
    >>> vector, weights = fusion([image, text], return_weights=True)
    >>> vector.shape, weights["1_to_0"].shape
    ((None, 16), (None, 2, 3, 16))

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762) (scaled dot-product and
          multi-head attention, equation 1; queries from elsewhere in section 3.2.3)
        - [Lu et al., 2019](https://arxiv.org/abs/1908.02265) (image and text attend to each
          other)
    """

    has_weights = True

    def __init__(
        self,
        query: int | str = "all",
        num_heads: int = 4,
        key_dim: int = 32,
        pooling: str = "mean",
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if query != "all" and (isinstance(query, (bool, str)) or query != int(query) or query < 0):
            raise ValueError(f"`query` is a modality's index or 'all'. Received: {query!r}.")
        self.query = query if query == "all" else int(query)
        self.num_heads = int(num_heads)
        self.key_dim = int(key_dim)
        self.pooling = check_pooling(pooling)
        self.dropout = dropout

    def build(self, tokens_shape):
        check_token_shapes("CrossAttentionFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        if isinstance(self.query, int) and self.query >= len(tokens_shape):
            raise ValueError(
                f"`query` is the index of one of {len(tokens_shape)} modalities, 0 to "
                f"{len(tokens_shape) - 1}. Received: {self.query}."
            )
        self.queries = list(range(len(tokens_shape)))
        if isinstance(self.query, int):
            self.queries = [self.query]
        dim = self.num_heads * self.key_dim
        self.projections = project_each(tokens_shape, dim, self.dtype_policy)
        self.attentions, self.norms = [], []
        for _ in self.queries:
            attention = layers.MultiHeadAttention(
                self.num_heads, self.key_dim, dropout=self.dropout, dtype=self.dtype_policy
            )
            attention.build((None, None, dim), (None, None, dim))
            self.attentions.append(attention)
            self.norms.append(layers.LayerNormalization(dtype=self.dtype_policy))
            self.norms[-1].build((None, None, dim))

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        hidden = [projection(x) for projection, x in zip(self.projections, tokens, strict=True)]
        vectors: list[Any] = []
        weights: dict[str, Any] = {}
        for i, attention, norm in zip(self.queries, self.attentions, self.norms, strict=True):
            others = [j for j in range(len(tokens)) if j != i]
            keys = ops.concatenate([hidden[j] for j in others], axis=1)
            mask = join_masks([tokens[j] for j in others], [masks[j] for j in others])
            attended, scores = attend(attention, hidden[i], keys, mask, return_weights)
            vectors.append(pool(norm(hidden[i] + attended), masks[i], self.poolings[i]))
            if return_weights:
                parts = split_by_modality(scores, [tokens[j] for j in others])
                weights |= {f"{i}_to_{j}": part for j, part in zip(others, parts, strict=True)}
        fused = ops.concatenate(vectors, axis=-1)
        return (fused, weights) if return_weights else fused
