import numpy as np
import pytest

from mmkeras.evaluation.generation import frechet_distance, joint_coherence


def test_the_distance_of_normal_distributions_is_the_analytic_one():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(20000, 3)), rng.normal(size=(20000, 3)) * [1, 2, 3] + [1, 0, 2]
    # |m|^2 + sum (s - t)^2 of the deviations s and t, as the axes are independent.
    assert frechet_distance(first, second) == pytest.approx(1 + 4 + 1 + 4, rel=0.05)


def test_equal_sets_have_no_distance_and_it_is_symmetric():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(30, 5)), rng.exponential(size=(40, 5))
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))


def test_features_that_never_vary_are_no_trouble():
    flat = np.zeros((10, 4))
    assert frechet_distance(flat, flat + 2.0) == pytest.approx(16.0)


@pytest.mark.parametrize("shape", [(1, 3), (5,)])
def test_one_row_has_no_covariance(shape):
    with pytest.raises(ValueError, match="two or more"):
        frechet_distance(np.zeros(shape), np.zeros((5, 3)))


def test_joint_coherence_of_one_modality_is_whole():
    assert joint_coherence({"image": np.array([1, 2])}) == 1.0
