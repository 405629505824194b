import numpy as np
import pytest

from mmkeras.fusion import WeightedSumFusion
from tests.layer_checks import call

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(4, 5, 3), (4, 1, 2), (4, 3, 6)]]
MASKS = [np.arange(5) < np.array([[5], [2], [1], [3]]), None, None]
PRESENT = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
ARGUMENTS = {"tokens": TOKENS, "masks": MASKS, "present": PRESENT}


@pytest.fixture
def fusion():
    """A fusion with the weights 0.6, 0.3 and 0.1."""
    fusion = WeightedSumFusion(7)
    fusion.build([x.shape for x in TOKENS])
    fusion.scores.assign(np.log([6.0, 3.0, 1.0]))
    return fusion


def test_the_vector_is_the_weighted_sum_of_projections(fusion):
    expected = 0.0
    for weight, x, dense in zip([0.6, 0.3, 0.1], TOKENS, fusion.projections, strict=True):
        kernel, bias = dense.get_weights()
        expected = expected + weight * (x.mean(axis=1) @ kernel + bias)
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-5)


def test_weights_are_handed_out_and_add_up_to_one(fusion):
    _, weights = call(fusion, {"tokens": TOKENS}, return_weights=True)
    np.testing.assert_allclose(weights, [[0.6, 0.3, 0.1]] * 4, rtol=1e-5)


def test_weights_run_over_the_present_modalities_only(fusion):
    vector, weights = call(fusion, ARGUMENTS, return_weights=True)
    expected = [[0.6, 0.3, 0.1], [0, 0.75, 0.25], [6 / 7, 0, 1 / 7], [0, 0, 0]]
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    assert (weights[~PRESENT] == 0).all()
    assert (vector[3] == 0).all()


def test_a_new_fusion_weighs_all_modalities_alike():
    _, weights = call(WeightedSumFusion(7), {"tokens": TOKENS}, return_weights=True)
    np.testing.assert_allclose(weights, 1 / 3, rtol=1e-6)
