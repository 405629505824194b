import numpy as np
import pytest
from keras import ops

from mmkeras.fusion.parts.pooling import clear_absent, masked_max, masked_mean, pool
from tests.layer_checks import to_numpy

TOKENS = np.array([[[1.0, -5.0], [3.0, -1.0], [9.0, -9.0]]] * 2, "float32")
MASK = np.array([[True, True, False], [False, False, False]])


def test_masked_mean_and_max_count_only_what_the_mask_keeps():
    assert to_numpy(masked_mean(TOKENS, MASK))[0].tolist() == [2.0, -3.0]
    assert to_numpy(masked_max(TOKENS, MASK))[0].tolist() == [3.0, -1.0]


def test_a_row_without_tokens_pools_to_zeros():
    assert to_numpy(pool(TOKENS, MASK, "mean_max"))[1].tolist() == [0.0] * 4


def test_without_a_mask_all_tokens_count():
    np.testing.assert_allclose(to_numpy(masked_mean(TOKENS)), TOKENS.mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(to_numpy(masked_max(TOKENS)), TOKENS.max(axis=1))


def test_nan_in_padding_does_not_reach_the_pooled_vector():
    tokens = np.where(MASK[..., None], TOKENS, np.nan)
    for pooled in (masked_mean(tokens, MASK), masked_max(tokens, MASK)):
        assert np.isfinite(to_numpy(pooled)).all()


def test_the_mean_of_a_large_float16_map_does_not_overflow():
    tokens = ops.full((1, 3000, 1), 60.0, dtype="float16")
    pooled = to_numpy(masked_mean(tokens, np.ones((1, 3000), bool)))
    assert pooled.dtype == "float16"
    assert pooled[0, 0] == 60.0


def test_clear_absent_checks_the_number_of_masks_and_modalities():
    with pytest.raises(ValueError, match="1 for 2 modalities"):
        clear_absent([TOKENS, TOKENS], [MASK], None)
    with pytest.raises(ValueError, match=r"\(batch, 2\)\. Received: shape \(2, 3\)"):
        clear_absent([TOKENS, TOKENS], None, np.ones((2, 3), bool))
