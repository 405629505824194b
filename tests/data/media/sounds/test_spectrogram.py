import numpy as np
import pytest
import tensorflow as tf

from mmkeras.data.kinds import AudioSettings
from mmkeras.data.kinds.audio import AudioPreprocessor
from mmkeras.data.media.sounds.spectrogram import (
    deltas,
    mel_filters,
    mfcc,
    power_spectrogram,
    scale_each,
    sound_features,
    to_decibels,
)

SIZES = [
    {"rate": 8000, "seconds": 1.0},
    {"rate": 16000, "seconds": 0.5, "window": 0.032, "hop": 0.008},
    {
        "rate": 16000,
        "seconds": 1.0,
        "fft_length": 700,
        "mel_bands": 40,
        "low_hz": 50.0,
        "high_hz": 7000.0,
    },
    {"rate": 22050, "seconds": 0.73, "fft_length": 2048, "hop": 0.0232, "mel_bands": 128},
    # An odd window, in an even transform.
    {"rate": 11025, "seconds": 0.6, "window": 0.02277},
]


def waves(settings, rows=3):
    """Speech-like: tones that swell and fade over noise, one row quiet, one with silence after."""
    rng = np.random.default_rng(0)
    time = np.arange(settings.samples) / settings.rate
    tones = sum(np.sin(2 * np.pi * f * time * (1 + 0.2 * time)) / f for f in (220, 450, 1333))
    sounds = 100 * tones * np.sin(5 * time) ** 2 + rng.normal(0, 0.01, (rows, settings.samples))
    sounds[1] *= 1e-3
    sounds[2, settings.samples // 2 :] = 0
    return np.clip(sounds, -1, 1).astype(np.float32)


def librosa_power(sounds, settings):
    librosa = pytest.importorskip("librosa")
    spectrum = librosa.stft(
        sounds.astype(np.float64),
        n_fft=settings.fft_points,
        hop_length=settings.hop_samples,
        win_length=settings.window_samples,
        pad_mode="constant",
    )
    return np.abs(spectrum) ** 2


def librosa_log_mel(sounds, settings):
    librosa = pytest.importorskip("librosa")
    mel = librosa.feature.melspectrogram(
        S=librosa_power(sounds, settings),
        sr=settings.rate,
        n_fft=settings.fft_points,
        n_mels=settings.mel_bands,
        fmin=settings.low_hz,
        fmax=settings.high_hz or None,
    )
    return np.stack([librosa.power_to_db(clip, ref=1.0, amin=1e-10, top_db=80) for clip in mel])


def assert_decibels_close(ours, theirs):
    """Rounding in float32 counts where little is left of a sum: the quieter, the more."""
    assert ours.shape == theirs.shape
    below = theirs.max(axis=(1, 2), keepdims=True) - theirs
    differences = np.abs(ours - theirs)
    assert differences[below < 40].max() < 1e-4
    assert differences.max() < 0.01


@pytest.mark.parametrize("sizes", SIZES)
def test_spectrogram_is_librosas(sizes):
    librosa = pytest.importorskip("librosa")
    settings = AudioSettings(features="spectrogram", **sizes)
    sounds = waves(settings)
    power = librosa_power(sounds, settings)
    ours = power_spectrogram(sounds, settings).numpy().transpose(0, 2, 1)
    assert ours.shape == power.shape
    np.testing.assert_allclose(ours, power, rtol=1e-5, atol=1e-6 * power.max())
    theirs = np.stack([librosa.power_to_db(clip, top_db=80) for clip in power])
    assert_decibels_close(sound_features(sounds, settings).numpy(), theirs.transpose(0, 2, 1))


@pytest.mark.parametrize("sizes", SIZES)
def test_mel_filters_are_librosas(sizes):
    librosa = pytest.importorskip("librosa")
    settings = AudioSettings(**sizes)
    theirs = librosa.filters.mel(
        sr=settings.rate,
        n_fft=settings.fft_points,
        n_mels=settings.mel_bands,
        fmin=settings.low_hz,
        fmax=settings.high_hz or None,
    )
    np.testing.assert_allclose(mel_filters(settings), theirs.T, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("sizes", SIZES)
def test_log_mel_is_librosas(sizes):
    settings = AudioSettings(**sizes)
    sounds = waves(settings)
    theirs = librosa_log_mel(sounds, settings).transpose(0, 2, 1)
    assert_decibels_close(sound_features(sounds, settings).numpy(), theirs)


@pytest.mark.parametrize("sizes", SIZES)
def test_mfcc_and_deltas_are_librosas(sizes):
    librosa = pytest.importorskip("librosa")
    settings = AudioSettings(features="mfcc", coefficients=13, deltas=2, **sizes)
    sounds = waves(settings)
    theirs = librosa.feature.mfcc(S=librosa_log_mel(sounds, settings), n_mfcc=13)
    slopes = librosa.feature.delta(theirs, mode="nearest")
    theirs = np.concatenate([theirs, slopes, librosa.feature.delta(slopes, mode="nearest")], axis=1)
    ours = sound_features(sounds, settings).numpy()
    np.testing.assert_allclose(ours, theirs.transpose(0, 2, 1), rtol=0, atol=5e-3)


@pytest.mark.parametrize("features", ["waveform", "spectrogram", "log_mel", "mfcc"])
@pytest.mark.parametrize("seconds", [0.1, 0.995, 1.0, 1.0001])
@pytest.mark.parametrize("fft_length", [0, 401])
def test_shape_is_the_settings_inside_a_graph_too(features, seconds, fft_length):
    settings = AudioSettings(
        rate=16000, seconds=seconds, features=features, mel_bands=40, fft_length=fft_length
    )
    sounds = waves(settings)
    data = tf.data.Dataset.from_tensor_slices(sounds).batch(2)
    data = data.map(lambda batch: sound_features(batch, settings))
    assert data.element_spec.shape.as_list() == [None, *settings.shape]
    in_graph = np.concatenate(list(data.as_numpy_iterator()))
    np.testing.assert_allclose(in_graph, sound_features(sounds, settings), rtol=0, atol=1e-3)


def test_window_longer_than_the_sound():
    settings = AudioSettings(rate=8000, seconds=0.02, window=0.1, hop=0.02)
    assert sound_features(waves(settings), settings).shape == (3, *settings.shape)


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_is_loudest_in_the_band_around_it(hertz):
    settings = AudioSettings(seconds=1.0)
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(16000) / 16000)
    features = sound_features(tone[np.newaxis].astype(np.float32), settings).numpy()[0]
    band = int(features[50].argmax())
    mels = np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), 66)
    mel = 0.015 * hertz if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)
    assert mels[band] < mel < mels[band + 2]
    bins = AudioSettings(features="spectrogram", seconds=1.0)
    power = sound_features(tone[np.newaxis].astype(np.float32), bins).numpy()[0, 50]
    assert power.argmax() == round(hertz / 16000 * 512)


