import numpy as np
import pytest

from mmkeras.evaluation.information import decompose, pointwise_information

COIN = np.array([0.5, 0.5])


def bits(probability_of_the_truth):
    """A model's bits on rows of a fair coin."""
    p = np.asarray(probability_of_the_truth, float)
    outputs = np.stack([p, 1 - p], axis=1)
    targets = np.tile([1.0, 0.0], (len(p), 1))
    return pointwise_information(targets, outputs, COIN)


def test_bits_are_what_the_answer_says_beyond_the_classes_frequencies():
    np.testing.assert_allclose(bits([1.0, 0.5, 0.25]), [1.0, 0.0, -1.0])
    rare = pointwise_information(np.array([[0, 1.0]]), np.array([[0.5, 0.5]]), [0.9, 0.1])
    assert rare[0] == pytest.approx(np.log2(5))


def test_their_mean_is_the_entropy_less_the_log_loss():
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(4), 500)
    labels = rng.integers(0, 4, 500)
    prior = np.full(4, 0.25)
    loss = -np.log2(outputs[np.arange(500), labels]).mean()
    found = pointwise_information(np.eye(4)[labels], outputs, prior).mean()
    assert found == pytest.approx(2.0 - loss)


def test_copies_are_redundant():
    sure = bits(np.ones(4))
    found = decompose(sure, sure, sure)
    assert found.redundancy == pytest.approx(1.0)
    assert found.unique == pytest.approx((0.0, 0.0))
    assert found.synergy == pytest.approx(0.0)


def test_what_one_says_and_the_other_does_not_is_unique():
    found = decompose(bits(np.ones(4)), bits(np.full(4, 0.5)), bits(np.ones(4)))
    assert found.redundancy == pytest.approx(0.0)
    assert found.unique == pytest.approx((1.0, 0.0))


def test_xor_is_synergy():
    nothing = bits(np.full(4, 0.5))
    assert decompose(nothing, nothing, bits(np.ones(4))).synergy == pytest.approx(1.0)


def test_two_modalities_that_say_one_bit_each_share_nothing():
    # Four classes; the first says which half, the second which of each half. The smaller of the
    # two, which is one bit, would be called shared by a plain minimum.
    one_bit, two_bits = np.ones(4), np.full(4, 2.0)
    found = decompose(one_bit, one_bit, two_bits)
    assert found.redundancy == 0.0
    assert found.unique == (1.0, 1.0)
    assert found.synergy == 0.0


def test_the_parts_add_up_to_what_both_say():
    rng = np.random.default_rng(1)
    first, second, both = rng.normal(0.5, 1, (3, 200))
    found = decompose(first, second, both)
    total = found.redundancy + sum(found.unique) + found.synergy
    assert total == pytest.approx(both.mean())


def test_rows_that_differ_in_number_are_refused():
    with pytest.raises(ValueError, match="same rows"):
        decompose(np.ones(3), np.ones(4), np.ones(3))
