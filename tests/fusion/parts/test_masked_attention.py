import keras
import numpy as np
from keras import layers

from mmkeras.fusion.parts.masked_attention import attend, join_masks, modalities_there
from tests.fusion import by_hand
from tests.layer_checks import randomize, to_numpy, to_tensors

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal(shape, "float32") for shape in [(3, 2, 4), (3, 3, 4)]]
MASK = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)


def test_joined_masks_count_the_tokens_of_a_modality_without_a_mask():
    joined = to_numpy(join_masks(*to_tensors([TOKENS, [None, MASK]])))
    np.testing.assert_array_equal(joined, np.concatenate([np.ones((3, 2), bool), MASK], axis=1))


def test_modalities_are_there_that_have_a_token_that_counts():
    there = to_numpy(modalities_there(*to_tensors([TOKENS, [None, MASK]])))
    np.testing.assert_array_equal(there, [[True, True], [True, True], [True, False]])


def test_no_mask_at_all_stays_none():
    assert join_masks(TOKENS, [None, None]) is None
    assert modalities_there(TOKENS, [None, None]) is None


def test_attention_runs_over_the_keys_that_count_and_gives_zeros_without_any():
    attention = layers.MultiHeadAttention(2, 2)
    attention.build((None, None, 4), (None, None, 4))
    randomize(attention)
    queries, keys = (keras.ops.convert_to_tensor(x) for x in TOKENS)
    vectors, weights = to_numpy(attend(attention, queries, keys, to_tensors(MASK), True))
    for row in (0, 1):
        keys = TOKENS[1][row][MASK[row]]
        attended, shares = by_hand.attention(attention, TOKENS[0][row], keys)
        np.testing.assert_allclose(vectors[row], attended, atol=1e-5)
        np.testing.assert_allclose(weights[row][..., MASK[row]], shares, atol=1e-5)
        assert (weights[row][..., ~MASK[row]] == 0).all()
    assert (vectors[2] == 0).all()
    assert (weights[2] == 0).all()
