"""Fusion by parallel co-attention: two modalities tell each other where to look."""

from __future__ import annotations

import itertools

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.joint_tokens import project_each
from mmkeras.fusion.parts.masked_attention import modalities_there
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent, masked_mean
from mmkeras.fusion.parts.projection import masked_softmax


@keras.saving.register_keras_serializable(package="mmkeras")
class CoAttentionFusion(Fusion):
    """Attends to each modality's tokens with the others as guides, for all pairs at once.

    With `V` and `Q` the tokens of two modalities, one per row, projected to one width, and the
    weights of this pair `W_b`, `W_v`, `W_q`, `w_v`, `w_q`:

        C = tanh(V W_b Q^T)                       affinity of each token with each
        H_v = tanh(V W_v + C (Q W_q)),            H_q = tanh(Q W_q + C^T (V W_v))
        a_v = softmax(H_v w_v),                   a_q = softmax(H_q w_q)
        v = a_v V,                                q = a_q Q

    This is the paper's parallel co-attention, which has two modalities. Of more, each pair does
    this, and a modality's vector is the mean of what it gave with each of its partners. As the
    paper does with `v` and `q`, the vectors are then added up:

        F(X) = tanh((sum_i x_i) W)

    Padding has no weight and guides nothing. Partners that a row does not have are left out of
    the mean. A modality alone is attended to by its own tokens, with `C = 0`; an absent one adds
    nothing. A row without any modality gives zeros. The paper co-attends at three levels of the
    question; one level is here, and no layer has a bias but the projections.

    A modality of one token has nothing to choose from: its weight is 1. The affinities take
    `batch * tokens of one * tokens of the other` numbers.

    Args:
        dim: The width of the projections, of `H` and of the fused vector.

    Returns:
        `(batch, dim)`. With `return_weights`, also a dict of the weights for each direction,
        `"1_to_0"` for `a` over modality 0's tokens with modality 1 as the guide, in the form of
        attention weights with one head and one query: `(batch, 1, 1, tokens of 0)`. They are
        zeros where either modality is absent.

    Example:

    >>> image, text = keras.Input((16, 8)), keras.Input((3, 4))
    >>> vector, weights = CoAttentionFusion(dim=32)([image, text], return_weights=True)
    >>> vector.shape, weights["1_to_0"].shape
    ((None, 32), (None, 1, 1, 16))

    References:
        - [Lu et al., 2016](https://arxiv.org/abs/1606.00061) (section 3.3, equations 3 to 5;
          the sum in section 3.4)
    """

    has_weights = True

    def __init__(self, dim: int = 64, **kwargs):
        super().__init__(**kwargs)
        self.dim = int(dim)

    def build(self, tokens_shape):
        check_token_shapes("CoAttentionFusion", tokens_shape, at_least=2)
        self.projections = project_each(tokens_shape, self.dim, self.dtype_policy)
        self.pairs = list(itertools.combinations(range(len(tokens_shape)), 2))
        self.affinities, self.to_hidden, self.to_scores = [], [], []
        for _ in self.pairs:
            self.affinities.append(self._dense(self.dim))
            self.to_hidden.append([self._dense(self.dim), self._dense(self.dim)])
            self.to_scores.append([self._dense(1), self._dense(1)])
        self.output_dense = self._dense(self.dim, activation="tanh")

    def _dense(self, units, activation=None):
        dense = layers.Dense(units, activation, use_bias=False, dtype=self.dtype_policy)
        dense.build((None, self.dim))
        return dense

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        tokens, masks = clear_absent(tokens, masks, present)
        there = modalities_there(tokens, masks)
        hidden = []
        for projection, x, mask in zip(self.projections, tokens, masks, strict=True):
            x = projection(x)
            # The bias would let padding guide the others.
            hidden.append(x if mask is None else ops.where(ops.expand_dims(mask, -1), x, 0.0))
        vectors = [[None] * len(tokens) for _ in tokens]
        weights = {}
        for (i, j), affinity, to_hidden, to_scores in zip(
            self.pairs, self.affinities, self.to_hidden, self.to_scores, strict=True
        ):
            v, q = hidden[i], hidden[j]
            c = ops.tanh(ops.matmul(affinity(v), ops.transpose(q, (0, 2, 1))))
            from_v, from_q = to_hidden[0](v), to_hidden[1](q)
            h_v = ops.tanh(from_v + ops.matmul(c, from_q))
            h_q = ops.tanh(from_q + ops.matmul(ops.transpose(c, (0, 2, 1)), from_v))
            for target, guide, h, dense in ((i, j, h_v, to_scores[0]), (j, i, h_q, to_scores[1])):
                scores = ops.transpose(dense(h), (0, 2, 1))
                mask = ops.ones_like(scores, dtype="bool")
                if masks[target] is not None:
                    mask = ops.expand_dims(masks[target], axis=1)
                a = ops.cast(masked_softmax(scores, mask), self.compute_dtype)
                vectors[target][guide] = ops.matmul(a, hidden[target])[:, 0]
                if there is not None:
                    a = ops.where(ops.reshape(there[:, guide], (-1, 1, 1)), a, 0.0)
                weights[f"{guide}_to_{target}"] = ops.expand_dims(a, axis=1)
        total = sum(_mean_over_partners(vectors[i], i, there) for i in range(len(tokens)))
        fused = self.output_dense(total)
        return (fused, weights) if return_weights else fused


def _mean_over_partners(vectors, index, there):
    """The mean of modality `index`'s vectors over the partners that a row has, else over all."""
    partners = [j for j in range(len(vectors)) if j != index]
    stacked = ops.stack([vectors[j] for j in partners], axis=1)
    if there is None:
        return masked_mean(stacked)
    mask = ops.stack([there[:, j] for j in partners], axis=1)
    return masked_mean(stacked, mask | ~ops.any(mask, axis=1, keepdims=True))
