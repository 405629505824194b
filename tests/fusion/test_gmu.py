import numpy as np

from mmkeras.fusion.gmu import GatedMultimodalUnit
from tests.fusion.by_hand import dense, sigmoid
from tests.fusion.pooled import MEANS, PRESENT, TOKENS, affine_each, number_of_weights, randomized
from tests.layer_checks import call


def test_two_modalities_share_one_gate():
    fusion = randomized(GatedMultimodalUnit(dim=7), TOKENS[:2])
    vector, weights = call(fusion, {"tokens": TOKENS[:2]}, return_weights=True)
    first, second = np.tanh(affine_each(fusion.projections, MEANS[:2]))
    z = sigmoid(dense(fusion.gate, np.concatenate(MEANS[:2], axis=-1)))
    np.testing.assert_allclose(vector, z * first + (1 - z) * second, atol=1e-5)
    np.testing.assert_allclose(weights[:, 0], z.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)


def test_three_modalities_have_a_gate_each():
    fusion = randomized(GatedMultimodalUnit(dim=7))
    vector, weights = call(fusion, {"tokens": TOKENS, "present": PRESENT}, return_weights=True)
    here = PRESENT[:, :, None]
    seen = [x * PRESENT[:, i : i + 1] for i, x in enumerate(MEANS)]
    gates = sigmoid(dense(fusion.gate, np.concatenate(seen, axis=-1))).reshape(4, 3, 7) * here
    hidden = np.tanh(np.stack(affine_each(fusion.projections), axis=1))
    np.testing.assert_allclose(vector, (gates * hidden).sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(weights, gates.mean(axis=-1), atol=1e-5)
    assert (weights[~PRESENT] == 0).all()
    assert (vector[3] == 0).all()


def test_of_two_modalities_the_one_that_is_left_takes_the_whole():
    fusion = randomized(GatedMultimodalUnit(dim=7), TOKENS[:2])
    present = np.array([[True, False], [False, True], [True, False], [False, False]])
    vector, weights = call(fusion, {"tokens": TOKENS[:2], "present": present}, return_weights=True)
    first, second = np.tanh(affine_each(fusion.projections, MEANS[:2]))
    np.testing.assert_allclose(vector[:3], [first[0], second[1], first[2]], atol=1e-5)
    np.testing.assert_array_equal(weights, present)
    assert (vector[3] == 0).all()


def test_number_of_weights_without_biases():
    d1, d2, d3 = (x.shape[1] for x in MEANS)
    two = number_of_weights(GatedMultimodalUnit(dim=7), TOKENS[:2])
    assert two == (d1 + d2) * 7 + (d1 + d2) * 7
    three = number_of_weights(GatedMultimodalUnit(dim=7))
    assert three == (d1 + d2 + d3) * 7 + 3 * (d1 + d2 + d3) * 7
