"""Decode sound files, and the sound tracks of video files."""

from __future__ import annotations

import functools
import io
import struct
import threading
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import soundfile

from mmkeras.data.media.plain_file import read_plain_file

MAX_RATE = 768_000
MAX_SECONDS = 4 * 3600
# 2 GiB once decoded. A few kilobytes of FLAC can hold hours of silence.
MAX_VALUES = 2**29
# As many values of 64 bits, without compression.
_MOST_BYTES = 8 * MAX_VALUES

# Formats of FFmpeg, by the bytes that a file starts with. They are given to FFmpeg by name: left
# to guess, it would also take a playlist, and open whatever files or addresses are in it.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")

# What tensorflow-io is given to read, by libsndfile's names for format and coding, with the type
# to ask it for. It takes 32-bit integers for floats, and 64-bit floats not at all. It reads FLAC
# and MP3 too, and as libsndfile does, but a damaged file of either makes it run for ever.
_NATIVE_TYPES = {
    **dict.fromkeys([("WAV", "PCM_U8"), ("WAVEX", "PCM_U8")], "uint8"),
    **dict.fromkeys([("WAV", "PCM_16"), ("WAVEX", "PCM_16")], "int16"),
    **dict.fromkeys([("WAV", "PCM_24"), ("WAVEX", "PCM_24")], "int32"),
    **dict.fromkeys([("WAV", "FLOAT"), ("WAVEX", "FLOAT")], "float32"),
    ("OGG", "VORBIS"): "float32",
}
_import_lock = threading.Lock()


@functools.cache
def tensorflow_io_audio() -> ModuleType | None:
    """tensorflow-io's `audio` module, or `None` where its compiled part does not load.

    It loads on the one TensorFlow version that it was compiled for. Elsewhere, sounds are decoded
    by libsndfile, with the same results (Vorbis: to 1e-5).
    """
    # `catch_warnings` changes the whole process, so one thread at a time.
    with _import_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import tensorflow_io
            from tensorflow_io.python.ops import core_ops

            # The library is loaded when it is first asked for something.
            core_ops.io_audio_decode_wav  # noqa: B018
        except (ImportError, NotImplementedError, AttributeError, OSError):
            return None
        return tensorflow_io.audio


def read_sound_file(path: str) -> bytes:
    """The contents of a plain file that may be a sound; see `check_plain_file`."""
    return read_plain_file(path, _MOST_BYTES)


def read_sound(contents: bytes) -> tuple[np.ndarray, int]:
    """Decodes a sound, or the sound track of a video.

    WAV and Ogg/Vorbis are read by tensorflow-io where it loads; these, FLAC, MP3, Ogg/Opus, AIFF,
    AU, CAF and others by libsndfile; M4A, AAC, MP4, MOV, WebM, MKV and AVI by FFmpeg. WAV comes
    out the same bit for bit from tensorflow-io and from libsndfile; Vorbis has the same number of
    samples, which differ by less than 1e-5.

    Args:
        contents: A whole file.

    Returns:
        Samples, float32, `(samples, channels)`, of full scale [-1, 1] (lossy codings and files of
        floats may go a little beyond), and their rate in hertz.

    Raises:
        ValueError: Not a sound, damaged, cut off, empty, without a sound track, longer than
            `MAX_SECONDS`, larger than `MAX_VALUES`, or with a rate above `MAX_RATE`.

    Example:
        >>> import io, soundfile
        >>> file = io.BytesIO()
        >>> soundfile.write(file, [0.0, 0.5, -0.5], 8000, format="WAV")
        >>> samples, rate = read_sound(file.getvalue())
        >>> samples.ravel().tolist(), rate
        ([0.0, 0.5, -0.5], 8000)
    """
    contents = bytes(contents)
    if not contents:
        raise ValueError("The sound is of zero bytes.")
    container = _ffmpeg_format(contents)
    if container:
        samples, rate = _decode_ffmpeg(contents, container)
    else:
        samples, rate = _decode_audio(_check_riff(contents))
    if not len(samples):
        raise ValueError("The sound lasts 0 seconds, or the file was cut off before it began.")
    if not np.isfinite(samples).all():
        raise ValueError("The sound has samples that are not finite numbers (NaN or infinity).")
    return samples, rate


