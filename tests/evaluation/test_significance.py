import numpy as np
import pytest

from mmkeras.evaluation.significance import mcnemar, paired_bootstrap


def test_mcnemar_is_the_binomial_test_on_the_rows_that_one_model_gets_right():
    # 9 rows only the first gets right, 1 only the second, 40 both: 2 (C(10,0) + C(10,1)) / 2^10.
    first = np.array([True] * 9 + [False] + [True] * 40)
    second = np.array([False] * 9 + [True] + [True] * 40)
    assert mcnemar(first, second) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(second, first) == mcnemar(first, second)
    assert mcnemar(first, first) == 1.0


def test_the_bootstrap_interval_is_that_of_the_normal_theory_on_many_rows():
    random = np.random.default_rng(0)
    difference = random.normal(0.1, 1.0, 2000)
    mean, low, high = paired_bootstrap(difference, np.zeros(2000))
    half = 1.96 * difference.std() / np.sqrt(2000)
    assert mean == pytest.approx(difference.mean())
    np.testing.assert_allclose([low, high], [mean - half, mean + half], atol=0.005)


def test_rows_of_one_group_count_as_little_more_than_one_row():
    random = np.random.default_rng(1)
    by_group = random.normal(0.0, 1.0, 30)
    groups = np.repeat(np.arange(30), 20)
    scores = by_group[groups]
    _, low, high = paired_bootstrap(scores, np.zeros(600))
    _, group_low, group_high = paired_bootstrap(scores, np.zeros(600), groups=groups)
    assert (group_high - group_low) == pytest.approx((high - low) * np.sqrt(20), rel=0.2)


def test_the_same_seed_draws_the_same():
    scores = np.random.default_rng(2).random(50)
    assert paired_bootstrap(scores, scores[::-1], seed=3) == paired_bootstrap(
        scores, scores[::-1], seed=3
    )


def test_scores_of_other_rows_are_refused():
    with pytest.raises(ValueError, match=r"same rows.*\(3,\) and \(2,\)"):
        mcnemar(np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(ValueError, match="2 names for 3 rows"):
        paired_bootstrap(np.ones(3), np.zeros(3), groups=np.array(["a", "b"]))
