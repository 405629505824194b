import numpy as np
import pytest

from mmkeras.fusion.simbamm import SimBaMMFusion
from tests.fusion import by_hand
from tests.fusion.standard import example
from tests.layer_checks import call, randomize, to_numpy

ARGUMENTS = example()


@pytest.fixture
def fusion():
    fusion = SimBaMMFusion(dim=8, num_heads=2, num_layers=2, ff_dim=6)
    fusion.build([x.shape for x in ARGUMENTS["tokens"]])
    return randomize(fusion)


def test_the_vector_is_what_the_class_token_becomes_among_the_tokens_that_count(fusion):
    vectors = call(fusion, ARGUMENTS)
    embeddings = to_numpy(fusion.joint.embeddings)
    for row, vector in enumerate(vectors):
        tokens = [to_numpy(fusion.class_token)] + [
            by_hand.dense(fusion.joint.projections[i], x) + embeddings[i]
            for i, x in enumerate(by_hand.rows_that_count(ARGUMENTS, row))
            if x is not None
        ]
        expected = by_hand.transformer(fusion.transformer, np.concatenate(tokens))[0]
        np.testing.assert_allclose(vector, expected, rtol=1e-3, atol=1e-3)


def test_has_as_many_weights_as_the_formula(fusion):
    projections = (3 + 1) * 8 + (2 + 1) * 8 + (6 + 1) * 8
    embeddings, class_token = 3 * 8, 8
    expected = projections + embeddings + class_token + by_hand.transformer_weights(8, 6, 2)
    assert fusion.count_params() == expected == 1020


def test_the_order_of_a_modalitys_tokens_does_not_matter_but_their_modality_does(fusion):
    first, second, third = (x[:, :1, :2] for x in ARGUMENTS["tokens"])
    same = SimBaMMFusion(dim=8, num_heads=2)
    long = np.concatenate([first, third], axis=1)
    vector = call(same, {"tokens": [long, second]})
    np.testing.assert_allclose(call(same, {"tokens": [long[:, ::-1], second]}), vector, atol=1e-5)
    swapped = call(same, {"tokens": [np.concatenate([second, third], axis=1), first]})
    assert np.abs(swapped - vector).max() > 1e-3


def test_refuses_a_width_that_the_heads_cannot_share():
    with pytest.raises(ValueError, match=r"dim=10 and num_heads=4"):
        SimBaMMFusion(dim=10, num_heads=4)


def test_refuses_a_single_modality():
    with pytest.raises(ValueError, match=r"SimBaMMFusion relates at least 2"):
        SimBaMMFusion().build([(None, 5, 3)])
