import numpy as np
import pytest

from mmkeras.fusion.low_rank import LowRankFusion
from mmkeras.fusion.tensor import TensorFusion
from tests.fusion.pooled import (
    MEANS,
    PRESENT,
    TOKENS,
    accuracy_where_one_decides,
    number_of_weights,
    randomized,
)
from tests.layer_checks import call

PAIRS = [np.random.default_rng(i).standard_normal((4, 3, 2), "float32") for i in range(3)]


def test_the_vector_follows_the_written_equation():
    fusion = randomized(LowRankFusion(dim=7, rank=2))
    factors = [np.asarray(w).reshape(-1, 2, 7) for w in fusion.factors]
    ones = np.ones((4, 1))
    terms = [
        np.einsum("bi,irk->brk", np.concatenate([x, ones], axis=-1), w)
        for x, w in zip(MEANS, factors, strict=True)
    ]
    expected = np.prod(terms, axis=0).sum(axis=1) + np.asarray(fusion.bias)
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-4)


@pytest.mark.parametrize("present", [None, PRESENT])
def test_at_full_rank_it_equals_tensor_fusion_and_a_dense_layer(present):
    # Any tensor is a sum of one outer product for each pair (i, j) of places in its first two
    # axes: that of the unit vectors i and j and of the fibre that stands there.
    outputs = 5
    dense = np.random.default_rng(0).normal(size=(3, 3, 3, outputs))
    units = np.eye(3)
    first = np.repeat(units, 3, axis=1)[:, :, None] * np.ones(outputs)
    second = np.tile(units, 3)[:, :, None] * np.ones(outputs)
    third = dense.reshape(9, 3, outputs).swapaxes(0, 1)
    fusion = LowRankFusion(dim=outputs, rank=9)
    fusion.build([x.shape for x in PAIRS])
    fusion.set_weights([w.reshape(3, 9 * outputs) for w in (first, second, third)] + [np.ones(5)])

    tensor = TensorFusion(dim=2)
    tensor.build([x.shape for x in PAIRS])
    for projection in tensor.projections:
        projection.set_weights([np.eye(2), np.zeros(2)])
    arguments = {"tokens": PAIRS, "present": present}
    expected = call(tensor, arguments) @ dense.reshape(27, outputs) + 1.0
    if present is not None:
        expected[3] = 0.0
    np.testing.assert_allclose(call(fusion, arguments), expected, atol=1e-5)


def test_number_of_weights():
    expected = 4 * 7 * sum(x.shape[1] + 1 for x in MEANS) + 7
    assert number_of_weights(LowRankFusion(dim=7, rank=4)) == expected


def test_refuses_a_rank_of_zero():
    with pytest.raises(ValueError, match=r"`rank` must be 1 or more. Received: 0"):
        LowRankFusion(rank=0)


def test_a_product_of_three_learns_what_one_modality_decides_alone():
    # Where the factors begin near zero: 0.5.
    assert accuracy_where_one_decides(LowRankFusion(dim=32)) > 0.62
