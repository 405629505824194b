import keras
import numpy as np
import pytest

from mmkeras.encoders import SelfAttentionEncoder, TransformerLayers
from tests.layer_checks import call, check_layer, randomize

TOKENS = np.random.default_rng(0).standard_normal((3, 5, 8)).astype("float32")
MASK = np.arange(5) < np.array([[5], [2], [1]])


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_transformer_layers(mask, tmp_path):
    check_layer(
        lambda: TransformerLayers(num_heads=2, num_layers=2, ff_dim=6, dropout=0.1),
        {"tokens": TOKENS, "key_mask": mask},
        (3, 5, 8),
        tmp_path,
    )


def test_one_layer_follows_the_written_formula():
    layer = TransformerLayers(num_heads=2, num_layers=1, ff_dim=6)
    call(layer, {"tokens": TOKENS})
    randomize(layer)
    (inner, outer), attention = layer.feed_forwards[0], layer.attentions[0]
    wq, bq, wk, bk, wv, bv, wo, bo = attention.get_weights()

    def norm(x, norm_layer):
        gamma, beta = norm_layer.get_weights()
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
        return x * gamma + beta

    def part(x, kernel, bias):
        return np.einsum("btd,dhk->bhtk", x, kernel) + bias[:, None]

    normed = norm(TOKENS, layer.attention_norms[0])
    query, key, value = (part(normed, *weights) for weights in ((wq, bq), (wk, bk), (wv, bv)))
    scores = np.where(MASK[:, None, None], query @ key.swapaxes(2, 3) / np.sqrt(4), -np.inf)
    share = np.exp(scores - scores.max(-1, keepdims=True))
    heads = share / share.sum(-1, keepdims=True) @ value
    x = TOKENS + np.einsum("bhtk,hkd->btd", heads, wo) + bo
    (w1, b1), (w2, b2) = inner.get_weights(), outer.get_weights()
    x = x + np.maximum(norm(x, layer.ff_norms[0]) @ w1 + b1, 0) @ w2 + b2
    np.testing.assert_allclose(
        call(layer, {"tokens": TOKENS, "key_mask": MASK}),
        norm(x, layer.last_norm),
        rtol=1e-4,
        atol=1e-4,
    )


def test_what_masked_tokens_hold_changes_no_other_token():
    layer = TransformerLayers(num_heads=2, num_layers=2)
    tokens = call(layer, {"tokens": TOKENS, "key_mask": MASK})
    spoilt = np.where(MASK[..., None], TOKENS, 1e3).astype("float32")
    np.testing.assert_allclose(
        call(layer, {"tokens": spoilt, "key_mask": MASK})[MASK], tokens[MASK], atol=1e-5
    )


def test_a_row_of_masked_tokens_alone_is_finite():
    layer = TransformerLayers(num_heads=2)
    outputs = call(layer, {"tokens": TOKENS, "key_mask": np.zeros((3, 5), bool)})
    assert np.isfinite(outputs).all()


def test_without_positions_the_order_of_tokens_does_not_matter():
    layer = TransformerLayers(num_heads=2, num_layers=2)
    tokens = call(layer, {"tokens": TOKENS})
    np.testing.assert_allclose(call(layer, {"tokens": TOKENS[:, ::-1]})[:, ::-1], tokens, atol=1e-5)


def test_transformer_layers_refuse_widths_that_heads_do_not_divide_and_other_ranks():
    with pytest.raises(ValueError, match="dim=8 and num_heads=3"):
        TransformerLayers(num_heads=3)(TOKENS)
    with pytest.raises(ValueError, match=r"\(batch, tokens, dim\).*Received.*\(3, 8\)"):
        TransformerLayers()(TOKENS[:, 0])


def test_self_attention_over_words_is_embeddings_and_positions_put_through_the_layers():
    encoder = SelfAttentionEncoder(10, dim=8, num_heads=2, num_layers=2, max_length=6)
    ids = np.array([[4, 9, 2, 0]], "int32")
    tokens = call(encoder, {"inputs": ids})
    words, positions = (
        keras.ops.convert_to_numpy(table.embeddings)
        for table in (encoder.embedding, encoder.positions)
    )
    embedded = (words[ids] + positions[:4]).astype("float32")
    np.testing.assert_allclose(
        call(encoder.transformer, {"tokens": embedded, "key_mask": ids != 0}), tokens, atol=1e-5
    )
