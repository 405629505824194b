"""Late fusion: each modality decides for itself, and the decisions are combined."""

from __future__ import annotations

import math

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

RULES = ("product", "mean", "weights", "vote")
ACTIVATIONS = ("softmax", "sigmoid", "linear")

# How much the mean probability counts next to the votes: less than a vote among dozens, and enough
# to be seen in float16.
_TIE_BREAK = 0.01


@keras.saving.register_keras_serializable(package="mmkeras")
class LateFusion(Fusion):
    """Combines the decisions of one linear classifier per modality, by a fixed or a learnt rule.

    With `h_i` the pooled tokens of modality `i`, and `p_i` its own distribution:

        z_i = W_i h_i + b_i,    p_i = softmax(z_i)
        product:  F(X) = sum_i z_i
        mean:     F(X) = log(1/n sum_i p_i)
        weights:  F(X) = log(sum_i w_i p_i),    w = softmax(s)
        vote:     F(X) = log(0.99/n sum_i onehot(argmax p_i) + 0.01/n sum_i p_i)

    The softmax of `product` is the modalities' distributions multiplied and normalised again
    (Hinton, equation 1): a modality that is sure outvotes one that is not. That of `mean` is their
    mean, which one sure and wrong modality cannot spoil. `weights` learns the scores `s`, which
    start equal: F(X) = sum of w_i f_i(X) over decisions. `vote` is a majority vote; the mean
    probability, of small weight, decides between equal numbers of votes. A vote has no gradient,
    so in training it is `mean`.

    With a sigmoid the rules apply to each label's probability, a vote is `z_i > 0`, and F(X) is
    the logit of the result. With a linear output `mean` and `weights` are those of the numbers
    `z_i`, and `product` is their sum.

    The result already is the model's logits, so no dense layer follows. An absent modality has no
    part in a product, mean or vote, and the weights of the others are made to add up to 1. A row
    without any modality gives zeros. It is trained as one model, unlike an average of models
    trained apart; train it with an auxiliary loss (`TrainingSettings.auxiliary`), so that each
    modality's own logits stay meaningful.

    Args:
        num_outputs: Classes, labels or numbers to predict.
        pooling: How a modality's tokens become one vector; see `mmkeras.fusion.parts.pooling.pool`.
        dropout: Share of the pooled features that are dropped, in training.
        rule: `"product"`, `"mean"`, `"weights"` or `"vote"`.
        activation: The model's output function: `"softmax"`, `"sigmoid"` or `"linear"`. It says
            what the logits mean, and is not applied here.

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
        - [Kittler et al., 1998](https://doi.org/10.1109/34.667881) (the product, sum and majority
          vote rules)
    """

    has_weights = True
    # `build_model` puts the activation straight behind.
    gives_logits = True

    def __init__(
        self,
        num_outputs: int,
        pooling: str = "mean",
        dropout: float = 0.0,
        rule: str = "product",
        activation: str = "softmax",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if rule not in RULES:
            raise ValueError(f"`rule` must be one of {RULES}. Received: {rule!r}.")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {ACTIVATIONS}. Received: {activation!r}."
            )
        if rule == "vote" and activation == "linear":
            raise ValueError(
                "`rule='vote'` chooses between classes or labels, and a linear output has neither. "
                "Use `rule='mean'` for numbers."
            )
        self.num_outputs = int(num_outputs)
        self.pooling = check_pooling(pooling)
        self.dropout = dropout
        self.rule = rule
        self.activation = activation

    def build(self, tokens_shape):
        check_token_shapes("LateFusion", tokens_shape)
        self.poolings = resolve_poolings(self.pooling, tokens_shape)
        self.experts, self.drops = [], []
        for shape in tokens_shape:
            self.experts.append(layers.Dense(self.num_outputs, dtype=self.dtype_policy))
            self.experts[-1].build((None, pooled_dim(shape, self.pooling)))
            self.drops.append(layers.Dropout(self.dropout, dtype=self.dtype_policy))
        if self.rule == "weights":
            self.scores = self.add_weight(
                shape=(len(tokens_shape),), initializer="zeros", name="scores"
            )

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        cleared, masks = clear_absent(tokens, masks, present)
        logits = [
            expert(drop(vector, training=training))
            for expert, drop, vector in zip(
                self.experts, self.drops, pool_each(cleared, masks, self.poolings), strict=True
            )
        ]
        logits = ops.stack(logits, axis=1)
        if present is not None:
            present = ops.expand_dims(ops.cast(present, "bool"), -1)
            logits = ops.where(present, logits, 0.0)
        if self.rule == "product":
            fused = ops.sum(logits, axis=1)
        else:
            fused = self._combine(ops.cast(logits, "float32"), present, training)
        return (fused, logits) if return_weights else fused

    def _combine(self, logits, present, training):
        scores = ops.zeros_like(logits[:, :, :1])
        if self.rule == "weights":
            scores = scores + ops.reshape(ops.cast(self.scores, "float32"), (1, -1, 1))
        if present is not None:
            scores = ops.where(present, scores, -1e9)
        vote = self.rule == "vote" and not training
        if self.activation == "linear":
            fused = ops.sum(ops.softmax(scores, axis=1) * logits, axis=1)
        elif self.activation == "softmax":
            votes = ops.one_hot(ops.argmax(logits, axis=-1), self.num_outputs) if vote else None
            fused = _log_mixture(ops.log_softmax(logits, axis=-1), scores, votes)
        else:
            votes = against = None
            if vote:
                votes = ops.cast(logits > 0, "float32")
                against = 1.0 - votes
            fused = _log_mixture(ops.log_sigmoid(logits), scores, votes)
            fused = fused - _log_mixture(ops.log_sigmoid(-logits), scores, against)
        if present is not None:
            fused = ops.where(ops.any(present, axis=1), fused, 0.0)
        return ops.cast(fused, self.compute_dtype)


def _log_mixture(log_probabilities, scores, votes):
    """The logarithm of the weighted mean over modalities; with votes, of mostly their mean."""
    mixture = ops.logsumexp(log_probabilities + ops.log_softmax(scores, axis=1), axis=1)
    if votes is not None:
        share = ops.sum(ops.softmax(scores, axis=1) * votes, axis=1)
        # Never log(0): added to a logarithm it is NaN on some backends.
        share = ops.log(ops.maximum((1 - _TIE_BREAK) * share, 1e-30))
        mixture = ops.logaddexp(share, mixture + math.log(_TIE_BREAK))
    # What float16 can hold, and as a probability's logarithm as good as minus infinity.
    return ops.maximum(mixture, -3e4)
