import concurrent.futures
import fractions
import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
import soundfile

from mmkeras.data.kinds import AudioSettings
from mmkeras.data.media.sounds import sound_file
from mmkeras.data.media.sounds.sound import decode_sound, fit_sound, mix_at_snr
from mmkeras.data.media.sounds.sound_file import read_sound

needs_tensorflow_io = pytest.mark.skipif(
    sound_file.tensorflow_io_audio() is None, reason="tensorflow-io does not load here"
)


def tones(samples=6000, channels=2, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.05, (samples, channels))
    return np.sin(np.arange(samples) * 0.1)[:, None] * 0.5 + noise


def encoded(samples, rate=16000, fmt="WAV", subtype="PCM_16", **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=fmt, subtype=subtype, **options)
    return file.getvalue()


def container(fmt, codec, samples, rate=48000, video=None, path=None):
    """A file of FFmpeg's, with a sound track and perhaps a picture track."""
    file = io.BytesIO()
    # FFmpeg opens a second time a file whose index it moves to the front.
    options = {"movflags": "faststart"} if path else {}
    with av.open(str(path) if path else file, "w", format=fmt, options=options) as output:
        streams = []
        if video:
            pictures = output.add_stream(video, rate=10)
            pictures.width = pictures.height = 32
            pictures.pix_fmt = "yuv420p"
            frames = [
                av.VideoFrame.from_ndarray(np.full((32, 32, 3), i, np.uint8)) for i in range(3)
            ]
            streams.append((pictures, frames))
        if codec:
            stream = output.add_stream(codec, rate=rate, layout="stereo")
            if stream.codec_context.format.name == "s16":
                values = np.round(samples * 32767).astype(np.int16).reshape(1, -1)
            elif not stream.codec_context.format.is_planar:
                values = samples.astype(np.float32).reshape(1, -1)
            else:
                values = np.ascontiguousarray(samples.T, np.float32)
            frame = av.AudioFrame.from_ndarray(
                values, format=stream.codec_context.format.name, layout="stereo"
            )
            frame.rate, frame.time_base, frame.pts = rate, fractions.Fraction(1, rate), 0
            streams.append((stream, [frame]))
        for stream, frames in streams:
            for frame in [*frames, None]:
                output.mux(stream.encode(frame))
    return path.read_bytes() if path else file.getvalue()


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def without_tensorflow_io(monkeypatch):
    monkeypatch.setattr(sound_file, "tensorflow_io_audio", lambda: None)


@needs_tensorflow_io
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(
    ("fmt", "subtype"),
    list(sound_file._NATIVE_TYPES),
)
def test_both_decoders_agree(fmt, subtype, channels, monkeypatch):
    contents = encoded(tones(channels=channels), fmt=fmt, subtype=subtype)
    decode, native = sound_file._decode_native, []
    monkeypatch.setattr(
        sound_file, "_decode_native", lambda *given: native.append(decode(*given)) or native[-1]
    )
    samples, rate = read_sound(contents)
    assert samples is native[-1]
    without_tensorflow_io(monkeypatch)
    again, rate_again = read_sound(contents)
    assert native[-1] is None
    assert rate == rate_again == 16000
    assert samples.dtype == again.dtype == np.float32
    assert samples.shape == again.shape == (6000, channels)
    if fmt == "OGG":
        np.testing.assert_allclose(samples, again, rtol=0, atol=1e-5)
    else:
        np.testing.assert_array_equal(samples, again)
        np.testing.assert_allclose(samples, tones(channels=channels), rtol=0, atol=0.02)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_has_as_many_samples_as_were_encoded(rate, mode):
    contents = encoded(
        tones(20000), rate, "MP3", "MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.5
    )
    samples, rate_read = read_sound(contents)
    assert rate_read == rate
    assert samples.shape == (20000, 2)
    # The encoder's delay is cut away: the tone stands where it stood.
    products = samples[5000:15000, 0] @ tones(20000)[5000:15000, 0]
    assert products / np.sum(tones(20000)[5000:15000, 0] ** 2) > 0.9


