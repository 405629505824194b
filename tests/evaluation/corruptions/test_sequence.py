from itertools import pairwise

import numpy as np
import pytest

from mmkeras.data.kinds import SequenceSettings
from mmkeras.data.kinds.sequence import SequencePreprocessor
from mmkeras.evaluation.corruptions import CORRUPTIONS

MEAN, DEVIATION = (7.0, -3.0, 0.5, 2.0, 0.0), (1.0, 10.0, 0.1, 2.0, 5.0)
FITTED = SequencePreprocessor(SequenceSettings(), 5, MEAN, DEVIATION)
PLAIN = SequencePreprocessor(SequenceSettings(scaling="none"), 5)
# No value is a training mean.
SEQUENCES = [np.full((10 + row % 4, 5), 100.0 + row, np.float32) for row in range(60)]


def corrupted(name, sequences, strength, fitted=FITTED):
    return CORRUPTIONS["sequence"][name](sequences, strength, fitted=fitted, seed=5)


@pytest.mark.parametrize(("fitted", "scale"), [(FITTED, DEVIATION), (PLAIN, (1.0,) * 5)])
def test_noise_is_in_units_of_each_feature_s_training_deviation(fitted, scale):
    sequences = [np.zeros((200, 5), np.float32)] * 50
    for strength, amount in enumerate((0.1, 0.25, 0.5, 1.0, 2.0), start=1):
        noise = np.concatenate(corrupted("noise", sequences, strength, fitted))
        np.testing.assert_allclose(noise.std(axis=0), amount * np.array(scale), rtol=0.03)
        np.testing.assert_allclose(noise.mean(axis=0) / np.array(scale) / amount, 0, atol=0.04)


def test_noise_has_one_shape_at_all_strengths():
    sequences = [np.zeros((20, 5))] * 3
    weak, strong = (corrupted("noise", sequences, k) for k in (1, 5))
    np.testing.assert_allclose(np.array(strong), 20 * np.array(weak), rtol=1e-6)
    assert not np.array_equal(weak[0], weak[1])


@pytest.mark.parametrize(("fitted", "mean"), [(FITTED, MEAN), (PLAIN, (0.0,) * 5)])
@pytest.mark.parametrize(("name", "axis"), [("missing_steps", 0), ("missing_features", 1)])
def test_that_share_is_set_to_the_training_mean(name, axis, fitted, mean):
    for strength, share in enumerate((0.1, 0.3, 0.5, 0.7, 0.9), start=1):
        shares = []
        for before, after in zip(
            SEQUENCES, corrupted(name, SEQUENCES, strength, fitted), strict=True
        ):
            missing = after == np.array(mean, np.float32)
            np.testing.assert_array_equal(after[~missing], before[~missing])
            whole = missing.all(axis=1 - axis)
            np.testing.assert_array_equal(missing.any(axis=1 - axis), whole)
            assert abs(whole.sum() - share * len(whole)) < 1
            shares.append(whole.mean())
        assert np.mean(shares) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("name", ["missing_steps", "missing_features"])
def test_what_is_missing_stays_missing_at_a_greater_strength_and_rows_differ(name):
    missing = [
        [after != before for before, after in zip(SEQUENCES, changed, strict=True)]
        for changed in (corrupted(name, SEQUENCES, strength) for strength in range(1, 6))
    ]
    for less, more in pairwise(missing):
        assert all((m | ~f).all() for f, m in zip(less, more, strict=True))
    same_length = [row for row in missing[2] if len(row) == 10]
    assert len({row.tobytes() for row in same_length}) > 1


def test_the_model_sees_zeros_where_a_step_is_missing():
    changed = corrupted("missing_steps", SEQUENCES[:1], 5)
    assert (FITTED.scaled(changed)[0] == 0).all(axis=1).sum() >= 9


@pytest.mark.parametrize("name", CORRUPTIONS["sequence"])
def test_holes_stay_and_the_type_too(name):
    none, steps = np.zeros((0, 5), np.float32), np.ones((4, 5))
    sequences = [None, none, steps, steps.astype(np.float16)]
    changed = corrupted(name, sequences, 5)
    assert changed[0] is None
    assert changed[1].shape == (0, 5) and changed[1].dtype == np.float32
    assert changed[2].shape == (4, 5) and changed[2].dtype == np.float64
    assert changed[3].shape == (4, 5) and changed[3].dtype == np.float16
