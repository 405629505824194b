"""Small media files for tests, made on the spot."""

import io
import struct
import tarfile
import zlib

import av
import numpy as np
import PIL.Image
import pytest
import soundfile

GREY_STEP = 20  # frame k of a clip has the grey value k * GREY_STEP


def make_clip(path, frames=10, rate=10, codec="mpeg4", size=16, sound=False, picture=True):
    """Writes a video whose frames are of one grey value each, so that one can tell them apart."""
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    with av.open(str(path), "w") as container:
        if picture:
            stream = container.add_stream(codec, rate=rate)
            stream.width = stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.gop_size = 4
        track = container.add_stream("aac", rate=16000) if sound else None
        for place in range(frames if picture else 0):
            grey = np.full((size, size, 3), place * GREY_STEP % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts = place
            container.mux(stream.encode(frame))
        if picture:
            container.mux(stream.encode())
        if track is not None:
            times = np.arange(16000 * frames // rate) / 16000
            wave = (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.rate, frame.pts = 16000, 0
            container.mux(track.encode(frame))
            container.mux(track.encode())
    return path


def grey_places(frames):
    """Which frames of such a clip were read."""
    means = np.asarray(frames, float).reshape(len(frames), -1).mean(axis=1)
    return np.round(means / GREY_STEP).astype(int).tolist()


def image_bytes(array, kind="PNG"):
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, kind)
    return file.getvalue()


def wav_bytes(samples, rate=8000, subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def tone(hertz=440.0, seconds=0.1, rate=8000):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def png_claiming(width, height):
    """A PNG of a few dozen bytes, whole but for its pixels, whose header claims this size."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def gif_claiming(width, height):
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00;"
    return b"GIF89a" + screen + frame


def bmp_claiming(width, height):
    whole = bytearray(image_bytes(np.zeros((4, 4, 3), np.uint8), "BMP"))
    struct.pack_into("<ii", whole, 18, width, height)
    return bytes(whole)


def make_tar(path, members, format=tarfile.PAX_FORMAT):
    """Writes a tar file of names with their bytes; a `TarInfo` stands for an entry without bytes.

    Args:
        path: Where it goes.
        members: A dictionary, or pairs of name and bytes.
        format: One of `tarfile`'s.
    """
    pairs = members.items() if isinstance(members, dict) else members
    with tarfile.open(path, "w", format=format) as archive:
        for name, contents in pairs:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(contents)
            archive.addfile(entry, io.BytesIO(contents))
    return path


def tar_entry(name, kind, target=""):
    """An entry of a tar file that is no file, by `tarfile`'s type."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry
