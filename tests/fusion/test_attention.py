import keras
import numpy as np
import pytest

from mmkeras.fusion import CrossAttentionFusion
from tests.layer_checks import (
    call,
    check_layer,
    randomize,
    to_numpy,
)

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(4, 5, 3), (4, 1, 2), (4, 3, 6)]]
MASKS = [np.arange(5) < np.array([[5], [2], [1], [3]]), None, None]
PRESENT = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
ARGUMENTS = {"tokens": TOKENS, "masks": MASKS, "present": PRESENT}


def make_fusion(query="all", **options):
    return CrossAttentionFusion(query, num_heads=2, key_dim=4, **options)


def random_fusion(query="all", tokens=TOKENS):
    """One whose weights are random, biases included."""
    fusion = make_fusion(query)
    fusion.build([x.shape for x in tokens])
    return randomize(fusion)


@pytest.mark.parametrize(("query", "dim"), [("all", 24), (0, 8), (2, 8)])
def test_cross_attention_fusion(query, dim, tmp_path):
    check_layer(lambda: make_fusion(query, dropout=0.1), ARGUMENTS, (4, dim), tmp_path)


def test_the_vector_follows_the_written_equation():
    tokens = TOKENS[:2]
    fusion = random_fusion(query=1, tokens=tokens)
    vector, weights = call(fusion, {"tokens": tokens}, return_weights=True)
    image, text = (
        x @ d.get_weights()[0] + d.get_weights()[1]
        for x, d in zip(tokens, fusion.projections, strict=True)
    )
    wq, bq, wk, bk, wv, bv, wo, bo = fusion.attentions[0].get_weights()
    q = np.einsum("btd,dhk->bhtk", text, wq) + bq[:, None]
    k = np.einsum("btd,dhk->bhtk", image, wk) + bk[:, None]
    v = np.einsum("btd,dhk->bhtk", image, wv) + bv[:, None]
    scores = np.exp(np.einsum("bhqk,bhsk->bhqs", q, k) / np.sqrt(4))
    scores /= scores.sum(axis=-1, keepdims=True)
    attended = np.einsum("bhqs,bhsk,hkd->bqd", scores, v, wo) + bo
    summed = text + attended
    normed = summed - summed.mean(axis=-1, keepdims=True)
    normed /= np.sqrt(summed.var(axis=-1, keepdims=True) + 1e-3)
    gamma, beta = fusion.norms[0].get_weights()
    np.testing.assert_allclose(weights["1_to_0"], scores, atol=1e-5)
    np.testing.assert_allclose(vector, (normed * gamma + beta).mean(axis=1), atol=1e-4)


def test_weights_of_each_direction_add_up_to_one_over_all_keys():
    _, weights = call(random_fusion(), {"tokens": TOKENS}, return_weights=True)
    assert set(weights) == {"0_to_1", "0_to_2", "1_to_0", "1_to_2", "2_to_0", "2_to_1"}
    assert weights["0_to_2"].shape == (4, 2, 5, 3)
    both = weights["0_to_1"].sum(axis=-1) + weights["0_to_2"].sum(axis=-1)
    np.testing.assert_allclose(both, 1.0, atol=1e-5)


def test_padding_and_absent_modalities_have_no_weight():
    _, weights = call(random_fusion(), ARGUMENTS, return_weights=True)
    padding = np.broadcast_to(~MASKS[0][:, None, None, :], weights["1_to_0"].shape)
    assert (weights["1_to_0"][padding] == 0).all()
    assert (weights["1_to_0"][1] == 0).all()
    assert (weights["1_to_2"][1].sum(axis=-1) > 0.99).all()


def test_a_row_with_nothing_to_attend_to_keeps_its_own_tokens():
    fusion = random_fusion(query=0)
    outputs = call(fusion, ARGUMENTS)
    hidden = fusion.norms[0](fusion.projections[0](TOKENS[0]))
    np.testing.assert_allclose(outputs[2], to_numpy(hidden)[2, 0], atol=1e-5)


def test_an_absent_querying_modality_contributes_zeros():
    outputs = call(random_fusion(), ARGUMENTS)
    assert (outputs[1, :8] == 0).all()
    assert (outputs[1, 8:] != 0).any()
    assert (outputs[3] == 0).all()


def test_gradients_are_finite_where_nothing_is_present():
    fusion = make_fusion()
    inputs = [keras.Input(x.shape[1:]) for x in TOKENS]
    present = keras.Input((3,), dtype="bool")
    model = keras.Model([*inputs, present], fusion(inputs, present=present))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    model.train_on_batch([*TOKENS, np.zeros((4, 3), bool)], np.ones((4, 24), "float32"))
    model.train_on_batch([*TOKENS, PRESENT], np.ones((4, 24), "float32"))
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_refuses_a_single_modality():
    with pytest.raises(ValueError, match=r"at least 2.*ConcatFusion"):
        make_fusion()(TOKENS[:1])


@pytest.mark.parametrize("query", [3, -1, "text", 0.5])
def test_refuses_a_query_that_is_no_modality(query):
    with pytest.raises(ValueError, match=f"`query`.*Received: {query!r}"):
        make_fusion(query)(TOKENS)