def test_mfcc_is_the_cosine_transform_worked_by_hand():
    rows = np.array([[[1.0, 2.0, 4.0, 8.0]]], np.float32)
    first = (1 + 2 + 4 + 8) / 2
    second = np.sqrt(0.5) * (
        1 * np.cos(np.pi / 8)
        + 2 * np.cos(3 * np.pi / 8)
        + 4 * np.cos(5 * np.pi / 8)
        + 8 * np.cos(7 * np.pi / 8)
    )
    third = 0.5 * (1 - 2 - 4 + 8)
    np.testing.assert_allclose(mfcc(rows, 3)[0, 0], [first, second, third], rtol=1e-6)


def test_decibels_have_a_floor_for_each_sound():
    power = np.array([[[1.0], [1e-3], [1e-30]], [[1e-6], [1e-9], [0.0]]], np.float32)
    expected = [[0, -30, -80], [-60, -90, -100]]
    np.testing.assert_allclose(to_decibels(power)[..., 0], expected, atol=1e-4)


def test_deltas_worked_by_hand():
    step = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], np.float32)[np.newaxis, :, np.newaxis]
    # At the last frame before the step: 1 + 2 + 3 + 4; one frame earlier 2 + 3 + 4; and so on.
    expected = np.array([0, 4, 7, 9, 10, 10, 9, 7, 4, 0]) / 60
    np.testing.assert_allclose(deltas(step)[0, :, 0], expected, atol=1e-6)


def test_bands_between_two_frequencies_are_refused():
    with pytest.raises(ValueError, match="Choose fewer `mel_bands`, or an `fft_length` above 256"):
        mel_filters(AudioSettings(rate=8000, mel_bands=200))


def test_waves_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"\(batch, 16000\).*\(2, 8000\)"):
        sound_features(tf.zeros((2, 8000)), AudioSettings(seconds=1.0))


def test_a_row_does_not_depend_on_its_neighbours():
    settings = AudioSettings(features="mfcc", deltas=2, seconds=1.0)
    sounds = waves(settings)
    alone = sound_features(sounds[1:2], settings)[0]
    np.testing.assert_allclose(sound_features(sounds, settings)[1], alone, rtol=0, atol=2e-3)


def test_each_sound_has_its_own_mean_and_deviation():
    random = np.random.default_rng(0)
    decibels = random.normal(-30, 5, (3, 40, 8)).astype(np.float32)
    decibels[0, 25:] = decibels[0].min() - 10  # digital silence at the end
    decibels[1] = -100
    decibels[2] += np.arange(8) * 7  # another microphone
    scaled = scale_each(decibels).numpy()
    for row, frames in ((0, 25), (2, 40)):
        own = decibels[row, :frames]
        expected = (decibels[row] - own.mean(axis=0)) / own.std(axis=0)
        np.testing.assert_allclose(scaled[row], expected, atol=1e-3)
    assert not scaled[1].any()
    louder = decibels[2:] + np.linspace(-20, 20, 8, dtype=np.float32)
    np.testing.assert_allclose(scale_each(louder).numpy()[0], scaled[2], atol=1e-3)


@pytest.mark.parametrize("given", [{"features": "mfcc"}, {"features": "waveform"}, {"deltas": 1}])
def test_scaling_of_each_sound_is_for_bands_alone(given):
    with pytest.raises(ValueError, match="scaling='each' is for spectrograms and log-mel"):
        AudioSettings(scaling="each", **given)


def test_inputs_of_each_sound_do_not_depend_on_its_loudness():
    settings = AudioSettings(8000, 0.5, mel_bands=16, scaling="each")
    waves = np.random.default_rng(1).integers(-9000, 9000, (2, 4000)).astype(np.int16)
    make_inputs = AudioPreprocessor(settings).input_maker()
    quiet = make_inputs(waves // 3 * 3 // 3, None)
    np.testing.assert_allclose(make_inputs(waves // 3 * 3, None), quiet, atol=0.01)
