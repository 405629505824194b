import numpy as np
import pytest

from mmkeras.fusion import LateFusion
from tests.layer_checks import call, check_absent_modality, check_layer, check_more_padding

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(4, 5, 3), (4, 1, 2), (4, 3, 6)]]
MASKS = [np.arange(5) < np.array([[5], [2], [1], [3]]), None, None]
PRESENT = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
ARGUMENTS = {"tokens": TOKENS, "masks": MASKS, "present": PRESENT}


@pytest.mark.parametrize("pooling", ["mean", "flatten"])
def test_late_fusion(pooling, tmp_path):
    check_layer(lambda: LateFusion(7, pooling), ARGUMENTS, (4, 7), tmp_path)


@pytest.mark.parametrize("pooling", ["mean", "flatten"])
def test_absent_modalities_do_not_matter(pooling):
    check_absent_modality(LateFusion(7, pooling), TOKENS, MASKS)


def test_padding_does_not_matter():
    check_more_padding(LateFusion(7), TOKENS, MASKS)


@pytest.mark.parametrize("pooling", ["mean", "flatten"])
def test_the_logits_are_the_sum_of_each_modalitys_own(pooling):
    fusion = LateFusion(7, pooling)
    fused, logits = call(fusion, {"tokens": TOKENS}, return_weights=True)
    expected = []
    for x, expert in zip(TOKENS, fusion.experts, strict=True):
        kernel, bias = (np.asarray(w) for w in expert.get_weights())
        pooled = x.reshape(4, -1) if pooling == "flatten" else x.mean(axis=1)
        expected.append(pooled @ kernel + bias)
    np.testing.assert_allclose(logits, np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(fused, np.sum(expected, axis=0), atol=1e-5)


def test_its_softmax_is_the_product_of_experts():
    fused, logits = call(LateFusion(7), {"tokens": TOKENS}, return_weights=True)

    def softmax(x):
        exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    product = softmax(logits).prod(axis=1)
    np.testing.assert_allclose(softmax(fused), product / product.sum(-1, keepdims=True), atol=1e-5)


def test_an_absent_modality_adds_nothing():
    fused, logits = call(LateFusion(7), ARGUMENTS, return_weights=True)
    assert (logits[1, 0] == 0).all() and (logits[2, 1] == 0).all()
    assert (fused[3] == 0).all()
