"""From a cell of media to numbers: what `tf.data` carries, and what decodes it, by kind."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import tensorflow as tf

from mmkeras.data.kinds.settings import AudioSettings, ImageSettings, VideoSettings
from mmkeras.data.media.cells import MEDIA
from mmkeras.data.media.image import decode_image, encode_png, fit_image
from mmkeras.data.media.plain_wav import decode_plain_wav, is_plain_wav
from mmkeras.data.media.sound import decode_sound
from mmkeras.data.media.video import read_frames
from mmkeras.data.tables.cells import is_empty, row_name


@dataclass(frozen=True)
class Decoder:
    """How the cells of one kind become numbers.

    Args:
        plural: What progress bars and files of decoded cells are called after.
        complaint: What is said of a cell that cannot be decoded.
        dtype: Of the decoded numbers.
        shape: From settings to the shape of a decoded cell.
        decoding: From settings to those that decoding depends on, as JSON can hold them.
        blank: From settings to the number that an empty cell is filled with.
        encode: From an array in a cell, and settings, to bytes that `decode` reads.
        decode: From a tensor of bytes or a path, a boolean (which of the two) and settings to a
            tensor of the shape.
        explain: The same for plain values; raises the error that `decode` meets.
    """

    plural: str
    complaint: str
    dtype: str
    shape: Callable[[Any], tuple[int, ...]]
    decoding: Callable[[Any], list[Any]]
    blank: Callable[[Any], int]
    encode: Callable[[np.ndarray, Any], bytes]
    decode: Callable[[tf.Tensor, tf.Tensor, Any], tf.Tensor]
    explain: Callable[[bytes, bool, Any], Any]


def media_source(column: pd.Series, kind: str, settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Turns a column's cells into something that `tf.data` can carry.

    Args:
        column: Cells as `read_table` returns them: paths, encoded bytes, arrays or `None`.
        kind: A key of `DECODERS`.
        settings: Of that kind.

    Returns:
        A pair `(contents, is_path)`: an object array of byte strings, `(rows,)`, each a path or
        an encoded medium (empty for `None`), and booleans, `(rows,)`.

    Raises:
        ValueError: Cells that are no such media, which `read_table` would have found.
    """
    contents = np.empty(len(column), dtype=object)
    is_path = np.zeros(len(column), dtype=bool)
    problems: list[str] = []
    medium = MEDIA[kind]
    for row, value in enumerate(column):
        problem = None
        if is_empty(value):
            contents[row] = b""
        elif isinstance(value, (bytes, bytearray)):
            contents[row] = bytes(value)
        elif isinstance(value, np.ndarray):
            problem = medium.array_problem(value)
            contents[row] = b"" if problem else DECODERS[kind].encode(value, settings)
        elif isinstance(value, str) or hasattr(value, "__fspath__"):
            contents[row] = str(value).encode("utf-8")
            is_path[row] = True
        else:
            problem = f"{medium.name} is {medium.forms}, not {value!r:.60}"
        if problem:
            problems.append(f"{row_name(column.to_frame(), row)}: {problem}")
    if problems:
        shown = "\n  ".join(problems[:20])
        raise ValueError(
            f"Column {column.name!r}: {len(problems)} cell(s) are no "
            f"{DECODERS[kind].plural}:\n  {shown}"
        )
    return contents, is_path


def _decode_image(contents: Any, is_path: Any, settings: ImageSettings) -> tf.Tensor:
    return decode_image(
        contents,
        is_path,
        size=settings.size,
        channels=settings.channels,
        resize=settings.resize,
        background=settings.background,
    )


def _encode_sound(array: np.ndarray, settings: AudioSettings) -> bytes:
    file = io.BytesIO()
    subtype = "PCM_16" if array.dtype == np.int16 else "FLOAT"
    array = array if array.dtype == np.int16 else array.astype(np.float32)
    # Not WAV: there, libsndfile writes the time of day beside floats, and no two files are equal.
    soundfile.write(file, array, settings.rate, format="AU", subtype=subtype)
    return file.getvalue()


def _explain_sound(contents: bytes, is_path: bool, settings: AudioSettings) -> np.ndarray:
    data = Path(contents.decode("utf-8")).read_bytes() if is_path else contents
    return decode_sound(data, settings)


def _decode_audio(contents: Any, is_path: Any, settings: AudioSettings) -> tf.Tensor:
    contents = tf.cond(is_path, lambda: tf.io.read_file(contents), lambda: contents)

    def decode():
        return tf.numpy_function(
            lambda data: decode_sound(data, settings), [contents], tf.int16, stateful=False
        )

    plain = is_plain_wav(contents, settings.rate)
    return tf.cond(plain, lambda: decode_plain_wav(contents, settings), decode)


def _encode_video(array: np.ndarray, settings: VideoSettings) -> bytes:
    file = io.BytesIO()
    pixels = np.round(array * 255) if array.dtype.kind == "f" else array
    np.save(file, np.broadcast_to(pixels, (*pixels.shape[:3], 3)).astype(np.uint8))
    return file.getvalue()


def _decode_video(contents: Any, is_path: Any, settings: VideoSettings) -> tf.Tensor:
    frames = tf.numpy_function(
        lambda cell, path: read_frames(cell, path, settings), [contents, is_path], tf.uint8
    )
    frames.set_shape((settings.frames, None, None, 3))

    def fit(frame):
        frame = tf.cast(frame, tf.float32)
        if settings.channels == 1:
            frame = tf.image.rgb_to_grayscale(frame)
        return fit_image(frame, settings.size, settings.resize, 0.0)

    # One at a time: all frames of a large video as floats would take gigabytes.
    return tf.map_fn(fit, frames, fn_output_signature=tf.uint8, parallel_iterations=1)


DECODERS = {
    "image": Decoder(
        plural="images",
        complaint="corrupt, or not PNG, JPEG, GIF or BMP",
        dtype="uint8",
        shape=lambda settings: (*settings.size, settings.channels),
        decoding=lambda s: [s.size, s.channels, s.resize, s.background],
        blank=lambda settings: settings.background,
        encode=lambda array, settings: encode_png(array),
        decode=_decode_image,
        explain=lambda contents, is_path, settings: _decode_image(
            tf.constant(contents), tf.constant(is_path), settings
        ),
    ),
    "audio": Decoder(
        plural="sounds",
        complaint="not a sound that can be read",
        dtype="int16",
        shape=lambda settings: (settings.samples,),
        decoding=lambda s: [s.rate, s.seconds],
        blank=lambda settings: 0,
        encode=_encode_sound,
        decode=_decode_audio,
        explain=_explain_sound,
    ),
    "video": Decoder(
        plural="videos",
        complaint="not a video that can be read",
        dtype="uint8",
        shape=lambda settings: (settings.frames, *settings.size, settings.channels),
        decoding=lambda s: [s.frames, s.rate, s.size, s.channels, s.resize],
        blank=lambda settings: 0,
        encode=_encode_video,
        decode=_decode_video,
        explain=read_frames,
    ),
}
