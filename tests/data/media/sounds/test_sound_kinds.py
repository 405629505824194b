"""Every kind of sound file gives the numbers of the library that reads it."""

import io

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from mmkeras.data.kinds import KINDS, AudioSettings
from mmkeras.data.media.sounds.full_scale import full_scale
from mmkeras.data.media.sounds.sound_file import load_sound_file, read_sound, sound_seconds
from mmkeras.data.media.stores import MediaStore
from tests.data.media.sounds.test_sound import container, encoded

RNG = np.random.default_rng(0)

# Format, coding, rate, channels, byte order.
KINDS_OF_FILES = [
    ("WAV", "PCM_U8", 8000, 1, "FILE"),
    ("WAV", "PCM_16", 16000, 1, "FILE"),
    ("WAV", "PCM_16", 44100, 2, "FILE"),
    ("WAV", "PCM_16", 8000, 8, "FILE"),
    ("WAV", "PCM_16", 16000, 1, "BIG"),
    ("WAV", "PCM_24", 48000, 2, "FILE"),
    ("WAV", "PCM_32", 96000, 1, "FILE"),
    ("WAV", "FLOAT", 22050, 2, "FILE"),
    ("WAV", "DOUBLE", 16000, 1, "FILE"),
    ("WAV", "ALAW", 8000, 1, "FILE"),
    ("WAV", "ULAW", 8000, 2, "FILE"),
    ("WAV", "IMA_ADPCM", 16000, 1, "FILE"),
    ("WAV", "MS_ADPCM", 16000, 2, "FILE"),
    ("WAV", "GSM610", 8000, 1, "FILE"),
    ("WAVEX", "PCM_24", 48000, 6, "FILE"),
    ("RF64", "PCM_16", 16000, 1, "FILE"),
    ("W64", "PCM_24", 32000, 2, "FILE"),
    ("FLAC", "PCM_16", 16000, 1, "FILE"),
    ("FLAC", "PCM_24", 96000, 2, "FILE"),
    ("OGG", "VORBIS", 44100, 2, "FILE"),
    ("OGG", "OPUS", 48000, 1, "FILE"),
    ("MP3", "MPEG_LAYER_III", 44100, 2, "FILE"),
    ("AIFF", "PCM_16", 44100, 2, "FILE"),
    ("AIFF", "FLOAT", 16000, 1, "FILE"),
    ("AU", "PCM_16", 8000, 1, "FILE"),
    ("AU", "ULAW", 8000, 1, "FILE"),
    ("CAF", "ALAC_16", 44100, 2, "FILE"),
    ("CAF", "FLOAT", 16000, 1, "FILE"),
    ("NIST", "PCM_16", 16000, 1, "FILE"),
    ("VOC", "PCM_16", 16000, 1, "FILE"),
]


