import numpy as np
import pytest

from mmkeras.fusion.crossmodal import MulTFusion, sine_positions
from tests.fusion import by_hand
from tests.fusion.standard import example
from tests.layer_checks import call, randomize, to_numpy

ARGUMENTS = example()


@pytest.fixture
def fusion():
    fusion = MulTFusion(dim=4, num_heads=2, num_layers=2, ff_dim=6)
    fusion.build([x.shape for x in ARGUMENTS["tokens"]])
    return randomize(fusion)


def test_positions_are_sines_and_cosines_of_falling_frequency():
    # With five features the third pair lacks its cosine.
    rates = [1, 1, 10000 ** (-2 / 5), 10000 ** (-2 / 5), 10000 ** (-4 / 5)]
    expected = [
        [np.cos(t * rate) if k % 2 else np.sin(t * rate) for k, rate in enumerate(rates)]
        for t in range(3)
    ]
    np.testing.assert_allclose(to_numpy(sine_positions(3, 5)), expected, atol=1e-6)


def test_each_target_attends_to_the_low_level_features_of_each_source(fusion):
    vectors = call(fusion, ARGUMENTS)
    for row in range(4):
        low_level = [
            None
            if x is None
            else by_hand.dense(projection, x) + to_numpy(sine_positions(len(x), 4))
            for projection, x in zip(
                fusion.projections, by_hand.rows_that_count(ARGUMENTS, row), strict=True
            )
        ]
        expected = []
        for target in range(3):
            if low_level[target] is None:
                expected.append(np.zeros(8))
                continue
            parts = []
            for (a, b), stack, norm in zip(
                fusion.pairs, fusion.crossmodal, fusion.cross_norms, strict=True
            ):
                if b == target:
                    x = low_level[b]
                    for layer in stack:
                        x, _ = by_hand.cross_layer(layer, x, low_level[a])
                    parts.append(by_hand.norm(norm, x))
            x = by_hand.transformer(fusion.transformers[target], np.concatenate(parts, axis=-1))
            expected.append(x.mean(axis=0))
        np.testing.assert_allclose(vectors[row], np.concatenate(expected), rtol=1e-3, atol=1e-3)


def test_every_ordered_pair_of_modalities_has_a_transformer(fusion):
    assert set(fusion.pairs) == {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)}


def test_the_order_of_the_tokens_matters(fusion):
    tokens = ARGUMENTS["tokens"]
    turned = call(fusion, {"tokens": [tokens[0][:, ::-1], *tokens[1:]]})
    assert np.abs(turned - call(fusion, {"tokens": tokens})).max() > 1e-3


def test_has_as_many_weights_as_the_formula(fusion):
    projections = (3 + 1) * 4 + (2 + 1) * 4 + (6 + 1) * 4
    layer = 4 * (4 * 4 + 4) + (4 * 6 + 6) + (6 * 4 + 4) + 3 * 2 * 4
    crossmodal = 6 * (2 * layer + 2 * 4)
    expected = projections + crossmodal + 3 * by_hand.transformer_weights(2 * 4, 6, 2)
    assert fusion.count_params() == expected == 4676


def test_refuses_a_width_that_the_heads_cannot_share():
    with pytest.raises(ValueError, match=r"dim=10 and num_heads=4"):
        MulTFusion(dim=10, num_heads=4)
