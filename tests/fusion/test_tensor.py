import numpy as np
import pytest

from mmkeras.fusion.tensor import TensorFusion
from tests.fusion.pooled import PRESENT, TOKENS, affine_each, randomized
from tests.fusion.standard import example
from tests.layer_checks import call


@pytest.fixture
def fusion():
    return randomized(TensorFusion(dim=4))


def with_one(x):
    return np.concatenate([x, np.ones((len(x), 1))], axis=-1)


def test_the_vector_is_the_flat_outer_product(fusion):
    factors = [with_one(x) for x in affine_each(fusion.projections)]
    expected = np.einsum("bi,bj,bk->bijk", *factors).reshape(4, 125)
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-4)


def test_the_tensor_contains_every_smaller_product(fusion):
    tensor = call(fusion, {"tokens": TOKENS}).reshape(4, 5, 5, 5)
    first, second, third = affine_each(fusion.projections)
    np.testing.assert_allclose(tensor[:, :4, 4, 4], first, atol=1e-5)
    np.testing.assert_allclose(tensor[:, 4, :4, 4], second, atol=1e-5)
    pair = first[:, :, None] * third[:, None]
    np.testing.assert_allclose(tensor[:, :4, 4, :4], pair, atol=1e-5)
    np.testing.assert_array_equal(tensor[:, 4, 4, 4], 1.0)


def test_of_an_absent_modality_only_the_constant_is_left(fusion):
    tensor = call(fusion, {"tokens": TOKENS, "present": PRESENT}).reshape(4, 5, 5, 5)
    full = call(fusion, {"tokens": TOKENS}).reshape(4, 5, 5, 5)
    assert (tensor[1, :4] == 0).all()
    np.testing.assert_allclose(tensor[1, 4], full[1, 4], atol=1e-5)
    assert (tensor[2, :, :4] == 0).all()
    np.testing.assert_allclose(tensor[2, :, 4], full[2, :, 4], atol=1e-5)
    assert (tensor[3] == 0).all()


@pytest.mark.parametrize(("modalities", "width"), [(2, 32), (3, 20), (4, 9), (5, 5)])
def test_the_default_width_keeps_the_tensor_affordable(modalities, width):
    vector = call(TensorFusion(), {"tokens": example(modalities)["tokens"]})
    assert vector.shape[1] == (width + 1) ** modalities <= 10_000


def test_refuses_a_tensor_that_is_too_large():
    tokens = example(5)["tokens"]
    with pytest.raises(ValueError, match=r"\(11 \+ 1\)\^5 = 248,832 numbers.*LowRankFusion"):
        TensorFusion(dim=11)(tokens)
    assert TensorFusion(dim=10)(tokens).shape == (4, 11**5)
