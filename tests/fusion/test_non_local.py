import numpy as np
import pytest

from mmkeras.fusion.non_local import NonLocalGateFusion
from tests.fusion.by_hand import dense, softmax
from tests.fusion.pooled import (
    EXAMPLE,
    MEANS,
    PRESENT,
    TOKENS,
    affine_each,
    number_of_weights,
    randomized,
)
from tests.layer_checks import call


@pytest.fixture
def fusion():
    return randomized(NonLocalGateFusion(dim=7))


def test_the_vector_and_weights_follow_the_written_equation(fusion):
    vector, weights = call(fusion, {"tokens": TOKENS}, return_weights=True)
    hidden = affine_each(fusion.projections, TOKENS)
    expected, lengths = 0.0, [x.shape[1] for x in TOKENS]
    for i, x in enumerate(hidden):
        others = [j for j in range(3) if j != i]
        rest = np.concatenate([hidden[j] for j in others], axis=1)
        scores = dense(fusion.queries[i], x) @ dense(fusion.keys[i], rest).swapaxes(1, 2)
        attention = softmax(scores / np.sqrt(7))
        found = dense(fusion.outputs[i], attention @ dense(fusion.values[i], rest))
        expected = expected + (x + found).mean(axis=1) / 3
        first, second = np.split(attention, [lengths[others[0]]], axis=-1)
        np.testing.assert_allclose(weights[f"{i}_to_{others[0]}"][:, 0], first, atol=1e-4)
        np.testing.assert_allclose(weights[f"{i}_to_{others[1]}"][:, 0], second, atol=1e-4)
    np.testing.assert_allclose(vector, expected, atol=1e-4)


def test_padding_and_absent_modalities_have_no_weight(fusion):
    _, weights = call(fusion, EXAMPLE, return_weights=True)
    padding = ~EXAMPLE["masks"][0]
    for j in (1, 2):
        assert (weights[f"{j}_to_0"][:, 0].swapaxes(1, 2)[padding] == 0).all()
        assert (weights[f"0_to_{j}"][:, 0][padding] == 0).all()
    for i, j in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]:
        missing = ~(PRESENT[:, i] & PRESENT[:, j])
        assert (weights[f"{i}_to_{j}"][missing] == 0).all()
    np.testing.assert_allclose(weights["1_to_2"][1].sum(axis=-1), 1.0, atol=1e-5)


def test_a_modality_alone_is_its_own_mean_projection(fusion):
    alone = np.array([[True, False, False]] * 4)
    vector = call(fusion, {"tokens": TOKENS, "present": alone})
    np.testing.assert_allclose(vector, dense(fusion.projections[0], MEANS[0]), atol=1e-5)


def test_the_mean_runs_over_the_present_modalities(fusion):
    two = np.array([[True, True, False]] * 4)
    pair = call(fusion, {"tokens": TOKENS, "present": two})
    without_third = NonLocalGateFusion(dim=7)
    without_third.build([x.shape for x in TOKENS[:2]])
    for name in ("projections", "queries", "keys", "values", "outputs"):
        for mine, other in zip(getattr(without_third, name), getattr(fusion, name), strict=False):
            mine.set_weights(other.get_weights())
    np.testing.assert_allclose(pair, call(without_third, {"tokens": TOKENS[:2]}), atol=1e-5)
    assert (call(fusion, EXAMPLE)[3] == 0).all()


def test_the_order_of_tokens_plays_no_part(fusion):
    turned = [x[:, ::-1].copy() for x in TOKENS]
    vector = call(fusion, {"tokens": turned})
    np.testing.assert_allclose(vector, call(fusion, {"tokens": TOKENS}), atol=1e-5)


def test_number_of_weights():
    projections = sum((x.shape[1] + 1) * 7 for x in MEANS)
    expected = projections + 3 * 4 * (7 + 1) * 7
    assert number_of_weights(NonLocalGateFusion(dim=7)) == expected
