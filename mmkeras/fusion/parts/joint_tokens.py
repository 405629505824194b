"""All modalities' tokens at one width, for layers that look at all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import backend, layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer


def project_each(tokens_shape: Sequence[Any], dim: int, dtype: Any) -> list[layers.Dense]:
    """A dense layer for each modality, built, that takes its tokens to the width `dim`."""
    projections = []
    for shape in tokens_shape:
        projections.append(layers.Dense(dim, dtype=dtype))
        projections[-1].build(tuple(shape))
    return projections


def in_every_row(learnt: Any, tokens: Any) -> Any:
    """Learnt tokens `(n, dim)` for each row of `tokens`: `(batch, n, dim)`, in its dtype."""
    learnt = ops.cast(learnt, backend.standardize_dtype(tokens.dtype))
    return ops.broadcast_to(learnt, (ops.shape(tokens)[0], *learnt.shape))


@keras.saving.register_keras_serializable(package="mmkeras")
class JointTokens(ConfiguredLayer):
    """Projects each modality's tokens to one width and puts them all one below the other.

    With `e_i` a learnt embedding that says which modality a token is of:

        Z = [X_1 P_1 + b_1 + e_1; ...; X_m P_m + b_m + e_m]

    Args:
        dim: The common width.

    Call arguments:
        tokens: List of `(batch, tokens, dim)`, one for each modality, cleared by `clear_absent`.

    Returns:
        `Z`, `(batch, all tokens, dim)`; `join_masks` gives its mask.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((3, 4))
    >>> JointTokens(dim=32)([image, text]).shape
    (None, 19, 32)

    References:
        - [Devlin et al., 2019](https://arxiv.org/abs/1810.04805) (embeddings that tell segments
          of one input apart)
    """

    def __init__(self, dim: int = 64, **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)

    def build(self, tokens_shape):
        self.projections = project_each(tokens_shape, self.dim, self.dtype_policy)
        self.embeddings = self.add_weight(
            shape=(len(tokens_shape), self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="modality_embeddings",
        )

    def call(self, tokens):
        embeddings = ops.cast(self.embeddings, self.compute_dtype)
        hidden = [
            projection(x) + embeddings[i]
            for i, (projection, x) in enumerate(zip(self.projections, tokens, strict=True))
        ]
        return ops.concatenate(hidden, axis=1)
