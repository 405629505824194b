"""Products, mixtures and divergences of normal distributions, by hand and by SciPy."""

import keras
import numpy as np
import pytest
from scipy import integrate, stats

from mmkeras.generation.posteriors import (
    divergence,
    mixture_log_prob,
    normal_log_prob,
    product_of_experts,
    subsets,
)

MEANS = np.array([[[0.0], [2.0], [np.e]]], "float32")  # one row, three modalities, one number
LOGS = np.log(np.array([[[1.0], [0.5], [2.0]]], "float32"))


def test_a_product_of_experts_by_hand():
    # Precisions 1 and 2, and the prior's 1: 4 in all.
    mean, log_variance = product_of_experts(MEANS, LOGS, np.array([[True, True, False]]))
    assert float(mean[0, 0]) == pytest.approx(2 * 2 / 4)
    assert float(keras.ops.exp(log_variance[0, 0])) == pytest.approx(1 / 4)
    mean, log_variance = product_of_experts(
        MEANS, LOGS, np.array([[True, True, False]]), prior=False
    )
    assert float(mean[0, 0]) == pytest.approx(4 / 3)
    assert float(keras.ops.exp(log_variance[0, 0])) == pytest.approx(1 / 3)


@pytest.mark.parametrize("prior", [True, False])
def test_of_nothing_given_it_is_the_prior(prior):
    mean, log_variance = product_of_experts(MEANS, LOGS, np.zeros((1, 3), bool), prior=prior)
    assert (float(mean[0, 0]), float(log_variance[0, 0])) == (0.0, 0.0)


def test_log_densities_are_those_of_scipy():
    z = np.array([[[0.3]], [[-1.0]]], "float32")  # two samples
    own = keras.ops.convert_to_numpy(normal_log_prob(z, MEANS[:, 1], LOGS[:, 1]))
    np.testing.assert_allclose(own, stats.norm.logpdf(z[..., 0], 2, 0.5**0.5), rtol=1e-5)
    given = np.array([[True, True, False]])
    mixed = keras.ops.convert_to_numpy(mixture_log_prob(z, MEANS, LOGS, given))
    each = [stats.norm.pdf(z[..., 0], 0, 1), stats.norm.pdf(z[..., 0], 2, 0.5**0.5)]
    np.testing.assert_allclose(mixed, np.log(np.mean(each, axis=0)), rtol=1e-5)


def test_the_divergence_is_its_integral():
    first, second = stats.norm(0.3, 0.8), stats.norm(-0.5, 1.7)

    def integrand(x):
        return first.pdf(x) * (first.logpdf(x) - second.logpdf(x))

    expected, _ = integrate.quad(integrand, -15, 15)
    found = divergence(*np.array([[0.3], [np.log(0.8**2)], [-0.5], [np.log(1.7**2)]], "float32"))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert float(divergence(*np.zeros((2, 3), "float32"))) == 0.0


def test_subsets_are_all_but_the_empty_one():
    found = subsets(3)
    assert len(found) == 7 and len({tuple(row) for row in found}) == 7 and found.any(axis=1).all()
    with pytest.raises(ValueError, match="at least one"):
        subsets(0)
