"""The parts that fusions are made of, in NumPy, with the weights of built layers."""

import numpy as np


def dense(layer, x):
    """What a dense layer makes of `x`, without its activation."""
    kernel, *bias = layer.get_weights()
    return x @ kernel + (bias[0] if bias else 0.0)


def norm(layer, x):
    gamma, beta = layer.get_weights()
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    return x * gamma + beta


def softmax(x):
    shares = np.exp(x - x.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def attention(layer, queries, keys):
    """Attended vectors and weights; one row, `(tokens, dim)`, without tokens that do not count."""
    wq, bq, wk, bk, wv, bv, wo, bo = layer.get_weights()
    q = np.einsum("td,dhk->htk", queries, wq) + bq[:, None]
    k = np.einsum("td,dhk->htk", keys, wk) + bk[:, None]
    v = np.einsum("td,dhk->htk", keys, wv) + bv[:, None]
    weights = softmax(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]))
    return np.einsum("htk,hkd->td", weights @ v, wo) + bo, weights


def feed_forward(inner, outer, x):
    return dense(outer, np.maximum(dense(inner, x), 0))


def transformer(layer, x):
    """`TransformerLayers` over one row."""
    for part, part_norm, (inner, outer), ff_norm in zip(
        layer.attentions, layer.attention_norms, layer.feed_forwards, layer.ff_norms, strict=True
    ):
        normed = norm(part_norm, x)
        x = x + attention(part, normed, normed)[0]
        x = x + feed_forward(inner, outer, norm(ff_norm, x))
    return norm(layer.last_norm, x)


def cross_layer(layer, x, keys):
    """`CrossTransformerLayer` over one row, and its weights; no keys at all are `None`."""
    weights = None
    if keys is not None:
        attended, weights = attention(
            layer.attention, norm(layer.query_norm, x), norm(layer.key_norm, keys)
        )
        x = x + attended
    return x + feed_forward(layer.inner, layer.outer, norm(layer.ff_norm, x)), weights


def transformer_weights(dim, ff_dim, num_layers):
    """How many weights `TransformerLayers` has: each layer's attention, two norms and two dense
    layers, and the last norm."""
    attention = 4 * (dim * dim + dim)
    feed_forward = dim * ff_dim + ff_dim + ff_dim * dim + dim
    return num_layers * (attention + feed_forward + 2 * 2 * dim) + 2 * dim


def rows_that_count(arguments, row):
    """Each modality's tokens of a row without padding, `None` where it is absent."""
    tokens = []
    for index, x in enumerate(arguments["tokens"]):
        mask = arguments["masks"][index]
        x = x[row] if mask is None else x[row][mask[row]]
        tokens.append(x if arguments["present"][row, index] else None)
    return tokens
