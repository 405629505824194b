"""Decode sound files, and the sound tracks of video files."""

from __future__ import annotations

import functools
import io
import os
import struct
import threading
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soundfile

from mmkeras.data.media.plain_file import open_plain_file, read_plain_file
from mmkeras.data.media.sounds.full_scale import full_scale
from mmkeras.data.media.sounds.riff import check_riff, riff_chunks, with_known_size
from mmkeras.data.media.sounds.sound_limits import MAX_VALUES, check_length, check_rate, to_float
from mmkeras.data.media.sounds.sound_track import container_format, decode_track, track_seconds
from mmkeras.data.media.tar_members import split_member

# A film may be this large; of it, no more than its sound track is kept in memory.
_MOST_BYTES = 2**36
_MOST_SAMPLES = 8 * MAX_VALUES  # bytes, of files that hold nothing but a sound
# Larger files are read piece by piece, or only once their header has said what is in them.
_SMALL = 2**24
_HEADER = 2**16
# What a file may have besides its samples: titles, pictures, padding.
_MOST_EXTRA = 2**26
_FLOATS = ("FLOAT", "DOUBLE")

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


def load_sound_file(path: str) -> bytes | str:
    """The contents of a plain file that may be a sound; of a large one its path, to be read later.

    A member of a tar file has no path that decoders could open: all of it is read.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no plain file, or too large; see `check_plain_file`.
    """
    if split_member(path):
        return read_plain_file(path, _MOST_BYTES)
    with open_plain_file(path, _MOST_BYTES) as file:
        return path if os.fstat(file.fileno()).st_size > _SMALL else file.read()


def read_sound(source: bytes | str) -> tuple[np.ndarray, int]:
    """Decodes a sound, or the sound track of a video.

    WAV and Ogg/Vorbis are read by tensorflow-io where it loads; these, FLAC, MP3, Ogg/Opus, AIFF,
    AU, CAF and others by libsndfile; M4A, AAC, MP4, MOV, WebM, MKV and AVI by FFmpeg. WAV comes
    out the same bit for bit from tensorflow-io and from libsndfile; Vorbis has the same number of
    samples, which differ by less than 1e-5. Of floats in the range of 16-bit integers, 32768 is
    full scale; see `mmkeras.data.media.sounds.full_scale`.

    Args:
        source: A whole file, or the path of a large one, of `load_sound_file`.

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
    source, container = _look(source)
    decoded = decode_track(source, container) if container else _decode_audio(source)
    samples, rate, is_float = decoded
    if not len(samples):
        raise ValueError("The sound lasts 0 seconds, or the file was cut off before it began.")
    # All have a peak, and so all are looked at: it is finite if every sample is.
    peak = max(float(samples.max()), -float(samples.min()))
    if (is_float and peak > 1) or not np.isfinite(peak):
        scale = full_scale(samples)
        samples = samples if scale == 1 else samples / np.float32(scale)
    return samples, rate


def sound_seconds(source: bytes | str) -> float:
    """How long a sound is, by its header where that says it: nothing is decoded then.

    Args:
        source: As for `read_sound`, which raises the same errors.
    """
    source, container = _look(source)
    seconds = None
    if container:
        seconds = track_seconds(source, container)
    else:
        with _open(source) as file:
            if file.frames <= 2**36:
                seconds = file.frames / file.samplerate
    if seconds is None:
        samples, rate = read_sound(source)
        seconds = len(samples) / rate
    return seconds


def _look(source: bytes | str) -> tuple[bytes | str, str | None]:
    """A sound with its WAV sizes mended, and FFmpeg's name for the format if it is FFmpeg's."""
    source = source if isinstance(source, str) else bytes(source)
    size = Path(source).stat().st_size if isinstance(source, str) else len(source)
    start = _start(source, _HEADER)
    if not size:
        raise ValueError("The sound is of zero bytes.")
    container = container_format(start, size)
    if container is None and size > _MOST_SAMPLES:
        raise ValueError(f"The file has {size} bytes. Of a sound at most {_MOST_SAMPLES} are read.")
    place = None if container else check_riff(start, size)
    if place is not None:
        with _open(source) as file:
            check_length(file.frames, file.channels, file.samplerate)
            contents = source if isinstance(source, bytes) else _read_whole(source, MAX_VALUES)
        source = with_known_size(contents, place)
    return source, container


def _start(source: bytes | str, size: int) -> bytes:
    if isinstance(source, bytes):
        return source[:size]
    with Path(source).open("rb") as file:
        return file.read(size)


def _read_whole(path: str, values: int) -> bytes:
    """The contents of a file that holds so many numbers, coded, and little else."""
    return read_plain_file(path, 8 * min(values, MAX_VALUES // 4) + _MOST_EXTRA)


def _is_plain_wav(contents: bytes, file: soundfile.SoundFile) -> bool:
    """Whether tensorflow-io can be trusted with a WAV file.

    A block of zero bytes makes it divide by zero, which ends the process. After a chunk of odd
    length it finds no samples, without an error.
    """
    if contents[:4] != b"RIFF":
        return False
    has_format = False
    for name, start, size in riff_chunks(contents, "<"):
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


def _open(source: bytes | str) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    # A TypeError: of files whose name says that they have no header.
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"Not a sound that can be read, or its header is damaged or cut off; it starts with "
            f"the bytes {_start(source, 12)!r}. Expected WAV, FLAC, MP3, Ogg, M4A or another "
            "common format."
        ) from error


def _decode_audio(source: bytes | str) -> tuple[np.ndarray, int, bool]:
    with _open(source) as file:
        check_rate(file.samplerate)
        if file.format == "FLAC" and file.frames > 2**36:
            # A FLAC file written to a pipe does not know its length.
            return decode_track(source, "flac")
        check_length(file.frames, file.channels, file.samplerate)
        if isinstance(source, str) and file.format == "OGG":
            source = _read_whole(source, file.frames * file.channels)
        samples = _decode_native(source, file) if isinstance(source, bytes) else None
        if samples is None:
            samples = _decode_soundfile(file)
        announced = file.frames
        if file.format == "MP3":
            # Without a count in its first frame, the number of samples is a guess from the size.
            # With one, the last frame may miss.
            announced = file.frames - 2304 if _mp3_has_count(source) else 0
        if len(samples) < announced:
            raise ValueError(
                f"The {file.format} file was cut off: its header announces {file.frames} samples, "
                f"and {len(samples)} are there. Fetch it again."
            )
        return samples, file.samplerate, file.subtype in _FLOATS


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
    return to_float(samples.numpy())


@functools.cache
def _any_shape() -> Any:
    import tensorflow as tf

    with tf.device("CPU"):
        return tf.constant([-1, -1], tf.int64)


def _decode_soundfile(file: soundfile.SoundFile) -> np.ndarray:
    try:
        # Without a count, it reads up to the end, which it looks for by seeking.
        frames = -1 if file.seekable() else file.frames
        return file.read(frames, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(
            f"The {file.format} file is damaged or was cut off: its samples cannot be read. "
            "Fetch it again."
        ) from error


def _mp3_has_count(source: bytes | str) -> bool:
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
        tag = file.read(10)
        start = 0
        if tag[:3] == b"ID3" and len(tag) == 10:
            a, b, c, d = tag[6:]
            start = 10 + (a << 21) + (b << 14) + (c << 7) + d
        file.seek(start)
        first_frame = file.read(64)
    return b"Xing" in first_frame or b"Info" in first_frame