@pytest.mark.parametrize(
    ("fmt", "subtype"),
    [
        ("WAV", "PCM_32"),
        ("WAV", "DOUBLE"),
        ("WAV", "ULAW"),
        ("RF64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("FLAC", "PCM_S8"),
        ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("OGG", "OPUS"),
    ],
)
def test_formats_of_libsndfile_only(fmt, subtype):
    samples, rate = read_sound(encoded(tones(), 48000, fmt, subtype))
    assert rate == 48000
    assert samples.shape == (6000, 2)
    np.testing.assert_allclose(samples, tones(), rtol=0, atol=0.3 if subtype == "OPUS" else 0.02)


@pytest.mark.parametrize(
    ("fmt", "codec", "video"),
    [
        ("mp4", "aac", "mpeg4"),
        ("mov", "pcm_s16le", "mpeg4"),
        ("avi", "pcm_s16le", "mpeg4"),
        ("matroska", "pcm_s16le", "mpeg4"),
        ("webm", "libopus", "libvpx"),
        ("ipod", "aac", None),
        ("adts", "aac", None),
    ],
)
def test_sound_tracks(fmt, codec, video):
    tone = np.sin(2 * np.pi * 500 * np.arange(24000) / 48000)[:, None] * [0.5, 0.25]
    samples, rate = read_sound(container(fmt, codec, tone, video=video))
    assert rate == 48000
    assert samples.dtype == np.float32
    # Opus and bare AAC keep the encoder's delay, or a last block filled up.
    assert 24000 - 1024 <= len(samples) <= 24000 + 2 * 2048
    middle = samples[8000:16000]
    np.testing.assert_allclose(np.abs(middle).max(0), [0.5, 0.25], atol=0.02)
    if codec.startswith("pcm"):
        np.testing.assert_allclose(samples, tone, rtol=0, atol=1e-4)


def test_a_sound_track_that_is_missing_or_cut_off(tmp_path):
    with pytest.raises(ValueError, match="no sound track"):
        read_sound(container("mp4", None, None, video="mpeg4"))
    whole = container("avi", "pcm_s16le", np.tile(tones(), (20, 1)))
    with pytest.raises(ValueError, match="cut off"):
        read_sound(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged or was cut off"):
        read_sound(container("mp4", "aac", tones(24000))[:2000])
    unknown = container("mov", "pcm_s16le", tones()).replace(b"sowt", b"????")
    with pytest.raises(ValueError, match="unknown coding"):
        read_sound(unknown)
    whole = container("mov", "pcm_s16le", np.tile(tones(), (20, 1)), path=tmp_path / "a.mov")
    with pytest.raises(ValueError, match=r"announces 2\.5 seconds and ends"):
        read_sound(whole[: len(whole) // 2])


@pytest.mark.parametrize("native", [True, False])
def test_chunks_around_the_samples_do_not_matter(native, monkeypatch):
    if not native:
        without_tensorflow_io(monkeypatch)
    plain = encoded(tones())
    for before, after in [(b"", b"abc"), (b"abc", b""), (b"abcd", b"abcd"), (b"x" * 603, b"")]:
        body = b"WAVE" + plain[12:36] + chunk(b"LIST", before) + plain[36:] + chunk(b"LIST", after)
        samples, _ = read_sound(chunk(b"RIFF", body))
        np.testing.assert_array_equal(samples, read_sound(plain)[0])


@pytest.mark.parametrize("native", [True, False])
def test_wav_of_unknown_length_is_read_to_its_end(native, monkeypatch):
    if not native:
        without_tensorflow_io(monkeypatch)
    plain = encoded(tones())
    for size in (0, 0xFFFFFFFF, 0x7FFFF000):
        field = struct.pack("<I", size)
        for streamed in (
            plain[:4] + field + plain[8:40] + field + plain[44:],
            plain[:4] + struct.pack("<I", 36) + plain[8:40] + field + plain[44:],
        ):
            np.testing.assert_array_equal(read_sound(streamed)[0], read_sound(plain)[0])


def test_flac_of_unknown_length_is_read_to_its_end():
    for subtype in ("PCM_16", "PCM_24"):
        plain = encoded(tones(), fmt="FLAC", subtype=subtype)
        streamed = bytearray(plain)
        streamed[21] &= 0xF0
        streamed[22:26] = bytes(4)
        np.testing.assert_array_equal(read_sound(bytes(streamed))[0], read_sound(plain)[0])


def test_a_format_that_would_end_the_process_is_not_given_to_tensorflow_io():
    plain = encoded(tones())
    no_block = plain[:32] + bytes(2) + plain[34:]
    try:
        samples, _ = read_sound(no_block)
    except ValueError:
        return
    assert samples.shape == (6000, 2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("fmt", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAVEX", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_damaged_files_are_read_or_refused_in_time(fmt, subtype, seed, capfd):
    rng = np.random.default_rng(seed)
    contents = encoded(tones(3000), 16000, fmt, subtype)
    for attempt in range(30):
        damaged = bytearray(contents)
        for place in rng.integers(0, 200 if attempt % 2 else len(contents), 4):
            damaged[place] = rng.integers(256)
        if attempt % 3 == 0:
            damaged = damaged[: rng.integers(1, len(damaged))]
        try:
            samples, _ = read_sound(bytes(damaged))
        except ValueError:
            continue
        assert np.isfinite(samples).all()


def with_rate(contents, rate):
    return contents[:24] + struct.pack("<I", rate) + contents[28:]


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "zero bytes"),
        (lambda: b"hello world" * 100, "Not a sound"),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), "Not a sound"),
        (lambda: b"#EXTM3U\nhttp://localhost/a.mp3\n", "Not a sound"),
        (lambda: encoded(tones())[:30], "cut off"),
        (lambda: encoded(tones())[:-1], "24000 bytes of samples, and 23999 are there"),
        (lambda: encoded(tones(0)), "0 seconds"),
        (lambda: chunk(b"RIFF", encoded(tones(0))[8:] + chunk(b"LIST", b"abcd")), "0 seconds"),
        (lambda: encoded(tones(20000), fmt="FLAC")[:20000], "cut off"),
        (lambda: encoded(tones(20000), 44100, "MP3", "MPEG_LAYER_III")[:3000], "cut off"),
        (lambda: encoded(tones(50000), fmt="OGG", subtype="VORBIS")[:6000], "cut off"),
        (lambda: with_rate(encoded(tones()), 800_000), "800000 samples per second"),
        (lambda: with_rate(encoded(tones(20000)), 1), "20000 seconds"),
        (lambda: encoded([0.0, np.nan], subtype="FLOAT"), "not finite"),
        (lambda: encoded([0.0, -np.inf], subtype="DOUBLE"), "not finite"),
    ],
)
def test_errors_in_words(make, message, native, monkeypatch, capfd):
    if not native:
        without_tensorflow_io(monkeypatch)
    with pytest.raises(ValueError, match=message):
        read_sound(make())


def test_an_absurd_number_of_samples_is_refused_before_decoding():
    contents = bytearray(encoded(tones(), 44100, "FLAC"))
    contents[21] |= 0x0F
    with pytest.raises(ValueError, match="At most 14400 seconds"):
        read_sound(bytes(contents))


def test_channels_are_averaged_and_length_is_fixed():
    settings = AudioSettings(rate=8000, seconds=0.01)
    short = fit_sound(np.array([[0.5, 0.0], [2.0, 2.0], [-2.0, -2.0]]), 8000, settings)
    assert short.dtype == np.int16
    assert short.shape == (80,)
    np.testing.assert_array_equal(short[:4], [8192, 32767, -32767, 0])
    long = fit_sound(np.arange(100)[:, None] / 32767, 8000, settings)
    np.testing.assert_array_equal(long, np.arange(10, 90))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 15999])
