"""Fusion element by element: the product, the maximum or the mean of projected vectors."""

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
    build_projections,
    pool_each,
    presence,
    project,
    zero_empty_rows,
)

RULES = ("product", "max", "mean")
PRODUCT_OPTIONS = {"activation": "tanh", "bias_initializer": "ones"}


@keras.saving.register_keras_serializable(package="mmkeras")
class ElementwiseFusion(Fusion):
    """Projects each modality to one width and combines the vectors element by element.

    With `x_i = pool(X_i)` and `f_i = W_i x_i + b_i`, over the modalities that a row has:

        F(X) = prod_i tanh(f_i)      for rule="product"
        F(X) = max_i f_i             for rule="max"
        F(X) = mean_i f_i            for rule="mean"

    The product is that of low-rank bilinear pooling (Kim et al., equation 3, with a tanh on each
    side as in their section on nonlinear activation, and without its last projection `P`, which
    the head's first layer is). The tanh belongs to the product alone: it bounds the factors, and
    a product of five unbounded ones would explode. Its biases begin at 1: a
    product of factors that vary around 0 shows how modalities interact but no modality's own
    effect, and a model of three of them learns its training rows by heart and nothing else.

    An absent modality is left out: it is the neutral element 1 of the product, no candidate for
    the maximum and not counted in the mean. A row without any modality gives zeros.

    Args:
        rule: `"product"`, `"max"` or `"mean"`.
        dim: The width of the projections and of the result.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.

    Returns:
        `(batch, dim)`.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> ElementwiseFusion("max", dim=32)([image, text]).shape
    (None, 32)

    References:
        - [Kim et al., 2017](https://arxiv.org/abs/1610.04325) (the product)
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (product, maximum and mean as
          rules for combining several sources, there of class probabilities)
    """

    def __init__(self, rule: str = "product", dim: int = 64, pooling: str = "mean", **kwargs):
        super().__init__(**kwargs)
        if rule not in RULES:
            raise ValueError(f"`rule` must be one of {RULES}. Received: {rule!r}.")
        self.rule = rule
        self.dim = int(dim)
        self.pooling = check_pooling(pooling)

    def build(self, tokens_shape):
        check_token_shapes("ElementwiseFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.projections = build_projections(
            tokens_shape,
            self.dim,
            self.pooling,
            self.dtype_policy,
            **(PRODUCT_OPTIONS if self.rule == "product" else {}),
        )

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        here = presence(tokens, present)
        vectors = pool_each(tokens, masks, self.poolings)
        projected = project(self.projections, vectors, here)
        counts = ops.expand_dims(here, axis=-1)
        if self.rule == "product":
            fused = ops.prod(ops.where(counts, projected, 1.0), axis=1)
        elif self.rule == "max":
            fused = ops.max(ops.where(counts, projected, -float("inf")), axis=1)
        else:
            number = ops.sum(ops.cast(counts, projected.dtype), axis=1)
            fused = ops.sum(projected, axis=1) / ops.maximum(number, 1.0)
        return zero_empty_rows(fused, here)