def _ffmpeg_format(contents: bytes) -> str | None:
    if contents[4:8] in _MP4_BOXES:
        return "mov"
    if contents.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if contents[:4] == b"RIFF" and contents[8:12] == b"AVI ":
        (size,) = struct.unpack_from("<I", contents, 4)
        if len(contents) < size + 8 < 2**32:
            raise ValueError(
                f"The AVI file was cut off: its header announces {size + 8} bytes, and "
                f"{len(contents)} are there. Fetch it again."
            )
        return "avi"
    # AAC's frames start as MP3's do, but with 0 for the layer.
    if len(contents) > 1 and contents[0] == 0xFF and contents[1] & 0xF6 == 0xF0:
        return "aac"
    return None


def _check_riff(contents: bytes) -> bytes:
    """Compares a WAV file's sizes with its length, as libsndfile does not; mends unknown ones."""
    order = {b"RIFF": "<", b"RIFX": ">"}.get(contents[:4])
    if order is None or contents[8:12] != b"WAVE":
        return contents
    for name, start, size in _riff_chunks(contents, order):
        if name != b"data":
            continue
        there = len(contents) - start
        (whole,) = struct.unpack_from(order + "I", contents, 4)
        # A writer to a pipe cannot go back to fill in the length: FFmpeg leaves all ones, SoX
        # nearly 2 GiB, others 0. An empty file says 0 too, but knows its own length.
        is_unknown = size == 0xFFFFFFFF or 0x7FFFE000 <= size <= 0x7FFFF000
        if is_unknown or (size == 0 and there and whole + 8 < len(contents)):
            return contents[: start - 4] + struct.pack(order + "I", there) + contents[start:]
        if size > there:
            raise ValueError(
                f"The WAV file was cut off: its header announces {size} bytes of samples, and "
                f"{there} are there. Fetch it again."
            )
        break
    return contents


