import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from mmkeras.evaluation.bootstrap import ratio_interval
from mmkeras.evaluation.significance import (
    bootstrap_interval,
    compare_paired,
    corrected_resampled_t_test,
    holm,
    mcnemar,
    paired_bootstrap,
)


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


def test_a_ratio_is_of_the_same_rows_in_each_draw():
    random = np.random.default_rng(0)
    chance = 1 / random.integers(2, 7, 400)
    # Twice as good as chance on each row, whichever rows are drawn.
    assert ratio_interval(2 * chance, chance) == pytest.approx((2, 2, 2))
    right = random.random((3, 400)) < 2 * chance
    ratio, low, high = ratio_interval(right, chance, groups=np.arange(400) // 2)
    assert ratio == pytest.approx(right.mean() / chance.mean())
    _, alone_low, alone_high = bootstrap_interval(right, groups=np.arange(400) // 2)
    # Rows that are easy by chance are right more often: the ratio varies less than both apart.
    assert low < ratio < high and (high - low) * chance.mean() < 1.1 * (alone_high - alone_low)
    with pytest.raises(ValueError, match=r"above 0 in each row\. Received: 0"):
        ratio_interval(right, np.zeros(400))


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
    with pytest.raises(ValueError, match=r"same rows.*\(2, 3\) and \(4,\)"):
        compare_paired(np.ones((2, 3)), np.zeros(4))
    with pytest.raises(ValueError, match="finite"):
        bootstrap_interval(np.array([1.0, np.nan]))


def test_the_p_value_is_that_of_the_normal_theory_and_the_same_from_either_side():
    random = np.random.default_rng(3)
    difference = random.normal(0.04, 1.0, 2000)
    result = compare_paired(difference, np.zeros(2000))
    z = difference.mean() / (difference.std() / np.sqrt(2000))
    assert result.p_value == pytest.approx(2 * norm.sf(abs(z)), abs=0.015)
    assert compare_paired(np.zeros(2000), difference).p_value == result.p_value


def test_the_p_value_is_never_0_and_1_for_equal_models():
    random = np.random.default_rng(4)
    scores = random.random(40)
    assert compare_paired(scores + 1, scores, draws=199).p_value == 2 / 200
    assert compare_paired(scores, scores, draws=199).p_value == 1.0


def test_an_interval_over_seeds_is_that_of_drawing_them_anew_for_each_model():
    # No row differs from another, so that only the seeds vary. The first model's mean of two seeds
    # drawn from {0, 1} is 0, 1/2, 1 with chance 1/4, 1/2, 1/4; so is the second's, apart from it.
    # Their difference is <= -1 with 1/16, <= -1/2 with 5/16, <= 0 with 11/16: p = 1 and the
    # interval is the whole. Were the seeds paired, it would always be 0.
    scores = np.array([[0.0] * 6, [1.0] * 6])
    result = compare_paired(scores, scores)
    assert (result.difference, result.low, result.high) == (0.0, -1.0, 1.0)
    # Against a model that always gets 0.25 the difference is -1/4, 1/4, 3/4: p = 2 * 1/4.
    result = compare_paired(scores, np.full((3, 6), 0.25))
    assert (result.low, result.high) == (-0.25, 0.75)
    assert result.p_value == pytest.approx(0.5, abs=0.02)


def test_the_variances_over_seeds_and_rows_add_up():
    random = np.random.default_rng(5)
    rows, seeds = 400, 8
    scores = random.normal(0, 1.0, (1, rows)) + random.normal(0, 0.1, (seeds, 1))
    mean, low, high = bootstrap_interval(scores)
    variance = scores.mean(0).var() / rows + scores.mean(1).var() / seeds
    assert mean == pytest.approx(scores.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(variance), rel=0.05)
    _, low, high = bootstrap_interval(scores.mean(0))
    assert (high - low) / 2 == pytest.approx(1.96 * scores.mean(0).std() / np.sqrt(rows), rel=0.05)


def test_one_seed_is_no_seed_and_rows_with_equal_scores_are_drawn_like_others():
    random = np.random.default_rng(6)
    right = random.random((2, 3000)) < [[0.8], [0.75]]
    result = compare_paired(right[0], right[1])
    assert compare_paired(right[:1], right[1:]) == result
    # Noise too small to matter makes every row unlike the others, and takes the other way.
    noise = random.normal(0, 1e-9, (2, 3000))
    other = compare_paired(right[0] + noise[0], right[1] + noise[1])
    np.testing.assert_allclose([other.low, other.high], [result.low, result.high], atol=0.002)


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04 -> 0.06.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    assert holm([0.2]).tolist() == [0.2] and holm([]).tolist() == []


def test_holm_keeps_the_order_and_never_lowers_a_p_value():
    p_values = np.random.default_rng(7).random(35) ** 3
    adjusted = holm(p_values)
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()
    assert (adjusted >= p_values).all() and adjusted.max() <= 1
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.1, np.nan])


def test_without_shared_rows_the_resampled_t_test_is_the_plain_one():
    differences = np.random.default_rng(0).normal(0.02, 0.03, 10)
    plain = ttest_1samp(differences, 0.0)
    mean, low, high, p = corrected_resampled_t_test(differences, test_share=0.0)
    assert mean == pytest.approx(differences.mean())
    assert p == pytest.approx(plain.pvalue)
    np.testing.assert_allclose([low, high], plain.confidence_interval())


def test_the_correction_widens_the_interval_by_the_shared_rows():
    differences = [0.01, 0.04, 0.02, 0.03, 0.05]
    mean, low, high, p = corrected_resampled_t_test(differences, test_share=0.25)
    _, plain_low, plain_high, plain_p = corrected_resampled_t_test(differences, test_share=0.0)
    assert (high - low) == pytest.approx((plain_high - plain_low) * np.sqrt((0.2 + 0.25) / 0.2))
    assert p > plain_p
    # t = 0.03 / sqrt((1/5 + 1/4) 0.00025)
    assert (high - mean) / 2.776 == pytest.approx(np.sqrt(0.45 * 0.00025), rel=1e-3)


def test_one_difference_has_no_t_test_and_equal_ones_are_no_doubt():
    with pytest.raises(ValueError, match="two differences"):
        corrected_resampled_t_test([0.1], 0.25)
    assert corrected_resampled_t_test([0.0, 0.0], 0.25)[3] == 1.0
    assert corrected_resampled_t_test([0.1, 0.1], 0.25)[3] == 0.0