@pytest.mark.parametrize("seconds", [0.05, 1.0, 3.0])
def test_cutting_before_resampling_changes_nothing(rate, seconds):
    samples = tones(int(rate * 2.4), 1)
    settings = AudioSettings(rate=16000, seconds=seconds)
    divisor = np.gcd(rate, 16000)
    whole = samples[:, 0]
    if rate != 16000:
        whole = scipy.signal.resample_poly(whole, 16000 // divisor, rate // divisor)
    start = max(0, (len(whole) - settings.samples) // 2)
    expected = np.zeros(settings.samples, np.int16)
    kept = whole[start : start + settings.samples]
    expected[: len(kept)] = np.rint(np.clip(kept, -1, 1) * 32767)
    np.testing.assert_array_equal(fit_sound(samples, rate, settings), expected)


def test_resampling_keeps_a_tone():
    settings = AudioSettings(rate=16000, seconds=0.5)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    fitted = fit_sound(tone[:, None], 44100, settings) / 32767
    # The middle half of a second starts at a quarter.
    expected = 0.5 * np.sin(2 * np.pi * 440 * (0.25 + np.arange(8000) / 16000))
    np.testing.assert_allclose(fitted, expected, atol=2e-3)


def test_threads_get_what_one_thread_gets():
    settings = AudioSettings(rate=8000, seconds=1.0)
    files = [encoded(tones(3000, seed=i), 11025, "FLAC") for i in range(40)]
    alone = [decode_sound(contents, settings) for contents in files]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda contents: decode_sound(contents, settings), files))
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("snr", [-10.0, 0.0, 15.0])
def test_mix_at_snr(snr):
    rng = np.random.default_rng(0)
    signal, noise = rng.normal(0, 0.3, 1000), rng.uniform(-1, 1, 1000)
    mixed = mix_at_snr(signal, noise, snr)
    ratio = np.mean(signal**2) / np.mean((mixed - signal) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(snr, abs=1e-9)
    with pytest.raises(ValueError, match="silent"):
        mix_at_snr(signal, np.zeros(1000), snr)
    with pytest.raises(ValueError, match="shapes"):
        mix_at_snr(signal, noise[:5], snr)


@needs_tensorflow_io
@pytest.mark.skipif(
    not (Path(os.environ.get("MMKERAS_DATA", "")) / "fsdd" / "recordings").is_dir(),
    reason="needs MMKERAS_DATA with fsdd/recordings",
)
def test_both_decoders_agree_on_spoken_digits(monkeypatch):
    folder = Path(os.environ["MMKERAS_DATA"]) / "fsdd" / "recordings"
    files = [path.read_bytes() for path in sorted(folder.glob("*.wav"))[::50]]
    native = [read_sound(contents) for contents in files]
    without_tensorflow_io(monkeypatch)
    for (samples, rate), contents in zip(native, files, strict=True):
        again, rate_again = read_sound(contents)
        assert rate == rate_again == 8000
        np.testing.assert_array_equal(samples, again)


@pytest.mark.slow
def test_reading_prints_nothing():
    code = (
        "import io, mmkeras, soundfile\n"
        "from mmkeras.data.media.sounds.sound_file import read_sound\n"
        "file = io.BytesIO()\n"
        "soundfile.write(file, [0.5] * 100, 8000, format='WAV')\n"
        "read_sound(file.getvalue())\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
