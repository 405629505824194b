import numpy as np
import pytest

from mmkeras.fusion.multiplicative import MultiplicativeFusion
from tests.fusion.pooled import MEANS, TOKENS, affine_each, number_of_weights, randomized
from tests.layer_checks import call


def interaction(step, x, z):
    """z^T W x + z^T U + V x + b for one row, term by term."""
    w = {name: np.asarray(weight) for name, weight in step.items()}
    outputs = []
    for k in range(len(w["b"])):
        bilinear = z @ w["W"][:, :, k] @ x
        outputs.append(bilinear + z @ w["U"][:, k] + x @ w["V"][:, k] + w["b"][k])
    return np.array(outputs)


@pytest.fixture
def fusion():
    return randomized(MultiplicativeFusion(dim=5))


def test_two_modalities_follow_the_papers_equation():
    fusion = randomized(MultiplicativeFusion(dim=5), TOKENS[:2])
    vector = call(fusion, {"tokens": TOKENS[:2]})
    first, second = affine_each(fusion.projections, MEANS[:2])
    for row in range(4):
        expected = interaction(fusion.interactions[0], first[row], second[row])
        np.testing.assert_allclose(vector[row], expected, atol=1e-4)


def test_more_modalities_are_folded_one_after_the_other(fusion):
    vector = call(fusion, {"tokens": TOKENS})
    first, second, third = affine_each(fusion.projections)
    for row in range(4):
        pair = interaction(fusion.interactions[0], first[row], second[row])
        expected = interaction(fusion.interactions[1], pair, third[row])
        np.testing.assert_allclose(vector[row], expected, rtol=1e-4, atol=1e-4)


def test_the_terms_of_an_absent_modality_fall_away(fusion):
    present = np.array(
        [[True, True, False], [True, False, False], [False, True, False]] + [[0] * 3]
    )
    vector = call(fusion, {"tokens": TOKENS, "present": present.astype(bool)})
    first, second, _ = affine_each(fusion.projections)
    nothing = np.zeros(5)
    pairs = [(first[0], second[0]), (first[1], nothing), (nothing, second[2])]
    for row, (x, z) in enumerate(pairs):
        pair = interaction(fusion.interactions[0], x, z)
        expected = interaction(fusion.interactions[1], pair, nothing)
        np.testing.assert_allclose(vector[row], expected, rtol=1e-4, atol=1e-4)
    assert (vector[3] == 0).all()


def test_a_step_with_nothing_on_either_side_leaves_no_bias(fusion):
    present = np.array([[False, False, True]] * 4)
    vector = call(fusion, {"tokens": TOKENS, "present": present})
    third = affine_each(fusion.projections)[2]
    step = fusion.interactions[1]
    expected = third @ np.asarray(step["U"]) + np.asarray(step["b"])
    np.testing.assert_allclose(vector, expected, atol=1e-4)


def test_number_of_weights():
    projections = sum((x.shape[1] + 1) * 5 for x in MEANS)
    assert number_of_weights(MultiplicativeFusion(dim=5)) == projections + 2 * (
        5 * 5 * 5 + 2 * 5 * 5 + 5
    )
