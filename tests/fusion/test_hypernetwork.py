import numpy as np
import pytest

from mmkeras.fusion.hypernetwork import HypernetworkFusion
from tests.fusion.by_hand import dense
from tests.fusion.pooled import MEANS, TOKENS, affine_each, number_of_weights, randomized
from tests.layer_checks import call


@pytest.fixture
def fusion():
    return randomized(HypernetworkFusion(dim=7, bottleneck=4))


def by_hand(fusion, present):
    """The last modality generates the weights, row after row."""
    hidden = np.maximum(np.stack(affine_each(fusion.projections), axis=1), 0)
    hidden *= present[:, :, None]
    bases = [np.asarray(w) for w in fusion.base_weights]
    rows = []
    for h in hidden:
        row = dense(fusion.bias_generator, h[2])
        for j in (0, 1):
            weights = bases[j] + dense(fusion.weight_generators[j], h[2]).reshape(4, 7)
            row = row + h[j] @ weights
        rows.append(row)
    return np.stack(rows)


@pytest.mark.parametrize("present", [[1, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1]])
def test_the_vector_follows_the_written_equation(fusion, present):
    present = np.array([present] * 4, bool)
    vector = call(fusion, {"tokens": TOKENS, "present": present})
    np.testing.assert_allclose(vector, by_hand(fusion, present), atol=1e-4)


def test_without_the_conditioning_modality_the_base_weights_are_left(fusion):
    present = np.array([[True, False, False]] * 4)
    vector = call(fusion, {"tokens": TOKENS, "present": present})
    hidden = np.maximum(dense(fusion.projections[0], MEANS[0]), 0)
    base, bias = np.asarray(fusion.base_weights[0]), np.asarray(fusion.bias_generator.bias)
    np.testing.assert_allclose(vector, hidden @ base + bias, atol=1e-5)


def test_a_row_without_any_modality_gives_zeros(fusion):
    assert (call(fusion, {"tokens": TOKENS, "present": np.zeros((4, 3), bool)}) == 0).all()


def test_number_of_weights():
    projections = sum((x.shape[1] + 1) * 4 for x in MEANS)
    generated = 2 * (4 * 7 + 4 * 4 * 7)
    expected = projections + generated + (4 + 1) * 7
    assert number_of_weights(HypernetworkFusion(dim=7, bottleneck=4)) == expected


def test_refuses_a_condition_that_is_no_modality():
    with pytest.raises(ValueError, match=r"HypernetworkFusion's `condition`.*Received: -4"):
        HypernetworkFusion(condition=-4)(TOKENS)
