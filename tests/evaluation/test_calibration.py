import numpy as np
import pytest

from mmkeras.evaluation.calibration import (
    apply_temperature,
    calibration_error,
    calibration_table,
    fit_temperature,
)


def test_the_error_by_hand():
    # Bins (0.5, 1]: 0.6 and 0.8 of which one is right; (0, 0.5]: 0.4, right.
    confidence, right = np.array([0.6, 0.8, 0.4]), np.array([True, False, True])
    by_hand = 2 / 3 * abs(0.5 - 0.7) + 1 / 3 * abs(1.0 - 0.4)
    assert calibration_error(confidence, right, bins=2) == pytest.approx(by_hand)


def test_the_adaptive_error_has_bins_of_equally_many_rows():
    confidence = np.array([0.91, 0.92, 0.93, 0.94])
    right = np.array([0, 0, 1, 1])
    table = calibration_table(confidence, right, bins=2, adaptive=True)
    assert table["rows"].tolist() == [2, 2]
    assert table["accuracy"].tolist() == [0.0, 1.0]
    by_hand = 0.5 * 0.915 + 0.5 * (1 - 0.935)
    assert calibration_error(confidence, right, 2, adaptive=True) == pytest.approx(by_hand)
    # All in one bin of equal width, where they look well enough.
    assert calibration_error(confidence, right, 2) == pytest.approx(0.925 - 0.5)


def test_edges_belong_to_the_bin_below_and_zero_to_the_first():
    table = calibration_table(np.array([0.0, 0.5, 1.0]), np.zeros(3), bins=2)
    assert table["rows"].tolist() == [2, 1]


def test_a_model_that_is_as_sure_as_it_is_right_has_next_to_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1.0, 40_000)
    right = rng.random(40_000) < confidence
    assert calibration_error(confidence, right) < 0.01
    assert calibration_error(np.minimum(confidence + 0.2, 1), right) > 0.1


def test_the_fitted_temperature_is_the_one_that_spoilt_the_probabilities():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 3))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random(20_000)[:, None] > honest.cumsum(axis=1)).sum(axis=1)
    targets = np.eye(3)[labels]
    too_sure = apply_temperature(honest, 0.5)
    assert fit_temperature(targets, too_sure) == pytest.approx(2.0, rel=0.03)
    assert fit_temperature(targets, honest) == pytest.approx(1.0, rel=0.03)
    np.testing.assert_allclose(apply_temperature(too_sure, 2.0), honest, atol=1e-6)


def test_a_temperature_changes_no_answer_and_one_changes_nothing():
    outputs = np.random.default_rng(2).dirichlet(np.ones(5), 50)
    for temperature in (0.3, 4.0):
        scaled = apply_temperature(outputs, temperature)
        np.testing.assert_array_equal(scaled.argmax(axis=1), outputs.argmax(axis=1))
        np.testing.assert_allclose(scaled.sum(axis=1), 1.0)
    np.testing.assert_allclose(apply_temperature(outputs, 1.0), outputs)


def test_labels_are_scaled_each_for_itself():
    outputs = np.array([[0.9, 0.9]])
    scaled = apply_temperature(outputs, 2.0)
    np.testing.assert_allclose(scaled, 1 / (1 + np.exp(-np.log(9) / 2)) * np.ones((1, 2)))


def test_confidences_beyond_one_are_refused():
    with pytest.raises(ValueError, match="probabilities"):
        calibration_error(np.array([1.2]), np.array([True]))
    with pytest.raises(ValueError, match="above 0"):
        apply_temperature(np.array([[0.5, 0.5]]), 0.0)
