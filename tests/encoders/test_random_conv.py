import keras
import numpy as np
import pytest

from mmkeras.encoders import RandomConvolutionEncoder, get_encoder
from mmkeras.schema import InputSpec

RANDOM = np.random.default_rng(0)


def waves(rows, length=60):
    """Slow and fast waves of any phase and strength, in noise."""
    fast = np.arange(rows) % 2
    steps = np.arange(length)
    phase, strength = RANDOM.uniform(0, 6, rows), RANDOM.uniform(0.5, 2, rows)
    waves = np.sin(steps * (0.3 + 0.5 * fast[:, None]) + phase[:, None]) * strength[:, None]
    return (waves + RANDOM.normal(0, 0.3, waves.shape))[..., None].astype("float32"), fast


def test_two_dozen_sequences_are_enough_to_tell_how_fast_they_vary():
    x, y = waves(24)
    model = keras.Sequential(
        [RandomConvolutionEncoder(dim=16, kernels=64, max_length=60), keras.layers.Flatten(),
         keras.layers.Dense(1, activation="sigmoid")]
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=12, epochs=30, verbose=0)
    assert model.evaluate(*waves(100), verbose=0)[1] >= 0.95


def test_filters_are_fixed_drawn_from_the_seed_and_do_not_see_the_level():
    first, again, other = (RandomConvolutionEncoder(kernels=32, seed=seed) for seed in (0, 0, 1))
    for encoder in (first, again, other):
        encoder.build((None, None, 3))
    filters = [np.asarray(encoder.filters[0]) for encoder in (first, again, other)]
    np.testing.assert_array_equal(filters[0], filters[1])
    assert not np.array_equal(filters[0], filters[2])
    by_feature = filters[0].reshape(9, 3, -1)
    np.testing.assert_allclose(by_feature.sum(axis=0), 0, atol=1e-5)
    # Some read one feature alone, some more.
    assert set((by_feature != 0).any(axis=0).sum(axis=0)) >= {1, 2}
    assert [v.path.split("/")[-1] for v in first.trainable_variables] == ["kernel", "bias"]


def test_distances_reach_over_the_longest_sequence():
    spec = InputSpec((None, 3), max_length=128)
    assert get_encoder("sequence", "random_convolutions", spec).dilations == (1, 2, 4, 8)
    assert RandomConvolutionEncoder(max_length=5).dilations == (1,)
    with pytest.raises(ValueError, match="`kernel_size` at least 2"):
        RandomConvolutionEncoder(kernel_size=1)