def _riff_chunks(contents: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the contents and size of each chunk."""
    start = 20
    while start <= len(contents):
        (size,) = struct.unpack_from(order + "I", contents, start - 4)
        yield contents[start - 8 : start - 4], start, size
        start += size + size % 2 + 8


def _is_plain_wav(contents: bytes, file: soundfile.SoundFile) -> bool:
    """Whether tensorflow-io can be trusted with a WAV file.

    A block of zero bytes makes it divide by zero, which ends the process. After a chunk of odd
    length it finds no samples, without an error.
    """
    if contents[:4] != b"RIFF":
        return False
    has_format = False
    for name, start, size in _riff_chunks(contents, "<"):
        if name == b"data":
            return has_format
        if size % 2:
            return False
        if name == b"fmt ":
            if has_format or not 16 <= size <= len(contents) - start:
                return False
            channels, _, _, block, bits = struct.unpack_from("<HIIHH", contents, start + 2)
            if channels != file.channels or bits % 8 or block != channels * bits // 8:
                return False
            has_format = True
    return False


def _decode_audio(contents: bytes) -> tuple[np.ndarray, int]:
    try:
        file = soundfile.SoundFile(io.BytesIO(contents))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(
            f"Not a sound that can be read, or its header is damaged or cut off; it starts with "
            f"the bytes {contents[:12]!r}. Expected WAV, FLAC, MP3, Ogg, M4A or another common "
            "format."
        ) from error
    with file:
        _check_rate(file.samplerate)
        if file.format == "FLAC" and file.frames > 2**36:
            # A FLAC file written to a pipe does not know its length.
            return _decode_ffmpeg(contents, "flac")
        _check_length(file.frames, file.channels, file.samplerate)
        samples = _decode_native(contents, file)
        if samples is None:
            samples = _decode_soundfile(file)
        announced = file.frames
        if file.format == "MP3":
            # Without a count in its first frame, the number of samples is a guess from the size.
            # With one, the last frame may miss.
            announced = file.frames - 2304 if _mp3_has_count(contents) else 0
        if len(samples) < announced:
            raise ValueError(
                f"The {file.format} file was cut off: its header announces {file.frames} samples, "
                f"and {len(samples)} are there. Fetch it again."
            )
        return samples, file.samplerate


def _decode_native(contents: bytes, file: soundfile.SoundFile) -> np.ndarray | None:
    """Decodes with tensorflow-io; `None` for what it does not read as libsndfile does."""
    dtype = _NATIVE_TYPES.get((file.format, file.subtype))
    audio = tensorflow_io_audio() if dtype else None
    if audio is None:
        return None
    import tensorflow as tf

    try:
        if file.format == "OGG":
            samples = audio.decode_vorbis(contents)
        elif _is_plain_wav(contents, file):
            # A tensor, as TensorFlow converts bytes in a way that takes three times as long.
            samples = audio.decode_wav(
                tf.constant(contents), shape=_any_shape(), dtype=tf.as_dtype(dtype)
            )
        else:
            return None
    except tf.errors.OpError:
        return None
    # What they disagree on is libsndfile's to judge.
    if samples.shape != (file.frames, file.channels):
        return None
    return _to_float(samples.numpy())


@functools.cache
def _any_shape() -> Any:
    import tensorflow as tf

    with tf.device("CPU"):
        return tf.constant([-1, -1], tf.int64)


def _decode_soundfile(file: soundfile.SoundFile) -> np.ndarray:
    try:
        return file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(
            f"The {file.format} file is damaged or was cut off: its samples cannot be read. "
            "Fetch it again."
        ) from error


def _mp3_has_count(contents: bytes) -> bool:
    start = 0
    if contents[:3] == b"ID3" and len(contents) > 10:
        a, b, c, d = contents[6:10]
        start = 10 + (a << 21) + (b << 14) + (c << 7) + d
    first_frame = contents[start : start + 64]
    return b"Xing" in first_frame or b"Info" in first_frame


def _decode_ffmpeg(contents: bytes, container: str) -> tuple[np.ndarray, int]:
    # Here, as it loads all of FFmpeg, and most data has no need of it.
    import av

    parts: list[np.ndarray] = []
    count, ends, duration = 0, 0.0, 0.0
    try:
        # Titles in another encoding than UTF-8 are not a reason to refuse a sound.
        with av.open(io.BytesIO(contents), format=container, metadata_errors="ignore") as file:
            if not file.streams.audio:
                raise ValueError(
                    "The video has no sound track. If that is right, give the sounds a column of "
                    "their own and leave this cell empty."
                )
            stream = file.streams.audio[0]
            if stream.codec_context is None:
                raise ValueError(
                    "The sound track has an unknown coding. Convert it, for example to FLAC."
                )
            rate, channels = stream.rate, stream.codec_context.channels
            _check_rate(rate)
            if stream.duration and stream.time_base:
                duration = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
                _check_length(int(stream.duration * stream.time_base * rate), channels, rate)
            for frame in file.decode(stream):
                if (frame.rate, frame.layout.nb_channels) != (rate, channels):
                    raise ValueError(
                        f"The sound changes from {rate} Hz and {channels} channel(s) to "
                        f"{frame.rate} Hz and {frame.layout.nb_channels} midway. Convert it "
                        "to one of them."
                    )
                values = frame.to_ndarray()
                # Planar: a row for each channel. Otherwise one row, channels in turn.
                values = values.T if frame.format.is_planar else values.reshape(-1, channels)
                parts.append(_to_float(values))
                count += len(values)
                ends = (frame.time or 0.0) + len(values) / rate
                _check_length(count, channels, rate)
    except av.FFmpegError as error:
        raise ValueError(
            f"The file looks like {container}, but is damaged or was cut off: its sound cannot be "
            "read. Fetch it again."
        ) from error
    # Only here is the track's length written down; elsewhere it is a guess from the file's size.
    if container == "mov" and ends < duration - 0.5:
        raise ValueError(
            f"The file was cut off: its sound track announces {duration:.1f} seconds and "
            f"ends after {ends:.1f}. Fetch it again."
        )
    samples = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    return samples, rate


def _to_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) / np.float32(2 ** (8 * samples.itemsize - 1))
    return np.ascontiguousarray(samples, np.float32)


def _check_rate(rate: int) -> None:
    if not 1 <= rate <= MAX_RATE:
        raise ValueError(
            f"The sound's header announces {rate} samples per second. Expected 1 to {MAX_RATE}."
        )


def _check_length(count: int, channels: int, rate: int) -> None:
    if count > MAX_SECONDS * rate or count * channels > MAX_VALUES:
        raise ValueError(
            f"The sound has {count} samples of {channels} channel(s), {count / rate:.0f} seconds. "
            f"At most {MAX_SECONDS} seconds and {MAX_VALUES} values are read: cut it into shorter "
            "files."
        )
