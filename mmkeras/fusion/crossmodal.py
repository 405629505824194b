"""Fusion by crossmodal transformers, MulT: each modality is enriched by each other one."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion.parts.cross_layer import CrossTransformerLayer
from mmkeras.fusion.parts.joint_tokens import project_each
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent, masked_mean
from mmkeras.fusion.parts.transformer_fusion import TransformerFusion


def sine_positions(length: Any, dim: int) -> Any:
    """Sinusoidal positions, float32 `(length, dim)` (Vaswani et al., 2017, section 3.5).

        PE[t, 2k] = sin(t / 10000^(2k / dim)),    PE[t, 2k + 1] = cos(t / 10000^(2k / dim))

    Args:
        length: Positions.
        dim: Features of each.

    Example:

    >>> tuple(sine_positions(2, 4).shape)
    (2, 4)
    """
    feature = ops.arange(dim, dtype="int32")
    pair = ops.cast(feature // 2, "float32")
    rate = ops.power(10000.0, -2.0 * pair / dim)
    angle = ops.cast(ops.arange(length, dtype="int32"), "float32")[:, None] * rate
    return ops.where(feature % 2 == 0, ops.sin(angle), ops.cos(angle))


@keras.saving.register_keras_serializable(package="mmkeras")
class MulTFusion(TransformerFusion):
    """A crossmodal transformer for each ordered pair of modalities; they need not be aligned.

    With `Z_i = X_i P_i + b_i + PE` modality `i`'s tokens projected to one width, plus sinusoidal
    positions, for each target `b` and each source `a` other than `b`:

        Z_ab <- Z_b                                                  at first
        Z_ab <- Z_ab + Attention(Norm(Z_ab), Norm(Z_a), Norm(Z_a))   in each layer
        Z_ab <- Z_ab + FeedForward(Norm(Z_ab))
        H_b = Transformer([Z_ab for each a])        side by side, self-attention over time
        F(X) = [mean over time of H_b for each b]

    Every layer attends to the source's low-level features `Z_a`, not to its state in that layer.
    Padding and absent modalities are not keys. Where the source is absent the attention adds
    nothing, and `Z_ab` is made of the target alone; an absent target's part of the vector is
    zeros.

    Unlike the paper: its temporal convolution has a kernel of 1 here, which is the dense
    projection (an encoder may convolve before); its residuals carry the input of a part, not the
    normalised input, as in the authors' code; the mean over the tokens that count takes the place
    of the last element; and the classifier is the head's. That code also multiplies tokens by
    sqrt(dim) before it adds positions, and adds positions again before the self-attention.

    Args:
        dim: The width of a crossmodal transformer.
        num_heads: Attention heads; `dim` must be a multiple of it.
        num_layers: Layers of each crossmodal transformer and of each self-attention transformer.
        ff_dim: The inner width of the feed-forward parts.
        dropout: Share of units that are dropped in the transformers, in training.

    Returns:
        `(batch, m (m - 1) dim)` for `m` modalities.

    Example:

    >>> text, audio, video = keras.Input((20, 8)), keras.Input((50, 4)), keras.Input((30, 6))
    >>> MulTFusion(dim=32)([text, audio, video]).shape
    (None, 192)

    References:
        - [Tsai et al., 2019](https://aclanthology.org/P19-1656/) (equations 3 to 5)
    """

    def build(self, tokens_shape):
        check_token_shapes("MulTFusion", tokens_shape, at_least=2)
        modalities = range(len(tokens_shape))
        common = {"dtype": self.dtype_policy}
        self.projections = project_each(tokens_shape, self.dim, self.dtype_policy)
        self.drop = layers.Dropout(self.dropout, **common)
        self.pairs = [(a, b) for b in modalities for a in modalities if a != b]
        shape = (None, None, self.dim)
        self.crossmodal, self.cross_norms = [], []
        for _ in self.pairs:
            stack = [
                CrossTransformerLayer(self.num_heads, self.ff_dim, self.dropout, **common)
                for _ in range(self.num_layers)
            ]
            for layer in stack:
                layer.build(shape, shape)
            self.crossmodal.append(stack)
            self.cross_norms.append(layers.LayerNormalization(**common))
            self.cross_norms[-1].build(shape)
        width = (len(tokens_shape) - 1) * self.dim
        self.transformers = [self.built_transformer(dim=width) for _ in modalities]

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        low_level = []
        for projection, x in zip(self.projections, tokens, strict=True):
            positions = ops.cast(sine_positions(ops.shape(x)[1], self.dim), self.compute_dtype)
            low_level.append(self.drop(projection(x) + positions, training=training))
        enriched: list[list[Any]] = [[] for _ in tokens]
        for (a, b), stack, norm in zip(self.pairs, self.crossmodal, self.cross_norms, strict=True):
            x = low_level[b]
            for layer in stack:
                x = layer(x, low_level[a], masks[a], training=training)
            enriched[b].append(norm(x))
        vectors = []
        for transformer, parts, mask in zip(self.transformers, enriched, masks, strict=True):
            x = transformer(ops.concatenate(parts, axis=-1), key_mask=mask, training=training)
            vectors.append(masked_mean(x, mask))
        return ops.concatenate(vectors, axis=-1)
