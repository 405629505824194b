"""Tensor fusion: the outer product of all modalities, with all products of fewer of them."""

from __future__ import annotations

import keras
from keras import ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import (
    append_one,
    build_projections,
    pool_each,
    presence,
    project,
    zero_empty_rows,
)

MAX_SIZE = 200_000
DEFAULT_SIZE = 10_000
DEFAULT_DIM = 32


@keras.saving.register_keras_serializable(package="mmkeras")
class TensorFusion(Fusion):
    """Multiplies every feature of every modality with every feature of all others.

    With `h_i = W_i pool(X_i) + b_i`, each projected to the width `dim`:

        F(X) = flatten([h_1; 1] x [h_2; 1] x ... x [h_m; 1]),    x the outer product

    The appended 1 makes the tensor contain, next to the products of all modalities, those of any
    subset of them, down to the single `h_i` (section 4.2 of the paper, there for three
    modalities). The paper puts a dense network behind; here that is the model's head. Its
    embedding networks are the encoders; the projection is linear and only makes the tensor
    affordable, as it has `(dim + 1)^m` numbers. `LowRankFusion` learns such a tensor's dense layer
    without ever forming the tensor.

    For an absent modality `h_i = 0`: only its constant 1 is left, and with it the tensor of the
    modalities that are there. A row without any modality gives zeros; its one constant, which
    every other row has, is cleared too.

    Args:
        dim: The width of each modality's projection. By default the largest, up to 32, whose
            tensor has no more than 10,000 numbers: 32 for two modalities, 20 for three, 9 for
            four and 5 for five.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, (dim + 1)^modalities)`, the last modality's features next to each other.

    Raises:
        ValueError: If a given `dim` makes a tensor of more than 200,000 numbers.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> TensorFusion(dim=9)([image, text]).shape
    (None, 100)

    References:
        - [Zadeh et al., 2017](https://arxiv.org/abs/1707.07250) (section 4.2)
    """

    def __init__(self, dim: int | None = None, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        self.dim = None if dim is None else int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("TensorFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        modalities = len(tokens_shape)
        width = self.dim
        if width is None:
            width = DEFAULT_DIM
            while width > 1 and (width + 1) ** modalities > DEFAULT_SIZE:
                width -= 1
        self.size = (width + 1) ** modalities
        if self.size > MAX_SIZE:
            raise ValueError(
                f"TensorFusion's outer product of {modalities} modalities of width {width} has "
                f"({width} + 1)^{modalities} = {self.size:,} numbers, more than {MAX_SIZE:,}. "
                "Choose a smaller `dim`, leave it to the default, or use LowRankFusion."
            )
        self.projections = build_projections(tokens_shape, width, self.pooling, self.dtype_policy)

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        vectors = pool_each(tokens, masks, self.poolings)
        factors = append_one(project(self.projections, vectors, here))
        fused = factors[:, 0]
        for i in range(1, len(tokens)):
            outer = ops.expand_dims(fused, axis=2) * ops.expand_dims(factors[:, i], axis=1)
            fused = ops.reshape(outer, (-1, outer.shape[1] * outer.shape[2]))
        return zero_empty_rows(fused, here)
