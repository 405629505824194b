import numpy as np
import pytest

from mmkeras.fusion import ConcatFusion
from tests.layer_checks import call, check_absent_modality, check_layer, check_more_padding

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(4, 5, 3), (4, 1, 2), (4, 3, 6)]]
MASKS = [np.arange(5) < np.array([[5], [2], [1], [3]]), None, None]
PRESENT = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
ARGUMENTS = {"tokens": TOKENS, "masks": MASKS, "present": PRESENT}


@pytest.mark.parametrize(("pooling", "dim"), [("mean", 11), ("max", 11), ("mean_max", 22)])
def test_concat_fusion(pooling, dim, tmp_path):
    check_layer(lambda: ConcatFusion(pooling), ARGUMENTS, (4, dim), tmp_path)


@pytest.mark.parametrize("pooling", ["mean", "max", "mean_max"])
def test_absent_modalities_and_padding_do_not_matter(pooling):
    check_absent_modality(ConcatFusion(pooling), TOKENS, MASKS)
    check_more_padding(ConcatFusion(pooling), TOKENS, MASKS)


def test_the_vector_is_the_pooled_modalities_side_by_side():
    outputs = call(ConcatFusion(), {"tokens": TOKENS})
    expected = np.concatenate([x.mean(axis=1) for x in TOKENS], axis=-1)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_an_absent_modality_is_zeros():
    outputs = call(ConcatFusion(), ARGUMENTS)
    assert (outputs[1, :3] == 0).all()
    assert (outputs[1, 3:] != 0).all()
    assert (outputs[3] == 0).all()


def test_one_modality_is_pooled():
    assert call(ConcatFusion(), {"tokens": TOKENS[:1]}).shape == (4, 3)


def test_refuses_what_is_no_list_of_tokens():
    with pytest.raises(ValueError, match=r"list of tokens.*Received: one tensor of shape"):
        ConcatFusion()(TOKENS[0])
    with pytest.raises(ValueError, match=r"Received: shape \(4, 2\) from modality 1.*expand_dims"):
        ConcatFusion()([TOKENS[0], TOKENS[1][:, 0]])
    with pytest.raises(ValueError, match="`pooling`"):
        ConcatFusion("median")
