import numpy as np
import pytest

from mmkeras.fusion.modality_attention import ModalityAttentionFusion
from tests.fusion import by_hand
from tests.fusion.pooled import EQUAL, first_weights
from tests.fusion.standard import example
from tests.layer_checks import call, randomize

ARGUMENTS = example()


@pytest.fixture
def fusion():
    fusion = ModalityAttentionFusion(dim=4)
    fusion.build([x.shape for x in ARGUMENTS["tokens"]])
    return randomize(fusion)


def test_the_vector_follows_the_written_equations_over_the_present_modalities(fusion):
    vectors, weights = call(fusion, ARGUMENTS, return_weights=True)
    for row in (0, 1, 2):
        contents = {
            i: x.mean(axis=0)
            for i, x in enumerate(by_hand.rows_that_count(ARGUMENTS, row))
            if x is not None
        }
        d = np.stack([by_hand.dense(fusion.projections[i], c) for i, c in contents.items()])
        keys = np.stack([by_hand.dense(fusion.to_keys[i], c) for i, c in contents.items()])
        query = by_hand.dense(fusion.to_query, d.mean(axis=0))
        beta = by_hand.softmax(by_hand.dense(fusion.to_score, np.tanh(query + keys))[:, 0])
        np.testing.assert_allclose(weights[row, list(contents)], beta, atol=1e-5)
        np.testing.assert_allclose(vectors[row], beta @ d, atol=1e-5)


def test_absent_modalities_have_no_weight_and_a_row_without_any_gives_zeros(fusion):
    vectors, weights = call(fusion, ARGUMENTS, return_weights=True)
    assert (weights[~ARGUMENTS["present"]] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 1, 0], atol=1e-6)
    assert (vectors[3] == 0).all()


def test_a_modalitys_weight_depends_on_what_the_others_say(fusion):
    first, second, third = ARGUMENTS["tokens"]
    _, before = call(fusion, {"tokens": [first, second, third]}, return_weights=True)
    _, after = call(fusion, {"tokens": [first, second, third + 1]}, return_weights=True)
    ratios = before[:, 0] / before[:, 1], after[:, 0] / after[:, 1]
    assert np.abs(ratios[0] - ratios[1]).max() > 1e-3


def test_training_starts_with_equal_weights():
    np.testing.assert_allclose(first_weights(ModalityAttentionFusion(dim=4)), EQUAL, rtol=1e-6)


def test_has_as_many_weights_as_the_formula(fusion):
    projections = (3 + 1) * 4 + (2 + 1) * 4 + (6 + 1) * 4
    assert fusion.count_params() == 2 * projections + 4 * 4 + 4 == 132


def test_the_maximum_can_stand_for_a_modality():
    fusion = ModalityAttentionFusion(dim=4, pooling="mean_max")
    assert call(fusion, ARGUMENTS).shape == (4, 4)
    assert fusion.projections[0].kernel.shape == (6, 4)
