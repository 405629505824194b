"""Densities against SciPy's, and by hand."""

import keras
import numpy as np
import pytest
from scipy import stats

from mmkeras.generation.densities import (
    DENSITIES,
    BagOfWords,
    Bernoulli,
    Categorical,
    Gaussian,
    Laplace,
)

RANDOM = np.random.default_rng(0)
SAID = RANDOM.normal(size=(2, 3, 4)).astype("float32")  # two samples, three rows, four values
TRUE = RANDOM.normal(size=(3, 4)).astype("float32")


def log_prob(density, x):
    return keras.ops.convert_to_numpy(density.log_prob(SAID, x))


def test_gaussian_and_laplace_are_those_of_scipy():
    normal = stats.norm.logpdf(TRUE, SAID, 0.5).sum(axis=-1)
    np.testing.assert_allclose(log_prob(Gaussian(0.5), TRUE), normal, rtol=1e-5)
    laplace = stats.laplace.logpdf(TRUE, SAID, 0.5).sum(axis=-1)
    np.testing.assert_allclose(log_prob(Laplace(0.5), TRUE), laplace, rtol=1e-5)


def test_bernoulli_reads_logits_also_where_they_are_extreme():
    bits = (TRUE > 0).astype("float32")
    chance = 1 / (1 + np.exp(-SAID.astype("float64")))
    expected = stats.bernoulli.logpmf(bits, chance).sum(axis=-1)
    np.testing.assert_allclose(log_prob(Bernoulli(), bits), expected, rtol=1e-4)
    extreme = Bernoulli().log_prob(np.array([[1e4, -1e4]]), np.array([[0.0, 0.0]]))
    assert float(extreme[0]) == -1e4
    np.testing.assert_allclose(Bernoulli().mean(SAID), chance, rtol=1e-5)


def test_categorical_has_groups_and_numbers():
    # A number that is 0.5 off, and the second of three classes.
    said = np.array([[1.5, 0.0, np.log(2.0), 0.0]])
    true = np.array([[1.0, 0, 1, 0]])
    expected = stats.norm.logpdf(1.0, 1.5) + np.log(2 / 4)
    density = Categorical((1, 3))
    assert float(density.log_prob(said, true)[0]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(density.mean(said), [[1.5, 0.25, 0.5, 0.25]], rtol=1e-5)


def test_a_bag_of_words_counts_each_word():
    said = np.log([[0.5, 0.25, 0.25]])
    true = np.array([[2.0, 0, 1]])
    expected = 2 * np.log(0.5) + np.log(0.25)
    assert float(BagOfWords().log_prob(said, true)[0]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(BagOfWords().mean(said), [[0.5, 0.25, 0.25]], rtol=1e-5)


def test_pictures_are_summed_over_all_their_axes():
    said, true = np.zeros((5, 2, 3, 4, 1)), np.zeros((2, 3, 4, 1))
    for name, cls in DENSITIES.items():
        if name not in ("categorical", "bag_of_words"):
            assert tuple(cls().log_prob(said, true).shape) == (5, 2)
    assert float(Gaussian().log_prob(said, true)[0, 0]) == pytest.approx(
        12 * stats.norm.logpdf(0.0), rel=1e-5
    )


def test_impossible_arguments_are_refused():
    for cls in (Gaussian, Laplace):
        with pytest.raises(ValueError, match=r"must be above 0\. Received: 0"):
            cls(0)
    with pytest.raises(ValueError, match="widths of at least 1"):
        Categorical((2, 0))
