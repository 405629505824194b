"""All that a decoder may look at as tokens of one width."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.fusion.parts.joint_tokens import JointTokens
from mmkeras.fusion.parts.masked_attention import join_masks
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent


@keras.saving.register_keras_serializable(package="mmkeras")
class Memory(ConfiguredLayer):
    """The fused vector and the tokens of all modalities, projected to one width.

    With `f` the fused vector, `P_i`, `b_i` a linear layer for each modality and `e_i` its learnt
    embedding:

        M = [f P + b; X_1 P_1 + b_1 + e_1; ...; X_m P_m + b_m + e_m]

    The vector comes first and always counts, so that a row without any modality has something to
    look at.

    Args:
        dim: The common width.

    Call arguments:
        vector, tokens, masks, present: As for a decoder (`mmkeras.decoders.Decoder`).

    Returns:
        `M`, `(batch, 1 + all tokens, dim)`, and which of them count: boolean
        `(batch, 1 + all tokens)`.

    Example:

    >>> vector, image, text = keras.Input((6,)), keras.Input((16, 8)), keras.Input((3, 4))
    >>> memory, mask = Memory(dim=32)(vector, [image, text])
    >>> memory.shape, mask.shape
    ((None, 20, 32), (None, 20))
    """

    def __init__(self, dim: int = 64, **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)

    def build(self, vector_shape, tokens_shape):
        check_token_shapes("Memory", tokens_shape)
        self.first = layers.Dense(self.dim, dtype=self.dtype_policy)
        self.first.build(tuple(vector_shape))
        self.joint = JointTokens(self.dim, dtype=self.dtype_policy)
        self.joint.build(tokens_shape)

    def call(self, vector, tokens, masks=None, present=None) -> tuple[Any, Any]:
        tokens, masks = clear_absent(tokens, masks, present)
        joint = self.joint(tokens)
        first = ops.expand_dims(self.first(vector), axis=1)
        mask = join_masks(tokens, masks)
        if mask is None:
            mask = ops.ones(ops.shape(joint)[:2], dtype="bool")
        always = ops.ones((ops.shape(joint)[0], 1), dtype="bool")
        return ops.concatenate([first, joint], axis=1), ops.concatenate([always, mask], axis=1)
