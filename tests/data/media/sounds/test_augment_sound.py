import numpy as np
import pytest
import tensorflow as tf

from mmkeras.data.media.sounds.augment_sound import (
    add_noise,
    mask_spectrograms,
    shift_sounds,
    stretch_sounds,
)

ROWS, SAMPLES = 200, 1000
WAVES = np.sin(np.arange(SAMPLES) * 0.05) * np.linspace(0.001, 1, ROWS)[:, np.newaxis]
WAVES = WAVES.astype(np.float32)
FEATURES = np.ones((ROWS, 50, 40), np.float32)

CHANGES = {
    "noise": lambda rows, seed: add_noise(WAVES[:rows], seed, 0.0),
    "speed": lambda rows, seed: stretch_sounds(WAVES[:rows], seed, 0.2),
    "shift": lambda rows, seed: shift_sounds(WAVES[:rows], seed, 100),
    "mask": lambda rows, seed: mask_spectrograms(FEATURES[:rows], seed, time_masks=2, band_masks=2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_same_seed_same_output_and_rows_differ(change):
    first = change(ROWS, (3, 4)).numpy()
    np.testing.assert_array_equal(first, change(ROWS, (3, 4)))
    in_graph = tf.function(change, autograph=False)(ROWS, tf.constant((3, 4)))
    np.testing.assert_allclose(first, in_graph, rtol=0, atol=1e-6)
    assert not np.array_equal(first, change(ROWS, (3, 5)))
    shapes = first / np.abs(first).max(axis=tuple(range(1, first.ndim)), keepdims=True)
    assert len({row.tobytes() for row in np.round(shapes, 3)}) > ROWS * 0.5


def test_noise_has_the_ratio_drawn_for_its_row():
    noise = add_noise(WAVES, (1, 2), -5.0, 20.0).numpy().astype(np.float64) - WAVES
    ratios = 10 * np.log10(np.mean(WAVES.astype(np.float64) ** 2, 1) / np.mean(noise**2, 1))
    assert ratios.min() > -5.01
    assert ratios.max() < 15.01
    # Uniform: mean 5 and standard deviation 20 / sqrt(12), give or take three errors of 200 rows.
    assert ratios.mean() == pytest.approx(5, abs=1.3)
    assert ratios.std() == pytest.approx(5.77, abs=0.8)
    exact = add_noise(WAVES, (1, 2), 7.0, 0.0).numpy().astype(np.float64) - WAVES
    ratios = 10 * np.log10(np.mean(WAVES.astype(np.float64) ** 2, 1) / np.mean(exact**2, 1))
    np.testing.assert_allclose(ratios, 7, atol=1e-3)


def test_noise_is_white():
    noise = add_noise(WAVES, (1, 2), 0.0, 0.0).numpy() - WAVES
    noise /= noise.std(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(axis=0)[1:-1] / SAMPLES
    assert power.mean() == pytest.approx(1, abs=0.02)
    assert power.std() < 0.12
    neighbours = (noise[1:] * noise[:-1]).mean(axis=1)
    assert np.abs(neighbours).max() < 5 / np.sqrt(SAMPLES)


def test_silence_gets_no_noise():
    waves = np.stack([np.zeros(SAMPLES, np.float32), WAVES[-1]])
    noisy = add_noise(waves, (0, 0), 0.0).numpy()
    np.testing.assert_array_equal(noisy[0], 0)
    assert (noisy[1] != waves[1]).any()


@pytest.mark.parametrize("largest", [0, 3, 2000])
def test_shift_moves_silence_in(largest):
    waves = np.tile(np.arange(1, SAMPLES + 1, dtype=np.float32), (ROWS, 1))
    moved = shift_sounds(waves, (5, 6), largest).numpy()
    seen = set()
    for row in moved:
        kept = np.flatnonzero(row)
        if len(kept):
            move = int(kept[0] - (row[kept[0]] - 1))
            seen.add(move)
            np.testing.assert_array_equal(row[kept], kept - move + 1)
            assert len(kept) == SAMPLES - abs(move)
    if largest == 2000:
        assert min(seen) < -900
        assert max(seen) > 900
    else:
        assert seen == set(range(-largest, largest + 1))


def test_speed_changes_the_pitch_and_the_length():
    ramp = np.tile(np.arange(1, SAMPLES + 1, dtype=np.float32), (ROWS, 1))
    played = stretch_sounds(ramp, (5, 6), 0.2).numpy()
    tempos = played[:, 1] - 1
    assert tempos.min() < 0.82
    assert tempos.max() > 1.18
    for row, tempo in zip(played, tempos, strict=True):
        places = np.arange(SAMPLES) * tempo
        heard = places <= SAMPLES - 1
        np.testing.assert_allclose(row[heard], 1 + places[heard], rtol=1e-3)
        assert not row[places > SAMPLES].any()  # silence follows
    np.testing.assert_array_equal(stretch_sounds(ramp, (5, 6), 0.0), ramp)


def test_masks_hide_whole_frames_and_bands():
    masked = mask_spectrograms(FEATURES, (7, 8), time_masks=1, band_masks=1).numpy() == 0
    frames, bands = masked.all(axis=2), masked.all(axis=1)
    np.testing.assert_array_equal(masked, frames[:, :, None] | bands[:, None, :])
    for hidden, longest in ((frames, 10), (bands, 8)):
        widths = hidden.sum(axis=1)
        assert set(widths) == set(range(longest + 1))
        assert widths.mean() == pytest.approx(longest / 2, abs=1)
        # One run each: it starts once at most.
        assert (np.diff(hidden.astype(int), prepend=0, axis=1) == 1).sum(axis=1).max() == 1
        # The first and the last place are hidden at times.
        assert hidden[:, 0].any()
        assert hidden[:, -1].any()


def test_a_hidden_band_is_hidden_in_its_slopes_too():
    features = np.ones((ROWS, 10, 3 * 20), np.float32)
    masked = mask_spectrograms(features, (1, 1), band_masks=2, deltas=2).numpy()
    first, second, third = np.split(masked, 3, axis=2)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)
    assert (first == 0).any()


def test_no_masks_no_change():
    np.testing.assert_array_equal(mask_spectrograms(FEATURES, (1, 2)), FEATURES)
    nothing = mask_spectrograms(FEATURES, (1, 2), time_masks=1, time_mask=0.0)
    np.testing.assert_array_equal(nothing, FEATURES)


def test_static_shapes_survive_in_a_pipeline():
    data = tf.data.Dataset.from_tensor_slices(WAVES[:5]).batch(2)
    data = data.map(lambda waves: shift_sounds(add_noise(waves, (1, 2), 0.0), (3, 4), 10))
    assert data.element_spec.shape.as_list() == [None, SAMPLES]
    data = tf.data.Dataset.from_tensor_slices(FEATURES[:5]).batch(2)
    data = data.map(lambda rows: mask_spectrograms(rows, (1, 2), time_masks=1, band_masks=1))
    assert data.element_spec.shape.as_list() == [None, 50, 40]
