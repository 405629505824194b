"""The chunks of WAV files: sizes that lie, and sizes that nobody filled in."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def check_riff(start: bytes, size: int) -> int | None:
    """Compares a WAV file's sizes with its length, as libsndfile does not.

    Args:
        start: The file, or as much of it as has the header.
        size: How long the file is, in bytes.

    Returns:
        Where the samples begin if their size is unknown, for `with_known_size`; otherwise `None`.

    Raises:
        ValueError: The file was cut off.
    """
    order = _byte_order(start)
    if order is None:
        return None
    for name, place, claimed in riff_chunks(start, order):
        if name != b"data":
            continue
        there = size - place
        (whole,) = struct.unpack_from(order + "I", start, 4)
        # A writer to a pipe cannot go back to fill in the length: FFmpeg leaves all ones, SoX
        # nearly 2 GiB, others 0. An empty file says 0 too, but knows its own length.
        is_unknown = claimed == 0xFFFFFFFF or 0x7FFFE000 <= claimed <= 0x7FFFF000
        if is_unknown or (claimed == 0 and there and whole + 8 < size):
            return place
        if claimed > there:
            raise ValueError(
                f"The WAV file was cut off: its header announces {claimed} bytes of samples, and "
                f"{there} are there. Fetch it again."
            )
        break
    return None


def with_known_size(contents: bytes, place: int) -> bytes:
    """A whole WAV file with the size of its samples filled in.

    Args:
        contents: The file.
        place: Where the samples begin.
    """
    size = struct.pack((_byte_order(contents) or "<") + "I", len(contents) - place)
    return contents[: place - 4] + size + contents[place:]


def riff_chunks(contents: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the contents and size of each chunk."""
    start = 20
    while start <= len(contents):
        (size,) = struct.unpack_from(order + "I", contents, start - 4)
        yield contents[start - 8 : start - 4], start, size
        start += size + size % 2 + 8


def _byte_order(start: bytes) -> str | None:
    if start[8:12] != b"WAVE":
        return None
    return {b"RIFF": "<", b"RIFX": ">"}.get(start[:4])