@pytest.mark.parametrize("kind", KINDS_OF_FILES, ids=lambda kind: "-".join(map(str, kind)))
def test_samples_are_those_of_soundfile(kind, tmp_path):
    fmt, subtype, rate, channels, endian = kind
    sound = np.clip(RNG.normal(0, 0.2, (rate // 10, channels)), -0.99, 0.99)
    contents = encoded(sound, rate, fmt, subtype, endian=endian)
    with soundfile.SoundFile(io.BytesIO(contents)) as file:
        theirs, their_rate = file.read(file.frames, "float32", always_2d=True), file.samplerate
    (tmp_path / "sound").write_bytes(contents)
    for source in (contents, load_sound_file(str(tmp_path / "sound")), str(tmp_path / "sound")):
        ours, our_rate = read_sound(source)
        assert our_rate == their_rate == rate
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 if subtype == "VORBIS" else 0)
        seconds = sound_seconds(source)
        assert seconds == pytest.approx(len(theirs) / rate, abs=0.06 if fmt == "MP3" else 1e-9)


@pytest.mark.parametrize(
    ("fmt", "codec", "video"),
    [
        ("mp4", "aac", "mpeg4"),
        ("ipod", "aac", None),
        ("adts", "aac", None),
        ("mov", "pcm_f32le", "mpeg4"),
        ("matroska", "pcm_s16le", None),
        ("webm", "libopus", None),
        ("avi", "ac3", "mpeg4"),
    ],
)
def test_samples_are_those_of_pyav(fmt, codec, video, tmp_path):
    contents = container(fmt, codec, RNG.normal(0, 0.2, (12000, 2)), video=video)
    with av.open(io.BytesIO(contents)) as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
    planar = len(frames[0]) == 2
    theirs = np.concatenate([f.T if planar else f.reshape(-1, 2) for f in frames])
    theirs = theirs / np.float32(32768 if theirs.dtype == np.int16 else 1)
    (tmp_path / "sound").write_bytes(contents)
    for source in (contents, str(tmp_path / "sound")):
        ours, rate = read_sound(source)
        assert rate == 48000
        np.testing.assert_array_equal(ours, theirs)
        assert sound_seconds(source) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("fmt", ["WAV", "AIFF", "CAF"])
def test_floats_in_the_range_of_integers_are_scaled(fmt, subtype):
    integers = np.round(RNG.normal(0, 6000, (4000, 2))).clip(-32768, 32767)
    expected, _ = read_sound(encoded(integers.astype(np.int16), fmt="WAV"))
    for floats in (integers, integers / 100):  # loud and quiet, whole and not
        scale = floats[0, 0] / integers[0, 0]
        ours, _ = read_sound(encoded(floats, fmt=fmt, subtype=subtype))
        np.testing.assert_allclose(ours, expected * scale, rtol=1e-6)
    ours, _ = read_sound(encoded(integers * 256, fmt=fmt, subtype=subtype))
    np.testing.assert_array_equal(ours, expected)


def test_floats_in_another_container_are_scaled():
    samples, _ = read_sound(container("mov", "pcm_f32le", RNG.normal(0, 6000, (4000, 2))))
    assert 0.1 < samples.std() < 0.3


@pytest.mark.parametrize(
    ("peak", "scale"),
    [
        (0.0, 1),
        (1.0, 1),
        (1.3, 1),  # a little too loud, as mixing makes it
        (2.0, 32768),  # whole numbers: a nearly silent recording
        (3.9, 1),
        (100.5, 32768),
        (32767.0, 32768),
        (33000.25, 32768),  # resampled 16-bit numbers overshoot
        (8e6, 2**23),
        (2.0**31, 2**31),
    ],
)
def test_full_scale(peak, scale):
    samples = np.array([0.0, peak / 4, -peak]) if peak % 1 else np.array([0.0, peak, -1.0])
    assert full_scale(samples) == scale


@pytest.mark.parametrize("peak", [4.1, 37.5, 1e10])
def test_floats_of_no_known_scale_are_refused(peak):
    with pytest.raises(ValueError, match=r"floats up to .*divide them"):
        read_sound(encoded(np.array([0.1, -peak]), subtype="DOUBLE"))


def test_arrays_and_files_of_floats_have_one_rule():
    kind, settings = KINDS["audio"], AudioSettings(rate=8000, seconds=0.1)
    integers = np.round(RNG.normal(0, 6000, 800)).clip(-32768, 32767)
    cells = [integers.astype(np.int16), integers, integers.astype(np.float32), integers / 32768]
    assert [kind.array_problem(cell) for cell in cells] == [None] * 4
    cells += [encoded(integers, 8000, subtype="FLOAT"), encoded(integers, 8000, subtype="DOUBLE")]
    store = MediaStore(kind, pd.Series(cells, dtype=object), settings, "memory")
    assert store.readable.all()
    np.testing.assert_array_equal(store.values, store.values[[0] * 6])
    assert "16-bit integers" in kind.array_problem(np.full(800, 37.5))


def test_int16_arrays_of_channels_are_sounds():
    kinds = [KINDS["image"], KINDS["audio"]]
    stereo = RNG.integers(-9000, 9000, (8000, 2)).astype(np.int16)
    assert [kind.is_array(stereo) for kind in kinds] == [False, True]
