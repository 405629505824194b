"""Videos: settings, checks of cells, decoding, batches, and pictures; nothing is fitted."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds.base import MediaKind, resized
from mmkeras.data.kinds.image import ImageSettings, augmented, pixel_problem
from mmkeras.data.unprepared import Unprepared, cut_short
from mmkeras.reading import check_fields
from mmkeras.schema import InputSpec, Video

if TYPE_CHECKING:
    import tensorflow as tf

    from mmkeras.data.sources import InputMaker


@dataclass(frozen=True)
class VideoSettings:
    """How videos become inputs: a fixed number of frames, each an image.

    Frames stand as players show them: a rotation that a phone wrote next to them is applied.

    Args:
        frames: How many frames.
        rate: Frames per second, from the start; a clip that ends earlier holds its last frame, one
            that lasts longer is cut, which is counted and said. 0 spreads the frames evenly over
            the whole clip: samples of all of it, however long it is.
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (colour).
        resize: `"stretch"`, `"pad"` or `"crop"`, as for images.
        flip: Augmentation, training only: mirror half of the clips left and right.
        rotation: Augmentation: largest rotation, in degrees. All frames of a clip move alike.
        crop: Augmentation: largest share of the sides cut away.
        shift: Augmentation: largest move, as a share of the sides.
    """

    frames: int = 8
    rate: float = 0.0
    size: tuple[int, int] = (64, 64)
    channels: int = 3
    resize: str = "stretch"
    flip: bool = False
    rotation: float = 0.0
    crop: float = 0.0
    shift: float = 0.0

    def __post_init__(self):
        # The same rules as for images, with the same words.
        object.__setattr__(self, "size", self.image.size)
        check_fields(self)
        if self.frames < 1:
            raise ValueError(f"`frames` must be at least 1. Received: {self.frames}.")
        if self.rate < 0:
            raise ValueError(f"`rate` must not be negative. Received: {self.rate}.")

    @property
    def image(self) -> ImageSettings:
        """The settings of a frame."""
        return ImageSettings(
            size=self.size,
            channels=self.channels,
            resize=self.resize,
            background=0,
            flip=self.flip,
            rotation=self.rotation,
            crop=self.crop,
            shift=self.shift,
        )


@dataclass(frozen=True)
class VideoPreprocessor:
    """State of a video modality."""

    settings: VideoSettings

    @property
    def spec(self) -> InputSpec:
        settings = self.settings
        return InputSpec((settings.frames, *settings.size, settings.channels))

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Video, settings: VideoSettings
    ) -> VideoPreprocessor:
        return cls(settings)

    def input_maker(self) -> InputMaker:
        """What makes clips model inputs in [0, 1]; by a seed, all frames of a clip move alike."""
        import tensorflow as tf

        image, frames = self.settings.image, self.settings.frames
        moves = image.flip or image.rotation or image.crop or image.shift

        def make_inputs(decoded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
            if seed is None or not moves:
                return tf.cast(decoded, tf.float32) * (1 / 255.0)
            # One map per image: so a clip's frames are, for this, the channels of one image.
            (height, width), channels = image.size, image.channels
            stacked = tf.transpose(decoded, (0, 2, 3, 1, 4))
            stacked = tf.reshape(stacked, (-1, height, width, frames * channels))
            stacked = augmented(stacked, seed, image)
            stacked = tf.reshape(stacked, (-1, height, width, frames, channels))
            return tf.transpose(stacked, (0, 3, 1, 2, 4))

        return make_inputs


class VideoKind(MediaKind[VideoSettings, VideoPreprocessor]):
    """Videos, decoded to uint8 `(frames, height, width, channels)`."""

    name = noun = "video"
    settings, preprocessor = VideoSettings, VideoPreprocessor
    a_noun, plural = "a video", "videos"
    forms = (
        "a path of a file or of a folder of frames, the bytes of a video file, or an array of "
        "(frames, height, width, channels)"
    )
    complaint = "not a video that can be read"
    suffixes = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
    signature = re.compile(rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL)
    takes_folders = True
    dtype = "uint8"
    is_visual = True

    def array_problem(self, array: np.ndarray) -> str | None:
        if array.ndim != 4 or array.dtype.kind not in "uif" or array.shape[3] not in (1, 3):
            return (
                f"an array of shape {array.shape} and type {array.dtype} is not a video; give "
                "numbers of shape (frames, height, width, 1 or 3 channels)"
            )
        return pixel_problem(array, "a video")

    def is_array(self, array: np.ndarray) -> bool:
        return array.ndim == 4

    def shape(self, settings: VideoSettings) -> tuple[int, ...]:
        return (settings.frames, *settings.size, settings.channels)

    def decoding(self, settings: VideoSettings) -> list[Any]:
        s = settings
        return [s.frames, s.rate, s.size, s.channels, s.resize]

    def encode(self, array: np.ndarray, settings: VideoSettings) -> bytes:
        file = io.BytesIO()
        pixels = np.round(array * 255) if array.dtype.kind == "f" else array
        np.save(file, np.broadcast_to(pixels, (*pixels.shape[:3], 3)).astype(np.uint8))
        return file.getvalue()

    def decode(self, cell: bytes | str, settings: VideoSettings) -> np.ndarray:
        return self.decode_measured(cell, settings)[0]

    def decode_measured(
        self, cell: bytes | str, settings: VideoSettings
    ) -> tuple[np.ndarray, float]:
        from mmkeras.data.media.images.resize import fit_image, grey, scaled_size
        from mmkeras.data.media.video import read_frames

        def fit(frame: np.ndarray) -> np.ndarray:
            scaled = scaled_size(frame.shape[:2], settings.size, settings.resize)
            pixels = grey(frame) if settings.channels == 1 else frame
            return fit_image(pixels, settings.size, scaled, 0)

        return read_frames(cell, settings, fit)

    def unprepared(self, frame, modality, fitted, source) -> list[Unprepared]:
        settings = fitted.settings
        if not settings.rate:
            return []
        seconds = settings.frames / settings.rate
        names = "`frames` / `rate`"
        return cut_short(modality.column, source.lengths, seconds, "seconds", names)

    def pictures(self, column: pd.Series, fitted: VideoPreprocessor) -> np.ndarray:
        """The middle frames."""
        clips = self.open_store(column, fitted.settings, cache="memory").values
        return resized(clips[:, clips.shape[1] // 2])
