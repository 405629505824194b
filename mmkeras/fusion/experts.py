"""Fusion by a mixture of experts: a router decides for each row whom to listen to."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.pooling import (
    check_pooling,
    check_token_shapes,
    clear_absent,
    pooled_dim,
    resolve_poolings,
)
from mmkeras.fusion.parts.projection import pool_each


@keras.saving.register_keras_serializable(package="mmkeras")
class MixtureOfExpertsFusion(Fusion):
    """One expert a modality and some for all of them together, mixed by a router.

    With `h_i = P_i pool(X_i) + p_i`, modality `i`'s vector, and `h = [h_1, ..., h_m]`:

        E_k(x) = B_k relu(A_k x + a_k) + b_k,    x = h_k for a modality's expert, h for a joint one
        g = softmax(R h + r)
        F(X) = sum_k g_k E_k

    (Shazeer, equation 1, with the gates of Jacobs: all experts work on every row, none is drawn,
    and there is no noise.) For a row with absent modalities the softmax runs over the experts of
    the present ones and the joint experts, for whom an absent `h_i` is zeros. A row without any
    modality gives zeros.

    A router that finds one expert early never trains the others. So `R` starts at zero, with
    equal gates (appendix A), and in training a loss is added, the squared coefficient of
    variation of the experts' importance over the batch (equations 6 and 7, where importance is
    the sum of an expert's gates; here it is their mean over the rows that have the expert's
    modality, so that a rare modality is not pushed up):

        balance * Var_k(importance_k) / Mean_k(importance_k)^2

    Args:
        dim: The width of the fused vector, of the modalities' vectors and of hidden layers.
        num_joint: Experts that read all modalities; may be 0.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.
        balance: The weight of the loss that keeps all experts in use; 0 for none.
        dropout: Share of the pooled features that are dropped, in training.

    Returns:
        `(batch, dim)`; with `return_weights`, also `{"experts": g}`, the gates
        `(batch, modalities + num_joint)`: the modalities' experts in their order, then the joint
        ones. A row's gates add up to 1.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((1, 4))
    >>> vector, weights = MixtureOfExpertsFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights["experts"].shape
    ((None, 32), (None, 3))

    References:
        - [Jacobs et al., 1991](https://doi.org/10.1162/neco.1991.3.1.79)
        - [Shazeer et al., 2017](https://arxiv.org/abs/1701.06538) (equations 1, 6
          and 7, appendix A)
    """

    has_weights = True

    def __init__(
        self,
        dim: int = 64,
        num_joint: int = 1,
        pooling: str = "mean",
        balance: float = 0.01,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_joint < 0 or balance < 0:
            raise ValueError(
                "`num_joint` and `balance` are 0 or more. Received: "
                f"num_joint={num_joint} and balance={balance}."
            )
        self.dim = int(dim)
        self.num_joint = int(num_joint)
        self.pooling = check_pooling(pooling)
        self.balance = balance
        self.dropout = dropout

    def build(self, tokens_shape):
        check_token_shapes("MixtureOfExpertsFusion", tokens_shape, at_least=2)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        modalities = len(tokens_shape)

        def dense(inputs, outputs, activation=None, **options):
            layer = layers.Dense(outputs, activation, dtype=self.dtype_policy, **options)
            layer.build((None, inputs))
            return layer

        self.projections = [
            dense(pooled_dim(shape, self.pooling), self.dim) for shape in tokens_shape
        ]
        self.experts = [
            [dense(inputs, self.dim, "relu"), dense(self.dim, self.dim)]
            for inputs in [self.dim] * modalities + [modalities * self.dim] * self.num_joint
        ]
        self.router = dense(
            modalities * self.dim, modalities + self.num_joint, kernel_initializer="zeros"
        )
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        vectors = []
        for i, (projection, pooled) in enumerate(
            zip(self.projections, pool_each(tokens, masks, self.poolings), strict=True)
        ):
            vector = projection(self.drop(pooled, training=training))
            if present is not None:
                vector = ops.where(ops.cast(present[:, i : i + 1], "bool"), vector, 0.0)
            vectors.append(vector)
        together = ops.concatenate(vectors, axis=-1)
        gates, available = self._route(together, present)
        opinions = [
            outer(inner(x))
            for (inner, outer), x in zip(
                self.experts, vectors + [together] * self.num_joint, strict=True
            )
        ]
        weights = ops.expand_dims(ops.cast(gates, together.dtype), axis=-1)
        fused = ops.sum(weights * ops.stack(opinions, axis=1), axis=1)
        if training and self.balance:
            self.add_loss(self.balance * _squared_variation(gates, available))
        return (fused, {"experts": weights[..., 0]}) if return_weights else fused

    def _route(self, together, present):
        """The gates, and whether each expert has something to say, `(batch, experts)` both."""
        scores = ops.cast(self.router(together), "float32")
        if present is None:
            return ops.softmax(scores, axis=-1), ops.ones_like(scores)
        present = ops.cast(present, "bool")
        anyone = ops.any(present, axis=1, keepdims=True)
        available = ops.concatenate([present] + [anyone] * self.num_joint, axis=1)
        gates = ops.softmax(ops.where(available, scores, -1e9), axis=-1)
        return ops.where(available, gates, 0.0), ops.cast(available, "float32")


def _squared_variation(gates, available):
    """The squared coefficient of variation of the experts' mean gates, where they are available.

    An expert that no row of the batch can use is left out.
    """
    rows = ops.sum(available, axis=0)
    importance = ops.sum(gates, axis=0) / ops.maximum(rows, 1.0)
    counts = ops.cast(rows > 0, "float32")
    number = ops.maximum(ops.sum(counts), 1.0)
    mean = ops.sum(importance) / number
    variance = ops.sum(counts * ops.square(importance - mean)) / number
    return variance / ops.maximum(ops.square(mean), 1e-9)
