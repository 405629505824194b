from itertools import pairwise

import numpy as np
import pytest

from mmkeras.evaluation.corruptions import CORRUPTIONS

RANDOM = np.random.default_rng(0)
ROWS, SAMPLES = 20, 4000
LOUDNESS = np.linspace(500, 3000, ROWS)[:, None]
SOUNDS = np.rint(RANDOM.normal(0, 1, (ROWS, SAMPLES)) * LOUDNESS).astype(np.int16)


def corrupted(name, sounds, strength):
    return CORRUPTIONS["audio"][name](sounds, strength, fitted=None, seed=5)


@pytest.mark.parametrize(("strength", "ratio"), list(enumerate((20, 15, 10, 5, 0), start=1)))
def test_noise_has_the_ratio_asked_for_in_every_row(strength, ratio):
    added = corrupted("noise", SOUNDS, strength).astype(float) - SOUNDS
    measured = 10 * np.log10((SOUNDS.astype(float) ** 2).mean(axis=1) / (added**2).mean(axis=1))
    np.testing.assert_allclose(measured, ratio, atol=0.02)


def test_noise_is_white_and_of_one_shape_at_all_strengths():
    weak, strong = (corrupted("noise", SOUNDS, k).astype(float) - SOUNDS for k in (1, 5))
    np.testing.assert_allclose(strong, weak * 10, atol=5.5)
    power = (np.abs(np.fft.rfft(strong / strong.std(axis=1, keepdims=True))) ** 2).mean(axis=0)
    halves = power[1:1000].mean() / SAMPLES, power[1000:-1].mean() / SAMPLES
    np.testing.assert_allclose(halves, 1, atol=0.03)
    neighbours = (strong[1:] * strong[:-1]).mean(axis=1) / (LOUDNESS[1:] * LOUDNESS[:-1])[:, 0]
    assert np.abs(neighbours).max() < 5 / np.sqrt(SAMPLES)


def test_silence_stays_silence_and_loud_sounds_are_clipped():
    sounds = np.stack([np.zeros(SAMPLES, np.int16), np.full(SAMPLES, 32000, np.int16)])
    noisy = corrupted("noise", sounds, 1)
    assert not noisy[0].any()
    assert noisy[1].max() == 32767 and noisy[1].min() > 0


@pytest.mark.parametrize(("strength", "share"), list(enumerate((0.1, 0.2, 0.3, 0.4, 0.5), start=1)))
def test_one_stretch_of_that_share_is_silenced_and_the_rest_stays(strength, share):
    sounds = np.full((50, 1000), 7, np.int16)
    masked = corrupted("time_mask", sounds, strength)
    assert set(np.unique(masked)) == {0, 7}
    np.testing.assert_array_equal((masked == 0).sum(axis=1), round(1000 * share))
    starts = np.diff((masked == 0).astype(int), prepend=0, axis=1) == 1
    np.testing.assert_array_equal(starts.sum(axis=1), 1)
    assert len(set(starts.argmax(axis=1))) > 30


def test_a_longer_stretch_covers_the_shorter_one():
    sounds = np.ones((200, 50), np.int16)
    silent = [corrupted("time_mask", sounds, strength) == 0 for strength in range(1, 6)]
    for less, more in pairwise(silent):
        assert (more | ~less).all()
    assert silent[0].any(axis=0).all()


@pytest.mark.parametrize("samples", [4000, 4001])
def test_the_removed_band_has_no_energy_and_the_others_all_of_theirs(samples):
    sounds = np.rint(RANDOM.normal(0, 3000, (ROWS, samples))).astype(np.int16)
    before = np.abs(np.fft.rfft(sounds)) ** 2
    removed = []
    for strength, share in enumerate((0.1, 0.2, 0.3, 0.4, 0.5), start=1):
        after = np.abs(np.fft.rfft(corrupted("frequency_mask", sounds, strength))) ** 2
        # What rounding to int16 leaves has the power 1 / 12 a sample, against 9 million.
        gone = after < 100 * samples / 12
        np.testing.assert_array_equal(gone.sum(axis=1), round(share * (samples // 2 + 1)))
        edges = np.diff(gone.astype(int), prepend=0, axis=1) == 1
        np.testing.assert_array_equal(edges.sum(axis=1), 1)
        ratio = np.where(gone, 0, after).sum() / np.where(gone, 0, before).sum()
        assert ratio == pytest.approx(1, abs=1e-4)
        removed.append(gone)
    for less, more in pairwise(removed):
        assert (more | ~less).all()


def test_a_tone_is_removed_where_the_band_covers_it_and_untouched_elsewhere():
    time = np.arange(1000) / 1000
    tone = np.tile(np.rint(8000 * np.sin(2 * np.pi * 250 * time)), (300, 1)).astype(np.int16)
    masked = corrupted("frequency_mask", tone, 5)
    silent = np.abs(masked).max(axis=1) <= 1
    untouched = np.abs(masked.astype(int) - tone).max(axis=1) <= 1
    assert (silent | untouched).all()
    # 250 of 501 bins are removed, from a start in 0 ... 251. The tone's, the middle one, is spared
    # by the first start and the last.
    assert silent.mean() == pytest.approx(250 / 252, abs=0.02)
    share = (np.abs(corrupted("frequency_mask", tone, 3)).max(axis=1) <= 1).mean()
    # Width 0.3, start uniform in [0, 0.7]; it covers 0.5 if the start is in [0.2, 0.5].
    assert share == pytest.approx(0.3 / 0.7, abs=0.09)


def test_the_size_of_the_blocks_does_not_matter(monkeypatch):
    whole = corrupted("frequency_mask", SOUNDS, 3)
    monkeypatch.setattr("mmkeras.evaluation.corruptions.sound._BLOCK", 3 * SAMPLES)
    np.testing.assert_array_equal(corrupted("frequency_mask", SOUNDS, 3), whole)


@pytest.mark.parametrize("name", CORRUPTIONS["audio"])
def test_other_forms_are_refused(name):
    with pytest.raises(ValueError, match=r"int16 \(rows, samples\).*float32 of shape \(20, 4000\)"):
        corrupted(name, SOUNDS.astype(np.float32), 1)
