"""Late fusion: each modality decides for itself, and the decisions are added up."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pool,
    pooled_dim,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class LateFusion(layers.Layer):
    """Adds up the logits of one linear classifier a modality: a product of experts.

    With `h_i` the pooled tokens of modality `i`:

        z_i = W_i h_i + b_i
        F(X) = sum_i z_i

    For a softmax output this is the product of the modalities' own distributions, normalised
    again (Hinton, equation 1): a modality that is sure outvotes one that is not. It is trained as
    one model, unlike an average of models trained apart. The sum already is the model's logits,
    so no dense layer follows. An absent modality adds nothing.

    Train it with an auxiliary loss (`TrainingSettings.auxiliary`), so that each modality's own
    logits stay meaningful.

    Args:
        num_outputs: Classes, labels or numbers to predict.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.pooling.pool`.
        dropout: Share of the pooled features that are dropped, in training.

    Call arguments:
        tokens: List of `(batch, tokens, dim)`, one for each modality.
        masks: `None`, or a list of boolean `(batch, tokens)` or `None`.
        present: `None`, or boolean `(batch, modalities)`.
        return_weights: Whether to return each modality's logits too.

    Returns:
        Logits `(batch, num_outputs)`; with `return_weights`, also each modality's own,
        `(batch, modalities, num_outputs)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> logits, by_modality = LateFusion(10)([image, text], return_weights=True)
    >>> logits.shape, by_modality.shape
    ((None, 10), (None, 2, 10))

    References:
        - [Hinton, 2002](https://doi.org/10.1162/089976602760128018) (products of experts)
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (the product rule)
    """

    has_weights = True
    # `build_model` puts the activation straight behind.
    gives_logits = True

    def __init__(self, num_outputs: int, pooling: str = "mean", dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_outputs = int(num_outputs)
        self.pooling = check_pooling(pooling)
        self.dropout = dropout

    def build(self, tokens_shape):
        check_token_shapes("LateFusion", tokens_shape)
        self.experts, self.drops = [], []
        for shape in tokens_shape:
            self.experts.append(layers.Dense(self.num_outputs, dtype=self.dtype_policy))
            self.experts[-1].build((None, pooled_dim(shape, self.pooling)))
            self.drops.append(layers.Dropout(self.dropout, dtype=self.dtype_policy))

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        cleared, masks = clear_absent(tokens, masks, present)
        logits = [
            expert(drop(pool(x, mask, self.pooling), training=training))
            for expert, drop, x, mask in zip(self.experts, self.drops, cleared, masks, strict=True)
        ]
        logits = ops.stack(logits, axis=1)
        if present is not None:
            logits = ops.where(ops.expand_dims(ops.cast(present, "bool"), -1), logits, 0.0)
        fused = ops.sum(logits, axis=1)
        return (fused, logits) if return_weights else fused

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_outputs": self.num_outputs,
            "pooling": self.pooling,
            "dropout": self.dropout,
        }
