"""Fusion by learnt latents that read the tokens of all modalities, as in a Perceiver."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.fusion.parts.cross_layer import CrossTransformerLayer
from mmkeras.fusion.parts.joint_tokens import JointTokens, in_every_row
from mmkeras.fusion.parts.masked_attention import join_masks, split_by_modality
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent
from mmkeras.fusion.parts.transformer_fusion import TransformerFusion


@keras.saving.register_keras_serializable(package="mmkeras")
class PerceiverFusion(TransformerFusion):
    """A few learnt latents attend to all tokens, then to each other, again and again.

    With `Z` the modalities' tokens, projected to one width, with a learnt embedding of each
    modality added (`JointTokens`), and `L_0` the learnt latents:

        L <- CrossAttention(L, Z)          queries L, keys and values Z
        L <- SelfAttention(L)              both `num_layers` times, each with its feed-forward part
        F(X) = mean of the latents

    The cost grows with the number of tokens, not with its square, which suits many tokens. No
    positions are added; an encoder may have added its own. Padding and absent modalities are no
    keys. A row without any modality gives what the latents alone become, the same vector for each
    such row.

    The paper repeats with shared or with new weights; here each repetition has its own. It stacks
    several self-attention layers in a repetition and has one head in the cross-attention; here
    there is one layer, whose output is normalised, and `num_heads` everywhere.

    Args:
        dim: The width of the latents and of the fused vector.
        num_latents: Latents.
        num_heads: Attention heads; `dim` must be a multiple of it.
        num_layers: Repetitions of cross-attention and self-attention.
        ff_dim: The inner width of the feed-forward parts.
        dropout: Share of units that are dropped after each part, in training.

    Returns:
        `(batch, dim)`; with `return_weights`, also `(batch, modalities)`: the attention that a
        modality's tokens get in the last cross-attention, the mean over heads and latents. It
        adds up to 1, to 0 in rows without any modality.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((3, 4))
    >>> vector, weights = PerceiverFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights.shape
    ((None, 32), (None, 2))

    References:
        - [Jaegle et al., 2021](https://arxiv.org/abs/2103.03206) (section 3; figure 1)
    """

    has_weights = True

    def __init__(
        self,
        dim: int = 64,
        num_latents: int = 8,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int = 128,
        dropout: float = 0.1,
        **kwargs,
    ):
        super().__init__(dim, num_heads, num_layers, ff_dim, dropout, **kwargs)
        self.num_latents = int(num_latents)
        if self.num_layers < 1:
            raise ValueError(
                "`num_layers` must be at least 1: without one the latents would never see the "
                f"tokens. Received: {num_layers}."
            )

    def build(self, tokens_shape):
        check_token_shapes("PerceiverFusion", tokens_shape, at_least=2)
        self.joint = JointTokens(self.dim, dtype=self.dtype_policy)
        self.joint.build(tokens_shape)
        self.latents = self.add_weight(
            shape=(self.num_latents, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="latents",
        )
        self.readers, self.thinkers = [], []
        shape = (None, None, self.dim)
        for _ in range(self.num_layers):
            self.readers.append(
                CrossTransformerLayer(
                    self.num_heads, self.ff_dim, self.dropout, dtype=self.dtype_policy
                )
            )
            self.readers[-1].build(shape, shape)
            self.thinkers.append(self.built_transformer(num_layers=1))

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        joint, mask = self.joint(tokens), join_masks(tokens, masks)
        x = in_every_row(self.latents, joint)
        for reader, thinker in zip(self.readers, self.thinkers, strict=True):
            x = reader(x, joint, mask, training=training, return_weights=return_weights)
            x, scores = x if return_weights else (x, None)
            x = thinker(x, training=training)
        fused = ops.mean(x, axis=1)
        return (fused, _by_modality(scores, tokens)) if return_weights else fused


def _by_modality(scores, tokens):
    """`(batch, heads, latents, all tokens)` to `(batch, modalities)`."""
    parts = split_by_modality(ops.mean(scores, axis=(1, 2)), tokens)
    return ops.stack([ops.sum(part, axis=1) for part in parts], axis=1)
