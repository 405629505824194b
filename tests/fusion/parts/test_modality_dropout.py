import keras
import numpy as np
import pytest

from mmkeras.fusion import ModalityDropout
from tests.layer_checks import check_config, to_numpy

ALL = np.ones((4000, 3), bool)


def hide(rate, present, seed=0, training=True):
    return to_numpy(ModalityDropout(rate, seed=seed)(present, training=training))


def test_in_inference_nothing_is_hidden():
    present = np.random.default_rng(0).random((50, 4)) < 0.5
    layer = ModalityDropout(0.9, seed=0)
    for training in (False, None):
        np.testing.assert_array_equal(to_numpy(layer(present, training=training)), present)
    np.testing.assert_array_equal(hide(0.0, present), present)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_modalities_are_hidden_at_the_rate_one_by_one(rate):
    shown = hide(rate, ALL)
    # A row that would have lost all of them keeps one.
    expected = 1 - rate + rate**3 / 3
    np.testing.assert_allclose(shown.mean(axis=0), expected, atol=0.03)
    none = (~shown).sum(axis=1)
    binomial = [(1 - rate) ** 3, 3 * rate * (1 - rate) ** 2, 3 * rate**2 * (1 - rate) + rate**3]
    np.testing.assert_allclose([(none == n).mean() for n in range(3)], binomial, atol=0.03)


def test_what_stays_of_a_row_that_lost_all_is_drawn_evenly():
    shown = hide(0.99, ALL)
    assert (shown.sum(axis=1) >= 1).all()
    np.testing.assert_allclose(shown[shown.sum(axis=1) == 1].mean(axis=0), 1 / 3, atol=0.04)


def test_a_row_never_loses_all_and_never_gains_one():
    present = np.random.default_rng(1).random((2000, 3)) < 0.4
    shown = hide(0.9, present)
    assert not (shown & ~present).any()
    np.testing.assert_array_equal(shown.any(axis=1), present.any(axis=1))
    single = present.sum(axis=1) == 1
    np.testing.assert_array_equal(shown[single], present[single])


def test_the_seed_decides_the_draws_and_they_go_on_from_call_to_call():
    layer, twin = ModalityDropout(0.5, seed=3), ModalityDropout(0.5, seed=3)
    first, second = (to_numpy(layer(ALL, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(to_numpy(twin(ALL, training=True)), first)
    np.testing.assert_array_equal(to_numpy(twin(ALL, training=True)), second)
    assert not np.array_equal(hide(0.5, ALL, seed=4), first)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, float("nan")])
def test_a_rate_is_a_probability_below_1(rate):
    with pytest.raises(ValueError, match=r"probability in \[0, 1\)"):
        ModalityDropout(rate)


def test_config_and_saving(tmp_path):
    layer = ModalityDropout(0.25, seed=7)
    check_config(layer)
    inputs = keras.Input((3,), dtype="bool")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras", safe_mode=True)
    copy = loaded.layers[-1]
    assert (copy.rate, copy.seed) == (0.25, 7)
    assert loaded.output.dtype == "bool" and loaded.output_shape == (None, 3)
    np.testing.assert_array_equal(loaded.predict(ALL[:4], verbose=0), ALL[:4])
    np.testing.assert_array_equal(
        to_numpy(copy(ALL, training=True)), to_numpy(layer(ALL, training=True))
    )
