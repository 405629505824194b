"""Fusion by the simple baseline for multimodal learning, SimBaMM: a transformer, a class token."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.fusion.parts.joint_tokens import JointTokens, in_every_row
from mmkeras.fusion.parts.masked_attention import join_masks
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent
from mmkeras.fusion.parts.transformer_fusion import TransformerFusion


@keras.saving.register_keras_serializable(package="mmkeras")
class SimBaMMFusion(TransformerFusion):
    """A small transformer over a class token and the tokens of all modalities.

    With `P_i`, `b_i` a linear layer for each modality, `e_i` its learnt embedding, and `c` a
    learnt class token:

        Z = Transformer([c; X_1 P_1 + b_1 + e_1; ...; X_m P_m + b_m + e_m])
        F(X) = Z_0

    `Z_0` is what the class token has become. Padding and absent modalities are masked from the
    attention. The class token always counts, so that a row without any modality gives a learnt
    vector, the same for each such row. No positions are added; an encoder may have added its own.

    The paper's finding is that more complex methods, with all of them well tuned, do not reliably
    beat this baseline. The authors' code differs in three things: it adds sinusoidal positions, to
    the class token too, where `e_i` marks a modality here; its encoders, which end in the dense
    layer, give one token per modality (in a variant, all their tokens); and it normalises after
    each part, where `TransformerLayers` does so before each part and once at the end.

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
    >>> SimBaMMFusion(dim=32)([image, text]).shape
    (None, 32)

    References:
        - [Rheude et al., 2025](https://arxiv.org/abs/2512.22991) and the authors'
          [code](https://github.com/TillmannRheude/simple_mml_baseline)
        - [Devlin et al., 2019](https://arxiv.org/abs/1810.04805) (the class token)
    """

    def build(self, tokens_shape):
        check_token_shapes("SimBaMMFusion", tokens_shape, at_least=2)
        self.joint = JointTokens(self.dim, dtype=self.dtype_policy)
        self.joint.build(tokens_shape)
        self.class_token = self.add_weight(
            shape=(1, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="class_token",
        )
        self.transformer = self.built_transformer()

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        joint = self.joint(tokens)
        first = in_every_row(self.class_token, joint)
        key_mask = join_masks([first, *tokens], [None, *masks])
        x = ops.concatenate([first, joint], axis=1)
        return self.transformer(x, key_mask=key_mask, training=training)[:, 0]
