import dataclasses

import pytest

from mmkeras.data.kinds import (
    KINDS,
    AudioSettings,
    ImageSettings,
    SequenceSettings,
    TextSettings,
    VideoSettings,
)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_survive_a_dict_and_cannot_be_changed(kind):
    settings = KINDS[kind].settings()
    data = dataclasses.asdict(settings)
    # JSON knows no tuples.
    listed = {
        key: list(value) if isinstance(value, tuple) else value for key, value in data.items()
    }
    assert KINDS[kind].settings(**listed) == settings
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, next(iter(data)), 1)


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (ImageSettings, {"size": (0, 8)}, r"\(height, width\).*\(0, 8\)"),
        (ImageSettings, {"size": (8, 8, 3)}, r"\(height, width\)"),
        (ImageSettings, {"channels": 4}, r"`channels`.*\(1, 3\).*4"),
        (ImageSettings, {"resize": "zoom"}, "'zoom'"),
        (ImageSettings, {"scaling": "none"}, "standardize"),
        (ImageSettings, {"background": 256}, r"\[0, 255\].*256"),
        (ImageSettings, {"rotation": -1.0}, "degrees"),
        (ImageSettings, {"crop": 1.0}, r"`crop`.*\[0, 1\)"),
        (ImageSettings, {"shift": -0.1}, r"`shift`.*\[0, 1\)"),
        (TextSettings, {"representation": "words"}, "'words'"),
        (TextSettings, {"max_length": 0}, "`max_length`.*at least 1"),
        (TextSettings, {"characters": 1}, "at least 2"),
        (TextSettings, {"representation": "tokens", "ngrams": 2}, "for bags"),
        (AudioSettings, {"features": "mel"}, r"log_mel.*'mel'"),
        (AudioSettings, {"scaling": "unit"}, "'unit'"),
        (AudioSettings, {"deltas": 3}, r"\(0, 1, 2\).*3"),
        (AudioSettings, {"rate": 0}, "`rate` must be above 0"),
        (AudioSettings, {"seconds": -1.0}, "`seconds` must be above 0"),
        (AudioSettings, {"seconds": float("nan")}, "`seconds` must be a finite number or null"),
        (AudioSettings, {"shift": -1.0}, "`shift` must not be negative"),
        (AudioSettings, {"time_mask": 1.0}, r"`time_mask`.*\[0, 1\)"),
        (AudioSettings, {"hop": 1e-6}, r"`hop` must be at least a sample.*hop=1e-06"),
        (AudioSettings, {"hop": 2.0, "seconds": 1.0}, "at most `seconds`"),
        (AudioSettings, {"fft_length": 256}, "window's 400 samples.*256"),
        (AudioSettings, {"high_hz": 9000.0}, "half of `rate`, 8000 Hz"),
        (AudioSettings, {"low_hz": 4000.0, "high_hz": 300.0}, "low_hz=4000.0"),
        (AudioSettings, {"low_hz": 8000.0}, "low_hz=8000.0"),
        (AudioSettings, {"features": "mfcc", "coefficients": 65}, "65 and 64"),
        (AudioSettings, {"features": "waveform", "deltas": 1}, "not for waveforms"),
        (AudioSettings, {"features": "waveform", "time_masks": 1}, "not for waveforms"),
        (VideoSettings, {"frames": 0}, "`frames` must be at least 1"),
        (VideoSettings, {"rate": -1.0}, "`rate` must not be negative"),
        (VideoSettings, {"size": (8,)}, r"\(height, width\)"),
        (VideoSettings, {"channels": 2}, "`channels`"),
        (VideoSettings, {"shift": 1.5}, "`shift` is a share"),
        (SequenceSettings, {"max_length": 0}, "`max_length` must be at least 1"),
        (SequenceSettings, {"noise": -0.1}, "`noise` must not be negative"),
        (SequenceSettings, {"scaling": "unit"}, "'unit'"),
    ],
)
def test_impossible_settings_are_refused(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**options)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"features": "waveform"}, (8000, 1)),
        ({"features": "spectrogram"}, (101, 129)),
        ({"features": "spectrogram", "fft_length": 500}, (101, 251)),
        ({}, (101, 64)),
        ({"mel_bands": 40, "deltas": 2}, (101, 120)),
        ({"features": "mfcc", "coefficients": 13, "deltas": 1}, (101, 26)),
        ({"seconds": 0.505}, (51, 64)),
        ({"hop": 0.0125}, (81, 64)),
    ],
)
def test_the_shape_of_a_sounds_features(options, shape):
    settings = AudioSettings(**{"rate": 8000, "seconds": 1.0, **options})
    assert settings.shape == shape
    assert settings.window_samples == 200
    assert settings.fft_points == (settings.fft_length or 256)


def test_a_videos_frames_are_images_on_black():
    image = VideoSettings(size=[9, 7], channels=1, resize="pad", flip=True, crop=0.1).image
    assert image == ImageSettings(
        size=(9, 7), channels=1, resize="pad", background=0, flip=True, crop=0.1
    )
