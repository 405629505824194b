import numpy as np
import pytest

from mmkeras.fusion.self_attention import SelfAttentionFusion
from tests.fusion import by_hand
from tests.fusion.standard import example
from tests.layer_checks import call, randomize, to_numpy

ARGUMENTS = example()


@pytest.fixture
def fusion():
    fusion = SelfAttentionFusion(dim=8, num_heads=2, num_layers=2, ff_dim=6)
    fusion.build([x.shape for x in ARGUMENTS["tokens"]])
    return randomize(fusion)


def test_the_vector_is_the_mean_over_the_tokens_that_count(fusion):
    vectors = call(fusion, ARGUMENTS)
    embeddings = to_numpy(fusion.joint.embeddings)
    for row in (0, 1, 2):
        tokens = [
            by_hand.dense(fusion.joint.projections[i], x) + embeddings[i]
            for i, x in enumerate(by_hand.rows_that_count(ARGUMENTS, row))
            if x is not None
        ]
        expected = by_hand.transformer(fusion.transformer, np.concatenate(tokens)).mean(axis=0)
        np.testing.assert_allclose(vectors[row], expected, rtol=1e-3, atol=1e-3)


def test_a_row_without_any_modality_gives_zeros(fusion):
    assert (call(fusion, ARGUMENTS)[3] == 0).all()


def test_the_order_of_a_modalitys_tokens_does_not_matter(fusion):
    tokens = ARGUMENTS["tokens"]
    vector = call(fusion, {"tokens": tokens})
    for index in (0, 2):
        shuffled = [x[:, ::-1] if i == index else x for i, x in enumerate(tokens)]
        np.testing.assert_allclose(call(fusion, {"tokens": shuffled}), vector, atol=1e-4)


def test_a_token_says_something_else_in_another_modality():
    random = np.random.default_rng(0)
    tokens = [random.standard_normal((4, 2, 3), "float32") for _ in range(2)]
    fusion = SelfAttentionFusion(dim=8, num_heads=2)
    fusion.build([x.shape for x in tokens])
    fusion.joint.projections[1].set_weights(fusion.joint.projections[0].get_weights())
    fusion.joint.embeddings.assign(np.zeros((2, 8)))
    alike = call(fusion, {"tokens": tokens})
    np.testing.assert_allclose(call(fusion, {"tokens": tokens[::-1]}), alike, atol=1e-5)
    fusion.joint.embeddings.assign(random.standard_normal((2, 8)))
    marked = call(fusion, {"tokens": tokens})
    assert np.abs(call(fusion, {"tokens": tokens[::-1]}) - marked).max() > 1e-3


def test_has_as_many_weights_as_the_formula(fusion):
    projections = (3 + 1) * 8 + (2 + 1) * 8 + (6 + 1) * 8
    expected = projections + 3 * 8 + by_hand.transformer_weights(8, 6, 2)
    assert fusion.count_params() == expected == 1012


def test_refuses_a_width_that_the_heads_cannot_share():
    with pytest.raises(ValueError, match=r"dim=10 and num_heads=4"):
        SelfAttentionFusion(dim=10, num_heads=4)
