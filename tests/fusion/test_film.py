import numpy as np
import pytest

from mmkeras.fusion.film import FiLMFusion
from tests.fusion.by_hand import dense
from tests.fusion.pooled import MEANS, PRESENT, TOKENS, number_of_weights, randomized
from tests.layer_checks import call


def by_hand(fusion, j, deltas, betas):
    """The modulated and pooled tokens of modality 0 or 1, for the condition -1."""
    x = dense(fusion.projections[j], TOKENS[j])
    for block, delta, beta in zip(fusion.blocks[j], deltas, betas, strict=True):
        inner = dense(block, x)
        inner = inner - inner.mean(axis=-1, keepdims=True)
        inner /= np.sqrt((inner**2).mean(axis=-1, keepdims=True) + fusion.norm.epsilon)
        x = x + np.maximum((1 + delta)[:, None] * inner + beta[:, None], 0)
    return x.max(axis=1)


@pytest.fixture
def fusion():
    return randomized(FiLMFusion(dim=7, num_layers=2, pooling="max"))


def test_the_vector_follows_the_written_equation(fusion):
    film = dense(fusion.generator, TOKENS[2].max(axis=1)).reshape(4, 2, 2, 2, 7)
    pooled = [
        by_hand(fusion, j, film[:, j, :, 0].swapaxes(0, 1), film[:, j, :, 1].swapaxes(0, 1))
        for j in (0, 1)
    ]
    expected = dense(fusion.output_projection, np.concatenate(pooled, axis=-1))
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-4)


def test_without_the_conditioning_modality_nothing_is_modulated(fusion):
    present = np.array([[True, True, False]] * 4)
    nothing = np.zeros((2, 4, 7))
    pooled = [by_hand(fusion, j, nothing, nothing) for j in (0, 1)]
    expected = dense(fusion.output_projection, np.concatenate(pooled, axis=-1))
    vector = call(fusion, {"tokens": TOKENS, "present": present})
    np.testing.assert_allclose(vector, expected, atol=1e-4)


def test_the_conditioning_modality_speaks_through_the_others_alone(fusion):
    present = np.array([[False, False, True]] * 3 + [[True, False, True]])
    vector = call(fusion, {"tokens": TOKENS, "present": present})
    assert (vector[:3] == 0).all()
    assert (vector[3] != 0).any()
    assert (call(fusion, {"tokens": TOKENS, "present": PRESENT})[3] == 0).all()


def test_the_condition_may_be_any_modality():
    first = randomized(FiLMFusion(dim=7, condition=0))
    last = randomized(FiLMFusion(dim=7), [TOKENS[1], TOKENS[2], TOKENS[0]])
    vector = call(last, {"tokens": [TOKENS[1], TOKENS[2], TOKENS[0]]})
    np.testing.assert_allclose(call(first, {"tokens": TOKENS}), vector, atol=1e-6)


def test_number_of_weights():
    d1, d2, d3 = (x.shape[1] for x in MEANS)
    generator = (d3 + 1) * (2 * 2 * 2 * 7)
    projections = (d1 + 1) * 7 + (d2 + 1) * 7
    blocks = 2 * 2 * (7 + 1) * 7
    expected = generator + projections + blocks + 2 * 7 * 7
    assert number_of_weights(FiLMFusion(dim=7, num_layers=2)) == expected


def test_refuses_a_condition_that_is_no_modality_and_no_layers():
    with pytest.raises(ValueError, match=r"FiLMFusion's `condition`.*Received: 3"):
        FiLMFusion(condition=3)(TOKENS)
    with pytest.raises(ValueError, match=r"`num_layers` must be 1 or more. Received: 0"):
        FiLMFusion(num_layers=0)
