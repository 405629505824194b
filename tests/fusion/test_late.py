import numpy as np
import pytest

from mmkeras.fusion import LateFusion
from tests.fusion.by_hand import sigmoid, softmax
from tests.layer_checks import (
    call,
    check_absent_modality,
    check_layer,
    check_more_padding,
    randomize,
)

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(4, 5, 3), (4, 1, 2), (4, 3, 6)]]
MASKS = [np.arange(5) < np.array([[5], [2], [1], [3]]), None, None]
PRESENT = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
ARGUMENTS = {"tokens": TOKENS, "masks": MASKS, "present": PRESENT}


@pytest.mark.parametrize("pooling", ["mean", "flatten"])
def test_late_fusion(pooling, tmp_path):
    check_layer(lambda: LateFusion(7, pooling), ARGUMENTS, (4, 7), tmp_path)


@pytest.mark.parametrize("pooling", ["mean", "flatten"])
def test_the_logits_are_the_sum_of_each_modalitys_own(pooling):
    fusion = LateFusion(7, pooling)
    fused, logits = call(fusion, {"tokens": TOKENS}, return_weights=True)
    expected = []
    for x, expert in zip(TOKENS, fusion.experts, strict=True):
        kernel, bias = (np.asarray(w) for w in expert.get_weights())
        pooled = x.reshape(4, -1) if pooling == "flatten" else x.mean(axis=1)
        expected.append(pooled @ kernel + bias)
    np.testing.assert_allclose(logits, np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(fused, np.sum(expected, axis=0), atol=1e-5)


def test_its_softmax_is_the_product_of_experts():
    fused, logits = call(LateFusion(7), {"tokens": TOKENS}, return_weights=True)
    product = softmax(logits).prod(axis=1)
    np.testing.assert_allclose(softmax(fused), product / product.sum(-1, keepdims=True), atol=1e-5)


def test_an_absent_modality_adds_nothing():
    fused, logits = call(LateFusion(7), ARGUMENTS, return_weights=True)
    assert (logits[1, 0] == 0).all() and (logits[2, 1] == 0).all()
    assert (fused[3] == 0).all()


def by_rule(rule, activation, training=False):
    """The fused logits, the modalities' own, and the fusion, with random weights."""
    fusion = LateFusion(7, rule=rule, activation=activation)
    call(fusion, {"tokens": TOKENS})
    randomize(fusion)
    return *call(fusion, ARGUMENTS, return_weights=True, training=training), fusion


def shares(fusion):
    """Each modality's weight for each row, among the present ones; `(4, 3, 1)`."""
    scores = np.asarray(fusion.scores) if fusion.rule == "weights" else np.zeros(3)
    weights = np.exp(scores) * PRESENT
    return (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9))[:, :, None]


@pytest.mark.parametrize("rule", ["mean", "weights"])
def test_the_mean_is_of_the_present_modalities_softmax(rule):
    fused, logits, fusion = by_rule(rule, "softmax")
    expected = (shares(fusion) * softmax(logits)).sum(axis=1)
    np.testing.assert_allclose(np.exp(fused[:3]), expected[:3], atol=1e-5)
    assert (fused[3] == 0).all()


@pytest.mark.parametrize("rule", ["mean", "weights"])
def test_the_mean_is_of_each_labels_sigmoid(rule):
    fused, logits, fusion = by_rule(rule, "sigmoid")
    expected = (shares(fusion) * sigmoid(logits)).sum(axis=1)
    np.testing.assert_allclose(sigmoid(fused[:3]), expected[:3], atol=1e-5)
    assert (fused[3] == 0).all()


@pytest.mark.parametrize("rule", ["mean", "weights"])
def test_the_mean_is_of_numbers_if_the_output_is_linear(rule):
    fused, logits, fusion = by_rule(rule, "linear")
    np.testing.assert_allclose(fused, (shares(fusion) * logits).sum(axis=1), atol=1e-5)
    assert (fused[3] == 0).all()


