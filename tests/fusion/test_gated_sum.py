import numpy as np

from mmkeras.fusion.gated_sum import GatedSumFusion
from tests.fusion.by_hand import dense, softmax
from tests.fusion.pooled import (
    EQUAL,
    MEANS,
    PRESENT,
    TOKENS,
    affine_each,
    first_weights,
    number_of_weights,
    randomized,
)
from tests.layer_checks import call


def test_the_vector_and_weights_follow_the_written_equation():
    fusion = randomized(GatedSumFusion(dim=7))
    vector, weights = call(fusion, {"tokens": TOKENS}, return_weights=True)
    projected = affine_each(fusion.projections)
    expected = softmax(dense(fusion.gate, np.concatenate(projected, axis=-1)))
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    summed = sum(w[:, None] * f for w, f in zip(expected.T, projected, strict=True))
    np.testing.assert_allclose(vector, summed, atol=1e-5)


def test_each_row_has_weights_of_its_own():
    _, weights = call(randomized(GatedSumFusion(dim=7)), {"tokens": TOKENS}, return_weights=True)
    assert np.ptp(weights, axis=0).max() > 0.05


def test_the_gate_shares_one_among_the_present_modalities():
    fusion = randomized(GatedSumFusion(dim=7))
    vector, weights = call(fusion, {"tokens": TOKENS, "present": PRESENT}, return_weights=True)
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 1, 0], atol=1e-6)
    assert (weights[~PRESENT] == 0).all()
    assert (vector[3] == 0).all()
    seen = np.stack(affine_each(fusion.projections), axis=1) * PRESENT[:, :, None]
    scores = dense(fusion.gate, seen.reshape(4, 21))
    np.testing.assert_allclose(weights[1, 1:], softmax(scores[1, 1:]), atol=1e-5)


def test_training_starts_with_equal_weights():
    np.testing.assert_allclose(first_weights(GatedSumFusion(dim=7)), EQUAL, rtol=1e-6)


def test_a_modality_alone_is_handed_through():
    fusion = randomized(GatedSumFusion(dim=7))
    alone = np.array([[False, True, False]] * 4)
    vector, weights = call(fusion, {"tokens": TOKENS, "present": alone}, return_weights=True)
    np.testing.assert_allclose(weights, alone, atol=1e-6)
    np.testing.assert_allclose(vector, affine_each(fusion.projections)[1], atol=1e-5)


def test_number_of_weights():
    projections = sum((x.shape[1] + 1) * 7 for x in MEANS)
    assert number_of_weights(GatedSumFusion(dim=7)) == projections + (3 * 7 + 1) * 3
