import numpy as np
import pytest

from mmkeras.evaluation.robustness import effective_robustness, normalised, relative_robustness


def test_relative_robustness_by_hand():
    # Trapezoids of width 1/5: (0.9 + 0.8) / 2 + (0.8 + 0.8) / 2 + 0.7 + 0.55 + 0.4 = 3.3, a fifth.
    scores = [0.9, 0.8, 0.8, 0.6, 0.5, 0.3]
    assert relative_robustness(scores) == pytest.approx(0.66)
    # Width 1 to the second level, then 3.
    assert relative_robustness([0.9, 0.7, 0.1], levels=[0, 1, 4]) == pytest.approx(0.8 + 1.2)


def test_a_model_that_never_falls_keeps_its_clean_score_at_any_number_of_levels():
    for number in (2, 6, 11):
        assert relative_robustness(np.full(number, 0.83)) == pytest.approx(0.83)


def test_with_eleven_scores_it_is_multibench_s_sum_in_steps_of_a_tenth():
    scores = np.random.default_rng(0).random(11)
    steps = sum((scores[i] + scores[i + 1]) * 0.1 / 2 for i in range(10))
    assert relative_robustness(scores) == pytest.approx(steps)
    # Of nine scores MultiBench takes the area up to level 0.8.
    steps = sum((scores[i] + scores[i + 1]) * 0.1 / 2 for i in range(8))
    assert relative_robustness(scores[:9], np.arange(9) / 10) == pytest.approx(steps)


def test_effective_robustness_by_hand():
    # Late fusion, lifted by 0.1, would keep 0.9, 0.7, 0.5; the model keeps 0.9, 0.8, 0.4.
    assert effective_robustness([0.9, 0.8, 0.4], [0.8, 0.6, 0.4]) == pytest.approx(0.0)
    assert effective_robustness([0.9, 0.8, 0.7], [0.8, 0.6, 0.4]) == pytest.approx(0.3)
    assert effective_robustness([0.9, 0.6, 0.4], [0.8, 0.6, 0.4]) == pytest.approx(-0.2)


def test_a_model_that_falls_as_late_fusion_does_has_none_however_good_it_is():
    late = np.array([0.8, 0.7, 0.5, 0.4])
    for lift in (-0.2, 0.0, 0.15):
        assert effective_robustness(late + lift, late) == pytest.approx(0.0, abs=1e-12)


def test_normalised_by_hand():
    values = normalised({"a": -0.3, "b": 0.1, "c": 0.5, "d": 0.0})
    assert values == pytest.approx({"a": 0.0, "b": 0.5, "c": 1.0, "d": 0.375})
    assert list(values) == ["a", "b", "c", "d"]


def test_equal_methods_are_neither_best_nor_worst():
    assert normalised({"a": 0.4, "b": 0.4}) == {"a": 0.5, "b": 0.5}
    assert normalised({"a": 0.4}) == {"a": 0.5}


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match=r"at least one more\. Received: \[0.5\]"):
        relative_robustness([0.5])
    with pytest.raises(ValueError, match="finite numbers"):
        relative_robustness([0.5, np.nan])
    with pytest.raises(ValueError, match="finite numbers"):
        effective_robustness([0.5, 0.4], [[0.5, 0.4]])
    with pytest.raises(ValueError, match="2 scores, and they rise"):
        relative_robustness([0.5, 0.4], levels=[0, 1, 2])
    with pytest.raises(ValueError, match="they rise"):
        relative_robustness([0.5, 0.4, 0.3], levels=[0, 2, 1])
    with pytest.raises(ValueError, match="3 and 2 scores"):
        effective_robustness([0.5, 0.4, 0.3], [0.5, 0.4])
    with pytest.raises(ValueError, match=r"Received: \{\}"):
        normalised({})
    with pytest.raises(ValueError, match="finite"):
        normalised({"a": 1.0, "b": float("inf")})
