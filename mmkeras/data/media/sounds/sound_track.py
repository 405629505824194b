"""Decode by FFmpeg what libsndfile does not: AAC, and the sound tracks of video files."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.data.media.sounds.sound_limits import check_length, check_rate, to_float

# Formats of FFmpeg, by the bytes that a file starts with. They are given to FFmpeg by name: left
# to guess, it would also take a playlist, and open whatever files or addresses are in it.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def container_format(start: bytes, size: int) -> str | None:
    """FFmpeg's name for the format of a file that it is to read, or `None`.

    Args:
        start: The file's first bytes, at least 12.
        size: How long the file is, in bytes.

    Raises:
        ValueError: The file was cut off.
    """
    if start[4:8] in _MP4_BOXES:
        return "mov"
    if start.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        (claimed,) = struct.unpack_from("<I", start, 4)
        if size < claimed + 8 < 2**32:
            raise ValueError(
                f"The AVI file was cut off: its header announces {claimed + 8} bytes, and "
                f"{size} are there. Fetch it again."
            )
        return "avi"
    # AAC's frames start as MP3's do, but with 0 for the layer.
    if len(start) > 1 and start[0] == 0xFF and start[1] & 0xF6 == 0xF0:
        return "aac"
    return None


def track_seconds(source: bytes | str, container: str) -> float | None:
    """How long a sound track is by its header; `None` where the header does not say."""
    with _open(source, container) as (_, stream, duration):
        if duration is None and container != "aac" and stream.container.duration:
            duration = stream.container.duration / 1e6
        return duration


def decode_track(source: bytes | str, container: str) -> tuple[np.ndarray, int, bool]:
    """Decodes a sound track.

    Args:
        source: A whole file, or its path; it is read piece by piece.
        container: Its format, by FFmpeg's name.

    Returns:
        Samples, float32 `(samples, channels)`; their rate in hertz; whether the file stores
        floats as they are.

    Raises:
        ValueError: As `mmkeras.data.media.sounds.sound_file.read_sound`.
    """
    count, ends = 0, 0.0
    with _open(source, container) as (file, stream, duration):
        rate, channels = stream.rate, stream.codec_context.channels
        if stream.duration and stream.time_base:
            check_length(int(stream.duration * stream.time_base * rate), channels, rate)
        samples = np.empty((0, channels), np.float32)
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
            last = count + len(values)
            ends = (frame.time or 0.0) + len(values) / rate
            check_length(last, channels, rate)
            if last > len(samples):  # in place, as far as memory lies free behind it
                samples.resize((max(last, len(samples) * 5 // 4), channels), refcheck=False)
            samples[count:last] = to_float(values)
            count = last
        is_float = stream.codec_context.name.startswith("pcm_f")
    # Only here is the track's length written down; elsewhere it is a guess from the file's size.
    if container == "mov" and ends < (duration or 0.0) - 0.5:
        raise ValueError(
            f"The file was cut off: its sound track announces {duration:.1f} seconds and "
            f"ends after {ends:.1f}. Fetch it again."
        )
    return samples[:count], rate, is_float


@contextmanager
def _open(source: bytes | str, container: str) -> Iterator[tuple[Any, Any, float | None]]:
    """The file, its first sound track, and at which second this ends, if its header says so."""
    # Here, as it loads all of FFmpeg, and most data has no need of it.
    import av

    try:
        with (
            io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as plain,
            # Titles in another encoding than UTF-8 are not a reason to refuse a sound.
            av.open(plain, format=container, metadata_errors="ignore") as file,
        ):
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
            check_rate(stream.rate)
            duration = None
            if stream.duration and stream.time_base:
                duration = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
            yield file, stream, duration
    except av.FFmpegError as error:
        raise ValueError(
            f"The file looks like {container}, but is damaged or was cut off: its sound cannot be "
            "read. Fetch it again."
        ) from error
