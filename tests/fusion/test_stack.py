import numpy as np
import pytest

from mmkeras.fusion.stack import StackFusion
from tests.fusion.pooled import PRESENT, TOKENS, affine_each, randomized
from tests.layer_checks import call


def test_each_modality_has_its_place_in_the_stack():
    fusion = randomized(StackFusion(dim=7))
    vector = call(fusion, {"tokens": TOKENS})
    stack = vector.reshape(4, 3, 7)
    for part, expected in zip(
        np.moveaxis(stack, 1, 0), affine_each(fusion.projections), strict=True
    ):
        np.testing.assert_allclose(part, expected, atol=1e-5)


def test_an_absent_modality_leaves_zeros_and_no_bias():
    fusion = randomized(StackFusion(dim=7))
    stack = call(fusion, {"tokens": TOKENS, "present": PRESENT}).reshape(4, 3, 7)
    assert (stack[~PRESENT] == 0).all()
    expected = call(fusion, {"tokens": TOKENS}).reshape(4, 3, 7)
    np.testing.assert_allclose(stack[PRESENT], expected[PRESENT], atol=1e-5)


def test_refuses_a_single_modality():
    with pytest.raises(ValueError, match="at least 2"):
        StackFusion()(TOKENS[:1])
