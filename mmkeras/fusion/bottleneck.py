"""Fusion by a multimodal bottleneck transformer: modalities exchange a few tokens only."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.fusion.parts.joint_tokens import in_every_row, project_each
from mmkeras.fusion.parts.masked_attention import join_masks, modalities_there
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent, masked_mean
from mmkeras.fusion.parts.transformer_fusion import TransformerFusion


@keras.saving.register_keras_serializable(package="mmkeras")
class BottleneckFusion(TransformerFusion):
    """A transformer for each modality; between layers they share a few bottleneck tokens.

    With `z_i = [c_i; X_i P_i + b_i]`, a learnt class token and modality `i`'s tokens projected to
    one width, and `z_fsn` the learnt bottleneck tokens, in each layer:

        [z_i; z_fsn_i] <- Transformer_i([z_i; z_fsn])         for each modality i
        z_fsn <- mean of z_fsn_i over the modalities          after all of them
        F(X) = mean of the class tokens over the modalities   after the last layer

    What a modality learns of the others passes through the bottleneck. Padding is masked from
    the attention, and both means run over the modalities that a row has: those with a token that
    counts. A row without any gives zeros. No positions are added; an encoder may have added its
    own.

    The paper gives each class token to one linear classifier and averages the logits. The mean of
    the class tokens gives the same logits if a linear layer follows. Its code averages them in
    inference only, and trains on the mean of each class token's own loss. Its modalities pass
    through layers of their own before they share bottlenecks; here they share from the first layer
    on, since the encoders come before. Each layer is one of `TransformerLayers`, which also
    normalises its output.

    Args:
        dim: The width of the tokens and of the fused vector.
        num_bottlenecks: Bottleneck tokens.
        num_heads: Attention heads; `dim` must be a multiple of it.
        num_layers: Transformer layers for each modality. The first one writes to the bottleneck
            and the second one reads what others wrote, so that one alone would exchange nothing.
        ff_dim: The inner width of their feed-forward parts.
        dropout: Share of units that are dropped in the transformers, in training.

    Returns:
        `(batch, dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((3, 4))
    >>> BottleneckFusion(dim=32)([image, text]).shape
    (None, 32)

    References:
        - [Nagrani et al., 2021](https://arxiv.org/abs/2107.00135) (equations 7 to 9)
    """

    def __init__(
        self,
        dim: int = 64,
        num_bottlenecks: int = 4,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int = 128,
        dropout: float = 0.1,
        **kwargs,
    ):
        super().__init__(dim, num_heads, num_layers, ff_dim, dropout, **kwargs)
        self.num_bottlenecks = int(num_bottlenecks)

    def build(self, tokens_shape):
        check_token_shapes("BottleneckFusion", tokens_shape, at_least=2)
        self.projections = project_each(tokens_shape, self.dim, self.dtype_policy)
        self.class_tokens, self.bottlenecks = (
            self.add_weight(
                shape=(tokens, self.dim),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
                name=name,
            )
            for tokens, name in (
                (len(tokens_shape), "class_tokens"),
                (self.num_bottlenecks, "bottlenecks"),
            )
        )
        self.transformers = [
            [self.built_transformer(num_layers=1) for _ in tokens_shape]
            for _ in range(self.num_layers)
        ]

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        there = modalities_there(tokens, masks)
        streams, key_masks = [], []
        shared = in_every_row(ops.cast(self.bottlenecks, self.compute_dtype), tokens[0])
        for i, (projection, x, mask) in enumerate(
            zip(self.projections, tokens, masks, strict=True)
        ):
            hidden = projection(x)
            first = in_every_row(self.class_tokens[i : i + 1], hidden)
            streams.append(ops.concatenate([first, hidden], axis=1))
            key_masks.append(join_masks([first, hidden, shared], [None, mask, None]))
        width = self.num_bottlenecks * self.dim
        for by_modality in self.transformers:
            written = []
            for i, transformer in enumerate(by_modality):
                x = ops.concatenate([streams[i], shared], axis=1)
                x = transformer(x, key_mask=key_masks[i], training=training)
                streams[i] = x[:, : -self.num_bottlenecks]
                written.append(ops.reshape(x[:, -self.num_bottlenecks :], (-1, width)))
            shared = masked_mean(ops.stack(written, axis=1), there)
            shared = ops.reshape(shared, (-1, self.num_bottlenecks, self.dim))
        return masked_mean(ops.stack([x[:, 0] for x in streams], axis=1), there)
