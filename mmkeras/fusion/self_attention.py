"""Fusion by self-attention over the tokens of all modalities at once (early concatenation)."""

from __future__ import annotations

import keras

from mmkeras.fusion.parts.joint_tokens import JointTokens
from mmkeras.fusion.parts.masked_attention import join_masks
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent, masked_mean
from mmkeras.fusion.parts.transformer_fusion import TransformerFusion


@keras.saving.register_keras_serializable(package="mmkeras")
class SelfAttentionFusion(TransformerFusion):
    """One transformer over all tokens of all modalities, and the mean of what comes out.

    With `P_i`, `b_i` a linear layer for each modality and `e_i` its learnt embedding:

        Z = Transformer([X_1 P_1 + b_1 + e_1; ...; X_m P_m + b_m + e_m])
        F(X) = mean of the tokens of Z that count

    Every token attends to all tokens of its own and of all other modalities. No positions are
    added, so that the order of a modality's tokens does not matter; an encoder may have added its
    own. Padding and absent modalities are neither attended to nor in the mean. A row without any
    modality gives zeros.

    A modality with many tokens weighs more in the mean than one with few. `SimBaMMFusion` reads
    the fused vector off a class token instead.

    Args:
        dim: The width of the tokens and of the fused vector.
        num_heads: Attention heads; `dim` must be a multiple of it.
        num_layers: Transformer layers.
        ff_dim: The inner width of their feed-forward parts.
        dropout: Share of units that are dropped in the transformer, in training.

    Returns:
        `(batch, dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((3, 4))
    >>> SelfAttentionFusion(dim=32)([image, text]).shape
    (None, 32)

    References:
        - [Li et al., 2019](https://arxiv.org/abs/1908.03557) (words and image regions in one
          transformer)
        - [Xu et al., 2023](https://arxiv.org/abs/2206.06488) (a survey, which calls it early
          concatenation)
    """

    def build(self, tokens_shape):
        check_token_shapes("SelfAttentionFusion", tokens_shape, at_least=2)
        self.joint = JointTokens(self.dim, dtype=self.dtype_policy)
        self.joint.build(tokens_shape)
        self.transformer = self.built_transformer()

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        mask = join_masks(tokens, masks)
        x = self.transformer(self.joint(tokens), key_mask=mask, training=training)
        return masked_mean(x, mask)
