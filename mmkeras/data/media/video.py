"""Read the frames of a video: a file, its bytes, or a folder of images."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from mmkeras.data.media.cells import IMAGE_SUFFIXES
from mmkeras.data.media.images.image_file import read_image
from mmkeras.data.media.plain_file import check_plain_file, read_plain_file
from mmkeras.data.media.sequences import read_npy_header
from mmkeras.data.media.tar_members import split_member

if TYPE_CHECKING:
    from mmkeras.data.kinds.video import VideoSettings

# Of a frame: twice as many as 8K television has. Decoders keep several frames.
MAX_PIXELS = 2**26
_MOST_BYTES = 2**36
_NPY = b"\x93NUMPY"
# FFmpeg's readers of containers. Left to guess, it would also draw a text file as pictures, and
# take a playlist and open whatever files or addresses are in it.
_CONTAINERS = "mov,matroska,avi,gif"
Fit = Callable[[np.ndarray], np.ndarray]


def read_frames(cell: bytes | str, settings: VideoSettings, fit: Fit) -> tuple[np.ndarray, float]:
    """Reads the frames that `settings` ask for.

    With a `rate`, frame `k` is the one shown `k / rate` seconds after the start, and the last one
    where the clip has ended by then. Without, the clip is cut into `frames` equal parts and the
    frame in the middle of each is taken (as TSN does for testing). A folder of images and an
    array have no clock; there only the second way is possible.

    Frames are turned and mirrored as the file says next to them, to the nearest quarter turn, so
    that they stand as players show them; images of a folder as their EXIF orientation says.

    Args:
        cell: A path, the bytes of a video file, or those of a `.npy` file of frames. Of a member
            of a tar file, all bytes are read.
        settings: How many frames, at which rate.
        fit: From a frame, uint8 `(height, width, 3)` of the video's own size, to what is kept of
            it. It is called as soon as the frame is decoded: no two are in memory at once.

    Returns:
        What was kept, `(settings.frames, ...)`; and how long the video is in seconds, 0 where
        there is no clock.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It is not a video, it is damaged, it has no frame, or its frames are too large.

    References:
        - [Wang et al., 2016](https://arxiv.org/abs/1608.00859) (temporal segment networks)
    """
    if isinstance(cell, str) and split_member(cell):
        cell = read_plain_file(cell, _MOST_BYTES)
    if isinstance(cell, str):
        if Path(cell).is_dir():
            return _from_folder(Path(cell), settings, fit), 0.0
        check_plain_file(cell, _MOST_BYTES)
        return _from_file(cell, settings, fit)
    if not cell:
        raise ValueError("there are no bytes")
    if cell.startswith(_NPY):
        if settings.rate:
            raise ValueError("an array of frames has no clock; set `rate` to 0")
        return _from_array(cell, settings, fit), 0.0
    return _from_file(io.BytesIO(cell), settings, fit)


def _from_array(contents: bytes, settings: VideoSettings, fit: Fit) -> np.ndarray:
    file = io.BytesIO(contents)
    try:
        shape, fortran_order, dtype = read_npy_header(file, len(contents))
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"a damaged .npy file: {error}") from error
    if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8 or not all(shape):
        raise ValueError(
            f"an array of shape {shape} and type {dtype}; frames are uint8, of shape "
            "(frames, height, width, 3)"
        )
    order = "F" if fortran_order else "C"
    frames = np.ndarray(shape, dtype, contents, file.tell(), order=order)
    return np.stack([fit(frames[place]) for place in _spread(shape[0], settings)])


def _spread(available: int, settings: VideoSettings) -> np.ndarray:
    """Which frames, of this many, are the middles of equal parts."""
    middles = (np.arange(settings.frames) + 0.5) * available / settings.frames
    return np.minimum(middles.astype(np.int64), available - 1)


def _from_folder(folder: Path, settings: VideoSettings, fit: Fit) -> np.ndarray:
    if settings.rate:
        raise ValueError("a folder of frames has no clock; set `rate` to 0")
    names = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    # frame_2 comes before frame_10.
    names.sort(
        key=lambda path: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", path.name)]
    )
    if not names:
        raise ValueError(f"the folder holds no frame ({', '.join(IMAGE_SUFFIXES)})")
    kept: list[np.ndarray] = []
    first = None
    for place in _spread(len(names), settings):
        try:
            frame = read_image(str(names[place]), background=0)
        except (OSError, ValueError) as error:
            raise ValueError(f"frame {names[place].name}: {error}") from error
        first = first or frame.shape[:2]
        if frame.shape[:2] != first:
            raise ValueError(
                f"frames differ in size: {names[place].name} has {frame.shape[:2]}, the "
                f"first {first} (height, width)"
            )
        kept.append(fit(frame if frame.shape[2] == 3 else frame.repeat(3, axis=2)))
    return np.stack(kept)


def _from_file(
    source: str | io.BytesIO, settings: VideoSettings, fit: Fit
) -> tuple[np.ndarray, float]:
    try:
        with av.open(source, mode="r", options={"format_whitelist": _CONTAINERS}) as container:
            if not container.streams.video:
                raise ValueError("the file has no pictures, only sound")
            stream = container.streams.video[0]
            codec = stream.codec_context
            if codec is None:
                raise ValueError("its pictures are coded in a way that this FFmpeg cannot read")
            if codec.width * codec.height > MAX_PIXELS:
                raise ValueError(
                    f"frames of {codec.width}×{codec.height} pixels; at most {MAX_PIXELS} are read"
                )
            # What is coded may be larger than what the container says.
            codec.options = {"max_pixels": str(MAX_PIXELS)}
            times, keys = _clock(container, stream)
            unit = float(stream.time_base)
            wanted = _wanted(times, unit, settings)
            # The last frame is on show for as long as the others.
            seconds = (times[-1] - times[0]) * unit * len(times) / max(1, len(times) - 1)
            return _decode(container, stream, wanted, keys, fit), seconds
    except av.FFmpegError as error:
        raise ValueError(
            f"damaged, or not MP4, MOV, WebM, MKV, AVI or GIF ({error.strerror})"
        ) from error


def _clock(container, stream) -> tuple[list[int], list[int]]:
    """When each frame and each key frame is shown, in the stream's units, without decoding."""
    times, keys = [], []
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size:
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    if not times:
        raise ValueError("the video has no frame")
    return sorted(times), sorted(keys)


def _wanted(times: Sequence[int], unit: float, settings: VideoSettings) -> list[int]:
    if not settings.rate:
        return [times[place] for place in _spread(len(times), settings)]
    seconds = np.arange(settings.frames) / settings.rate
    shown = (np.asarray(times) - times[0]) * unit
    # The frame on show at that time is the last that has begun. Its time may be rounded to the
    # unit, often a millisecond; a unit as long as a frame is exact.
    places = np.searchsorted(shown, seconds + min(unit, 0.001) / 2, side="right") - 1
    return [times[place] for place in places]


def _decode(container, stream, wanted: Sequence[int], keys: Sequence[int], fit: Fit) -> np.ndarray:
    frames: list[np.ndarray] = []
    position, decoded, current = None, None, None
    for time in wanted:
        key = max((key for key in keys if key <= time), default=None)
        # Reading on is cheaper than seeking, unless a key frame lies in between.
        if position is None or (key is not None and key > position):
            container.seek(time if key is None else key, stream=stream, backward=True)
            decoded = container.decode(stream)
        while position is None or position < time or current is None:
            frame = next(decoded, None)
            if frame is None:
                break
            if frame.pts is not None:
                position, current = frame.pts, frame
        if current is None or position < time:
            raise ValueError(
                f"the file ends early: {len(frames)} of {len(wanted)} frames could be read"
            )
        frames.append(fit(_upright(current)))
    return np.stack(frames)


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """A frame's colours, turned and mirrored as its display matrix says."""
    pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    # A pixel at (x, y) is shown at (a x + c y, b x + d y).
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(pixels)
