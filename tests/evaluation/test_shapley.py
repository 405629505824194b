import itertools
import math

import numpy as np
import pytest

from mmkeras.evaluation.shapley import interaction, shapley_values, subsets

NAMES = ("image", "sound", "text")


def random_worth(seed):
    rng = np.random.default_rng(seed)
    return {subset: float(rng.random()) for subset in subsets(NAMES)}


def test_subsets_are_all_but_the_empty_one_smaller_first():
    found = list(subsets(NAMES))
    assert len(found) == 7
    assert found[0] == ("image",) and found[-1] == NAMES
    assert [len(subset) for subset in found] == sorted(len(subset) for subset in found)


@pytest.mark.parametrize("seed", range(3))
def test_values_are_the_mean_gain_over_all_orders_of_arrival(seed):
    worth = random_worth(seed) | {(): 0.1}
    totals = dict.fromkeys(NAMES, 0.0)
    for order in itertools.permutations(NAMES):
        here = ()
        for name in order:
            joined = tuple(n for n in NAMES if n in here or n == name)
            totals[name] += (worth[joined] - worth[here]) / math.factorial(3)
            here = joined
    found = shapley_values(NAMES, random_worth(seed), 0.1)
    assert found == pytest.approx(totals)
    assert sum(found.values()) == pytest.approx(worth[NAMES] - 0.1)


def test_a_modality_that_adds_nothing_gets_nothing_and_equals_get_the_same():
    worth = {s: 1.0 if {"image", "sound"} & set(s) else 0.0 for s in subsets(NAMES)}
    found = shapley_values(NAMES, worth)
    assert found == pytest.approx({"image": 0.5, "sound": 0.5, "text": 0.0})


def test_arrays_give_the_values_of_each_row():
    both = {("a",): np.array([1.0, 0.0]), ("b",): np.array([0.0, 0.0])}
    both["a", "b"] = np.array([1.0, 1.0])
    found = shapley_values(("a", "b"), both)
    np.testing.assert_allclose(found["a"], [1.0, 0.5])
    np.testing.assert_allclose(found["b"], [0.0, 0.5])


def test_interaction_is_positive_for_xor_negative_for_copies_and_zero_for_a_sum():
    def of(first, second, both):
        worth = {("a",): first, ("b",): second, ("a", "b"): both}
        return interaction("a", "b", ("a", "b"), worth, 0.5)

    assert of(0.5, 0.5, 1.0) == pytest.approx(0.5)
    assert of(1.0, 1.0, 1.0) == pytest.approx(-0.5)
    assert of(0.6, 0.7, 0.8) == pytest.approx(0.0)


def test_interaction_of_three_averages_over_what_else_is_there():
    worth = random_worth(5) | {(): 0.0}
    alone = worth["image", "text"] - worth["image",] - worth["text",]
    beside = worth[NAMES] - worth["image", "sound"] - worth["sound", "text"] + worth["sound",]
    found = interaction("image", "text", NAMES, random_worth(5))
    assert found == pytest.approx((alone + beside) / 2)


def test_a_subset_without_a_value_is_named():
    with pytest.raises(ValueError, match=r"Missing: \[\('b',\)\]"):
        shapley_values(("a", "b"), {("a",): 1.0, ("a", "b"): 1.0})
