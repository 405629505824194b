"""Read the frames of a video: a file, its bytes, or a folder of images."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from mmkeras.data.media.cells import IMAGE_SUFFIXES
from mmkeras.data.media.image_file import MAX_PIXELS, read_image
from mmkeras.data.media.plain_file import check_plain_file

if TYPE_CHECKING:
    from mmkeras.data.kinds.video import VideoSettings

_MOST_TOGETHER = 4 * MAX_PIXELS
_MOST_BYTES = 2**36
_NPY = b"\x93NUMPY"
# FFmpeg's readers of containers. Left to guess, it would also draw a text file as pictures, and
# take a playlist and open whatever files or addresses are in it.
_CONTAINERS = "mov,matroska,avi"


def read_frames(cell: bytes | str, settings: VideoSettings) -> np.ndarray:
    """Reads the frames that `settings` ask for.

    With a `rate`, frame `k` is the one shown `k / rate` seconds after the start, and the last one
    where the clip has ended by then. Without, the clip is cut into `frames` equal parts and the
    frame in the middle of each is taken (as TSN does for testing). A folder of images and an
    array have no clock; there only the second way is possible.

    Args:
        cell: A path, the bytes of a video file, or those of a `.npy` file of frames.
        settings: How many frames, at which rate.

    Returns:
        uint8 `(settings.frames, height, width, 3)`, of the video's own size.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It is not a video, it is damaged, it has no frame, or its frames are too large.

    References:
        - [Wang et al., 2016](https://arxiv.org/abs/1608.00859) (temporal segment networks)
    """
    if isinstance(cell, str):
        if Path(cell).is_dir():
            return _from_folder(Path(cell), settings)
        check_plain_file(cell, _MOST_BYTES)
        return _from_file(cell, settings)
    if not cell:
        raise ValueError("there are no bytes")
    if cell.startswith(_NPY):
        if settings.rate:
            raise ValueError("an array of frames has no clock; set `rate` to 0")
        return _from_array(cell, settings)
    return _from_file(io.BytesIO(cell), settings)


def _from_array(contents: bytes, settings: VideoSettings) -> np.ndarray:
    try:
        frames = np.load(io.BytesIO(contents), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"a damaged .npy file: {error}") from error
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise ValueError(
            f"an array of shape {frames.shape} and type {frames.dtype}; frames are uint8, of shape "
            "(frames, height, width, 3)"
        )
    return frames[_spread(len(frames), settings)]


def _spread(available: int, settings: VideoSettings) -> np.ndarray:
    """Which frames, of this many, are the middles of equal parts."""
    middles = (np.arange(settings.frames) + 0.5) * available / settings.frames
    return np.minimum(middles.astype(np.int64), available - 1)


def _from_folder(folder: Path, settings: VideoSettings) -> np.ndarray:
    if settings.rate:
        raise ValueError("a folder of frames has no clock; set `rate` to 0")
    names = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    # frame_2 comes before frame_10.
    names.sort(
        key=lambda path: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", path.name)]
    )
    if not names:
        raise ValueError(f"the folder holds no frame ({', '.join(IMAGE_SUFFIXES)})")
    frames = []
    for place in _spread(len(names), settings):
        try:
            frame = read_image(str(names[place]), background=0)
        except (OSError, ValueError) as error:
            raise ValueError(f"frame {names[place].name}: {error}") from error
        _check_size(frame.shape[1], frame.shape[0], settings.frames)
        frames.append(np.broadcast_to(frame, (*frame.shape[:2], 3)))
        if frames[-1].shape != frames[0].shape:
            raise ValueError(
                f"frames differ in size: {names[place].name} has {frames[-1].shape[:2]}, the "
                f"first {frames[0].shape[:2]} (height, width)"
            )
    return np.stack(frames)


def _check_size(width: int, height: int, frames: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"frames of {width}×{height} pixels; at most {MAX_PIXELS} are read")
    if frames * width * height > _MOST_TOGETHER:
        raise ValueError(
            f"{frames} frames of {width}×{height} pixels; at most {_MOST_TOGETHER} pixels are read "
            "at once. Ask for fewer frames, or make the video smaller"
        )


def _from_file(source: str | io.BytesIO, settings: VideoSettings) -> np.ndarray:
    try:
        with av.open(source, mode="r", options={"format_whitelist": _CONTAINERS}) as container:
            if not container.streams.video:
                raise ValueError("the file has no pictures, only sound")
            stream = container.streams.video[0]
            codec = stream.codec_context
            if codec is None:
                raise ValueError("its pictures are coded in a way that this FFmpeg cannot read")
            _check_size(codec.width or 0, codec.height or 0, settings.frames)
            times, keys = _clock(container, stream)
            wanted = _wanted(times, float(stream.time_base), settings)
            return _decode(container, stream, wanted, keys)
    except av.FFmpegError as error:
        raise ValueError(
            f"damaged, or not MP4, MOV, WebM, MKV or AVI ({error.strerror})"
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


def _decode(container, stream, wanted: Sequence[int], keys: Sequence[int]) -> np.ndarray:
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
        frames.append(current.to_ndarray(format="rgb24"))
    return np.stack(frames)
