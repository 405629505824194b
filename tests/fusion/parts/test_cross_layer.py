import numpy as np
import pytest

from mmkeras.fusion.parts.cross_layer import CrossTransformerLayer
from tests.fusion import by_hand
from tests.layer_checks import call, check_layer, randomize

RANDOM = np.random.default_rng(0)
MASK = np.arange(5) < np.array([[5], [2], [0]])
ARGUMENTS = {
    "tokens": RANDOM.standard_normal((3, 4, 8), "float32"),
    "keys": RANDOM.standard_normal((3, 5, 6), "float32"),
    "key_mask": MASK,
}


def make_layer(**options):
    return CrossTransformerLayer(num_heads=2, ff_dim=6, **options)


def test_cross_transformer_layer(tmp_path):
    check_layer(lambda: make_layer(dropout=0.1), ARGUMENTS, (3, 4, 8), tmp_path)


def test_the_tokens_follow_the_written_formula_and_without_keys_nothing_is_attended_to():
    layer = make_layer()
    call(layer, ARGUMENTS)
    randomize(layer)
    outputs, weights = call(layer, ARGUMENTS, return_weights=True)
    for row, tokens in enumerate(ARGUMENTS["tokens"]):
        keys = ARGUMENTS["keys"][row][MASK[row]] if MASK[row].any() else None
        expected, shares = by_hand.cross_layer(layer, tokens, keys)
        np.testing.assert_allclose(outputs[row], expected, rtol=1e-4, atol=1e-4)
        if keys is not None:
            np.testing.assert_allclose(weights[row][..., MASK[row]], shares, atol=1e-5)
    assert (weights[~np.broadcast_to(MASK[:, None, None], weights.shape)] == 0).all()


def test_refuses_a_width_that_the_heads_cannot_share():
    with pytest.raises(ValueError, match=r"multiple of `num_heads`.*dim=8 and num_heads=3"):
        CrossTransformerLayer(num_heads=3).build((None, None, 8), (None, None, 6))
