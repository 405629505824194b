import io

import numpy as np
import pytest
import soundfile

from mmkeras.data.kinds import AudioSettings
from mmkeras.data.media.sounds.plain_wav import decode_plain_wav, is_plain_wav
from mmkeras.data.media.sounds.sound import decode_sound

SETTINGS = AudioSettings(rate=8000, seconds=0.05)


def wav(samples, rate=8000, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", **{"subtype": "PCM_16", **options})
    return file.getvalue()


def noise(*shape):
    return np.random.default_rng(0).integers(-32768, 32768, shape).astype(np.int16)


@pytest.mark.parametrize("samples", [1, 399, 400, 401, 1000, 1001])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_plain_wav_gives_the_very_samples_of_the_decoder(samples, channels):
    contents = wav(noise(samples, channels))
    assert is_plain_wav(contents, 8000)
    decoded, seconds = decode_plain_wav(contents, SETTINGS)
    assert seconds == samples / 8000
    np.testing.assert_array_equal(decoded, decode_sound(contents, SETTINGS))


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"RIFF",
        wav(noise(10))[:-3],
        wav(noise(10))[:-2],
        wav(noise(10)) + b"\0\0",
        wav(noise(0)),
        wav(noise(10), rate=16000),
        wav(noise(10), subtype="PCM_24"),
        wav(noise(10).astype(np.float32) / 40000, subtype="FLOAT"),
        wav(noise(10, 3)),
        b"RIFX" + wav(noise(10))[4:],
    ],
    ids=["empty", "short", "cut in a sample", "cut", "more", "no sample", "other rate", "24 bits",
         "floats", "three channels", "big-endian"],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_decoder(contents):
    assert not is_plain_wav(contents, 8000)
