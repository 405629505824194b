import numpy as np
import pytest

from mmkeras.fusion.elementwise import ElementwiseFusion
from tests.fusion.pooled import (
    MEANS,
    PRESENT,
    TOKENS,
    accuracy_where_one_decides,
    affine_each,
    number_of_weights,
    randomized,
)
from tests.layer_checks import call

RULES = {
    "product": lambda vectors: np.prod(np.tanh(vectors), axis=0),
    "max": lambda vectors: np.max(vectors, axis=0),
    "mean": lambda vectors: np.mean(vectors, axis=0),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_vector_follows_the_written_equation(rule):
    fusion = randomized(ElementwiseFusion(rule, dim=7))
    expected = RULES[rule](affine_each(fusion.projections))
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_absent_modalities_are_left_out(rule):
    fusion = randomized(ElementwiseFusion(rule, dim=7))
    vector = call(fusion, {"tokens": TOKENS, "present": PRESENT})
    projected = np.stack(affine_each(fusion.projections), axis=1)
    for row in range(3):
        expected = RULES[rule](projected[row, PRESENT[row]])
        np.testing.assert_allclose(vector[row], expected, atol=1e-5)
    assert (vector[3] == 0).all()


def test_a_single_modality_is_handed_through_by_maximum_even_if_negative():
    fusion = ElementwiseFusion("max", dim=7)
    fusion.build([x.shape for x in TOKENS])
    fusion.projections[0].bias.assign(np.full(7, -100.0))
    only_first = np.array([[True, False, False]] * 4)
    vector = call(fusion, {"tokens": TOKENS, "present": only_first})
    np.testing.assert_allclose(vector, affine_each(fusion.projections)[0], rtol=1e-5)
    assert (vector < -50).all()


def test_number_of_weights():
    expected = sum((x.shape[1] + 1) * 7 for x in MEANS)
    assert number_of_weights(ElementwiseFusion("product", dim=7)) == expected


def test_refuses_an_unknown_rule():
    with pytest.raises(ValueError, match=r"`rule` must be one of.*Received: 'sum'"):
        ElementwiseFusion("sum")


def test_a_product_of_three_learns_what_one_modality_decides_alone():
    # Where the factors begin near zero: 0.5.
    assert accuracy_where_one_decides(ElementwiseFusion("product", dim=32)) > 0.62
