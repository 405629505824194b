import numpy as np
import pytest

from mmkeras.fusion.perceiver import PerceiverFusion
from tests.fusion import by_hand
from tests.fusion.standard import example
from tests.layer_checks import call, randomize, to_numpy

ARGUMENTS = example()


@pytest.fixture
def fusion():
    fusion = PerceiverFusion(dim=8, num_latents=3, num_heads=2, num_layers=2, ff_dim=6)
    fusion.build([x.shape for x in ARGUMENTS["tokens"]])
    return randomize(fusion)


def test_latents_read_the_tokens_that_count_and_then_each_other(fusion):
    vectors, weights = call(fusion, ARGUMENTS, return_weights=True)
    embeddings = to_numpy(fusion.joint.embeddings)
    for row in range(4):
        rows = by_hand.rows_that_count(ARGUMENTS, row)
        tokens = [
            by_hand.dense(fusion.joint.projections[i], x) + embeddings[i]
            for i, x in enumerate(rows)
            if x is not None
        ]
        x = to_numpy(fusion.latents)
        for reader, thinker in zip(fusion.readers, fusion.thinkers, strict=True):
            x, shares = by_hand.cross_layer(reader, x, np.concatenate(tokens) if tokens else None)
            x = by_hand.transformer(thinker, x)
        np.testing.assert_allclose(vectors[row], x.mean(axis=0), rtol=1e-3, atol=1e-3)
        start = 0
        for index, tokens in enumerate(rows):
            if tokens is None:
                assert weights[row, index] == 0
                continue
            share = shares[..., start : start + len(tokens)].sum(axis=-1).mean()
            np.testing.assert_allclose(weights[row, index], share, atol=1e-4)
            start += len(tokens)


def test_weights_add_up_to_one_over_the_present_modalities(fusion):
    _, weights = call(fusion, ARGUMENTS, return_weights=True)
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 1, 0], atol=1e-5)


def test_the_order_of_a_modalitys_tokens_does_not_matter(fusion):
    tokens = ARGUMENTS["tokens"]
    shuffled = [x[:, ::-1] for x in tokens]
    np.testing.assert_allclose(
        call(fusion, {"tokens": shuffled}), call(fusion, {"tokens": tokens}), atol=1e-4
    )


def test_has_as_many_weights_as_the_formula(fusion):
    joint = (3 + 1) * 8 + (2 + 1) * 8 + (6 + 1) * 8 + 3 * 8
    reader = 4 * (8 * 8 + 8) + (8 * 6 + 6) + (6 * 8 + 8) + 3 * 2 * 8
    expected = joint + 3 * 8 + 2 * (reader + by_hand.transformer_weights(8, 6, 1))
    assert fusion.count_params() == expected == 1944


def test_refuses_to_read_nothing():
    with pytest.raises(ValueError, match=r"`num_layers` must be at least 1.*Received: 0"):
        PerceiverFusion(num_layers=0)