def test_a_vote_gives_each_class_its_share_of_votes():
    fused, logits, fusion = by_rule("vote", "softmax")
    votes = np.eye(7)[logits.argmax(axis=-1)]
    expected = (shares(fusion) * (0.99 * votes + 0.01 * softmax(logits))).sum(axis=1)
    np.testing.assert_allclose(softmax(fused)[:3], expected[:3], atol=1e-5)
    assert (fused[3] == 0).all()


def test_a_vote_on_labels_is_taken_on_each():
    fused, logits, fusion = by_rule("vote", "sigmoid")
    votes = 0.99 * (logits > 0) + 0.01 * sigmoid(logits)
    expected = (shares(fusion) * votes).sum(axis=1)
    np.testing.assert_allclose(sigmoid(fused)[:3], expected[:3], atol=1e-5)
    assert (fused[3] == 0).all()


def decide(rule, logits, activation="softmax", dtype=None):
    """What the fusion makes of modalities that say `logits`, `(modalities, outputs)`."""
    fusion = LateFusion(len(logits[0]), rule=rule, activation=activation, dtype=dtype)
    tokens = [np.array([[z]], "float32") for z in logits]
    fusion.build([x.shape for x in tokens])
    for expert in fusion.experts:
        expert.set_weights([np.eye(len(logits[0])), np.zeros(len(logits[0]))])
    return call(fusion, {"tokens": tokens})[0]


def test_the_rules_decide_differently():
    two_against_a_sure_one = [[1.0, 0.0], [1.0, 0.0], [0.0, 9.0]]
    assert decide("product", two_against_a_sure_one).argmax() == 1
    assert decide("vote", two_against_a_sure_one).argmax() == 0
    # One rules out what two prefer: fatal in a product, a third of the say in a mean.
    two_against_a_veto = [[3.0, 0.0], [3.0, 0.0], [-9.0, 0.0]]
    assert decide("product", two_against_a_veto).argmax() == 1
    assert decide("mean", two_against_a_veto).argmax() == 0


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_the_surer_one_decides_between_equal_votes(dtype):
    assert decide("vote", [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=dtype).argmax() == 0
    assert decide("vote", [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], dtype=dtype).argmax() == 1
    assert decide("vote", [[2.0], [-1.0]], "sigmoid", dtype) > 0
    assert decide("vote", [[1.0], [-2.0]], "sigmoid", dtype) < 0


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("rule", ["mean", "weights", "vote"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_sure_modalities_stay_finite(rule, activation, dtype):
    fused = decide(rule, [[3e4, 0.0, -3e4], [3e4, -1e4, 0.0]], activation, dtype)
    assert np.isfinite(fused).all()
    assert fused.argmax() == 0


def test_in_training_a_vote_is_a_mean():
    fused, logits, _ = by_rule("vote", "softmax", training=True)
    mean = (PRESENT[:3, :, None] * softmax(logits[:3])).sum(axis=1)
    np.testing.assert_allclose(np.exp(fused[:3]), mean / PRESENT[:3].sum(1)[:, None], atol=1e-5)


@pytest.mark.parametrize(
    ("rule", "activation"),
    [
        ("mean", "softmax"),
        ("weights", "linear"),
        ("weights", "sigmoid"),
        ("vote", "softmax"),
    ],
)
def test_a_rule_is_held_to_the_standard(rule, activation, tmp_path):
    def make():
        return LateFusion(7, rule=rule, activation=activation)

    layer, _ = check_layer(make, ARGUMENTS, (4, 7), tmp_path)
    check_absent_modality(layer, TOKENS, MASKS)
    check_more_padding(layer, TOKENS, MASKS)


def test_only_learnt_weights_are_weights():
    own = 7 * ((3 + 1) + (2 + 1) + (6 + 1))
    for rule, more in [("product", 0), ("mean", 0), ("weights", 3), ("vote", 0)]:
        fusion = LateFusion(7, rule=rule)
        call(fusion, {"tokens": TOKENS})
        assert fusion.count_params() == own + more


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "median"}, "`rule` must be one of .*Received: 'median'"),
        ({"activation": "relu"}, "`activation` must be one of .*Received: 'relu'"),
        ({"rule": "vote", "activation": "linear"}, "Use `rule='mean'` for numbers"),
    ],
)
def test_what_cannot_be_combined_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        LateFusion(7, **options)
