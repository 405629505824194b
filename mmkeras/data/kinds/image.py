"""Images: settings, what is fitted, checks of cells, decoding, batches, and pictures."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.kinds.base import (
    PICTURE_SIZE,
    CellReader,
    MediaKind,
    check_choice,
    check_scaling,
    resized,
)
from mmkeras.data.kinds.protocols import Source
from mmkeras.data.media.cells import IMAGE_SUFFIXES, Problem, media_of, one_by_one, read_media
from mmkeras.data.media.images.tiles import tiled, tiles_a_side
from mmkeras.data.unprepared import Unprepared, left_out
from mmkeras.reading import LATER, check_fields, check_value
from mmkeras.schema import Image, InputSpec

if TYPE_CHECKING:
    import tensorflow as tf

    from mmkeras.data.sources import InputMaker

# The role of columns whose cells may hold several images.
SEVERAL = "images"

# Files that are images to the eye, and that no decoder here reads.
_UNREADABLE_SUFFIXES = (".heic", ".heif", ".svg")


@dataclass(frozen=True)
class ImageSettings:
    """How images become inputs.

    Args:
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (colour).
        resize: `"stretch"`, `"pad"` (keep the shape, fill) or `"crop"` (keep the shape, cut).
        background: Grey value in [0, 255] under transparency and around moved images.
        scaling: `"unit"` (to [0, 1]) or `"standardize"` (to the training images' mean 0 and
            standard deviation 1, by channel).
        flip: Augmentation, training only: mirror half of the images left and right.
        rotation: Augmentation: largest rotation, in degrees.
        crop: Augmentation: largest share of the sides cut away.
        shift: Augmentation: largest move, as a share of the sides.
        max_images: Where a cell may hold several images, how many a model gets of it at most; it
            gets no more than the training rows have.
    """

    size: tuple[int, int] = (64, 64)
    channels: int = 3
    resize: str = "stretch"
    background: int = 255
    scaling: str = "unit"
    flip: bool = False
    rotation: float = 0.0
    crop: float = 0.0
    shift: float = 0.0
    max_images: int = field(default=8, metadata=LATER)

    def __post_init__(self):
        check_value(self.size, tuple[int, ...], "size")
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"`size` is (height, width) in pixels. Received: {self.size}.")
        check_fields(self)
        check_choice("ImageSettings", "channels", self.channels, (1, 3))
        check_choice("ImageSettings", "resize", self.resize, ("stretch", "pad", "crop"))
        check_choice("ImageSettings", "scaling", self.scaling, ("unit", "standardize"))
        if not 0 <= self.background <= 255:
            raise ValueError(f"`background` is in [0, 255]. Received: {self.background}.")
        if self.rotation < 0:
            raise ValueError(
                "`rotation` is the largest angle to either side, in degrees, and not negative. "
                f"Received: {self.rotation}."
            )
        if self.max_images < 1:
            raise ValueError(f"`max_images` must be at least 1. Received: {self.max_images}.")
        for name in ("crop", "shift"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is a share in [0, 1). Received: {getattr(self, name)}.")

    @property
    def moves(self) -> bool:
        """Whether training images are moved at all."""
        return bool(self.flip or self.rotation or self.crop or self.shift)


@dataclass(frozen=True)
class ImagePreprocessor:
    """Fitted state of an image modality: the channels' mean and deviation in [0, 1].

    Args:
        settings: How images become inputs.
        mean: By channel; empty without standardization.
        deviation: By channel; empty without standardization.
        decoder: The libraries that decoded the training images, with their versions.
        images: The most images of a training row, at most `max_images`; `None` where a cell holds
            one.
    """

    settings: ImageSettings
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    decoder: str = field(default="", metadata=LATER)
    images: int | None = field(default=None, metadata=LATER)

    @property
    def spec(self) -> InputSpec:
        shape = (*self.settings.size, self.settings.channels)
        if self.images is None:
            return InputSpec(shape)
        return InputSpec((self.images, *shape), several=True)

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Image, settings: ImageSettings
    ) -> ImagePreprocessor:
        column, decoder, images = frame[modality.column], ImageKind().decoder(), None
        if modality.several:
            images = min(settings.max_images, max(len(media_of(cell)) for cell in column))
            column = one_by_one(column, images)
        if settings.scaling == "unit":
            return cls(settings, decoder=decoder, images=images)
        from mmkeras.data.media.decoded import keep_with
        from mmkeras.data.media.stores import MediaStore

        store = MediaStore(ImageKind(), column, settings, cache="memory")
        pixels = store.values[store.readable].reshape(-1, settings.channels) / np.float32(255)
        if not len(pixels):
            raise ValueError(f"No training row has an image in column {modality.column!r}.")
        deviation = np.maximum(pixels.std(axis=0, dtype=np.float64), 1e-6)
        mean = pixels.mean(axis=0, dtype=np.float64)
        fitted = cls(settings, tuple(mean.tolist()), tuple(deviation.tolist()), decoder, images)
        keep_with(fitted, store.decoded)
        return fitted

    def input_maker(self) -> InputMaker:
        """What makes batches of decoded images model inputs: augmented by a seed, then scaled.

        Each of several images of a row moves by itself.
        """
        import tensorflow as tf

        mean = tf.constant(self.mean or (0.0,), tf.float32)
        deviation = tf.constant(self.deviation or (1.0,), tf.float32)

        def make_inputs(decoded: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
            images = augmented(decoded, seed, self.settings)
            return images if self.settings.scaling == "unit" else (images - mean) / deviation

        most = self.images
        if most is None:
            return make_inputs
        from mmkeras.data.media.images.several import padded

        def make_several(decoded: tf.RaggedTensor, seed: tf.Tensor | None) -> tf.Tensor:
            return padded(decoded.with_values(make_inputs(decoded.values, seed)), most)

        return make_several


def augmented(images: tf.Tensor, seed: tf.Tensor | None, settings: ImageSettings) -> tf.Tensor:
    """Images in [0, 1], `(batch, height, width, channels)`, moved by a seed as settings say.

    Args:
        images: uint8, of the same shape.
        seed: Two integers, or `None` for images as they are.
        settings: How far they move.
    """
    import tensorflow as tf

    if seed is None or not settings.moves:
        return tf.cast(images, tf.float32) * (1 / 255.0)
    from mmkeras.data.media.images.augment_image import augment_images

    return augment_images(
        images,
        seed,
        flip=settings.flip,
        rotation=settings.rotation,
        crop=settings.crop,
        shift=settings.shift,
        background=settings.background,
    )


def pixel_problem(array: np.ndarray, what: str) -> str | None:
    """Why an array's numbers are not pixels, or None."""
    if array.dtype.kind == "b" or not array.size:
        return None
    least, most = array.min(), array.max()
    if not (np.isfinite(least) and np.isfinite(most)):
        return f"an array with NaN or infinite pixels is not {what}; fill or drop them"
    if array.dtype.kind == "f" and (least < 0 or most > 1):
        return (
            f"an array of floats from {least:g} to {most:g} is not {what}; floats are in "
            "[0, 1]: divide by 255, or convert to uint8"
        )
    if least < 0 or most > 255:
        return (
            f"an array of integers from {least} to {most} is not {what}; integers are in [0, 255]"
        )
    return None


class ImageKind(MediaKind[ImageSettings, ImagePreprocessor]):
    """Images, decoded to uint8 `(height, width, channels)`."""

    name = noun = "image"
    settings, preprocessor = ImageSettings, ImagePreprocessor

    def check_fitted(self, modality, fitted):
        check_scaling(fitted.mean, fitted.deviation, fitted.settings.channels)
        scaled = fitted.settings.scaling == "standardize"
        if scaled != bool(fitted.mean):
            raise ValueError(f"`mean` does not go with scaling={fitted.settings.scaling!r}.")
        most = fitted.settings.max_images
        if modality.several != (fitted.images is not None) or not 1 <= (fitted.images or 1) <= most:
            raise ValueError(
                f"`images` is null for one image, and for several at most {most}. Received: "
                f"{fitted.images}."
            )

    a_noun, plural = "an image", "images"
    forms = "a path, the bytes of an image file, or an array of (height, width, channels)"
    one_each = (
        "give each a column of its own, or say in the schema that a cell may hold several: "
        "Image(..., several=True)"
    )
    complaint = "corrupt, or not PNG, JPEG, GIF, BMP, WebP, TIFF or AVIF"
    suffixes = IMAGE_SUFFIXES
    signature = re.compile(
        rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8|BM|RIFF....WEBP|II\*\0|MM\0\*|....ftypavi[fs]",
        re.DOTALL,
    )
    dtype = "uint8"
    is_visual = has_heat_map = True

    def array_problem(self, array: np.ndarray) -> str | None:
        if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
            return (
                f"an array of shape {array.shape} and type {array.dtype} is not an image; give "
                "numbers of shape (height, width) or (height, width, channels)"
            )
        if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] > 4:
            return (
                f"an array of shape {array.shape} has its channels first; give (height, width, "
                "channels), e.g. array.transpose(1, 2, 0)"
            )
        if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
            return (
                f"an array of shape {array.shape} has {array.shape[2]} channels; give 1 (grey), 3 "
                "(colour) or 4 (colour and transparency)"
            )
        return pixel_problem(array, "an image")

    def column_roles(self, modality: Image) -> dict[str, str]:
        return {modality.column: SEVERAL if modality.several else self.name}

    def readers(self) -> dict[str, CellReader]:
        def read_several(cells: pd.Series, folder: Path) -> tuple[pd.Series, list[Problem]]:
            return read_media(cells, self, folder, several=True)

        return {**super().readers(), SEVERAL: read_several}

    def path_problem(self, path: str) -> str | None:
        suffix = Path(path.strip()).suffix.lower()
        if suffix not in _UNREADABLE_SUFFIXES:
            return None
        return f"{suffix} is not read; convert to PNG or JPEG"

    def is_array(self, array: np.ndarray) -> bool:
        """Whether it has the shape and the numbers of pixels; others are sequences.

        Channels are 1, 3 or 4, and a side has at least 8 pixels, or they are bytes. Floats are in
        [0, 1]: what has others is a sequence, unless they are whole numbers in [0, 255], which
        were pixels once.
        """
        channels_first = array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] > 4
        sides = array.shape[1:] if channels_first else array.shape[:2]
        least_side = 1 if array.dtype == np.uint8 else 8
        if array.ndim not in (2, 3) or array.dtype.kind not in "buif" or min(sides) < least_side:
            return False
        if array.ndim == 3 and not channels_first and array.shape[2] not in (1, 3, 4):
            return False
        if array.dtype.kind != "f":
            return True
        least, most = array.min(), array.max()
        return least >= 0 and (most <= 1 or (most <= 255 and bool((array % 1 == 0).all())))

    def is_augmented(self, settings: ImageSettings) -> bool:
        return settings.moves

    def shape(self, settings: ImageSettings) -> tuple[int, ...]:
        return (*settings.size, settings.channels)

    def decoding(self, settings: ImageSettings) -> list:
        return [settings.size, settings.channels, settings.resize, settings.background]

    def blank(self, settings: ImageSettings) -> int:
        return settings.background

    def decoder(self) -> str:
        from mmkeras.data.media.images.image_file import decoder_versions

        return decoder_versions()

    def encode(self, array: np.ndarray, settings: ImageSettings) -> bytes:
        from mmkeras.data.media.images.image_file import encode_png

        return encode_png(array)

    def decode(self, cell: bytes | str, settings: ImageSettings) -> np.ndarray:
        from mmkeras.data.media.images.image_file import decode_image

        return decode_image(cell, settings)

    def open_store(self, column, settings, *, fitted=None, cache=None, cache_dir=None) -> Any:
        open_one = super().open_store
        options = {"fitted": fitted, "cache": cache, "cache_dir": cache_dir}
        if fitted is not None:
            most = fitted.images
        else:
            several = any(isinstance(cell, tuple) for cell in column)
            most = settings.max_images if several else None
        if most is None:
            return open_one(column, settings, **options)
        from mmkeras.data.media.images.several import SeveralStore

        return SeveralStore(column, most, lambda media: open_one(media, settings, **options))

    def source(self, rows, modality, fitted, store) -> Source:
        if fitted.images is None:
            return super().source(rows, modality, fitted, store)
        from mmkeras.data.media.images.several import SeveralSource

        return SeveralSource(store, rows.positions, fitted.input_maker())

    def unprepared(self, frame, modality, fitted, source) -> list[Unprepared]:
        if fitted.images is None:
            return []
        return left_out(modality.column, source.lengths, fitted.images, "images", "`max_images`")

    def pictures(self, column: pd.Series, fitted: ImagePreprocessor) -> np.ndarray:
        # Decoded again: the model's own size may be too small to look at.
        side = -(-PICTURE_SIZE // tiles_a_side(fitted.images or 1))
        settings = dataclasses.replace(fitted.settings, size=(side, side))
        fitted = dataclasses.replace(fitted, settings=settings)
        shown = self.open_store(column, settings, fitted=fitted, cache="memory").values
        if fitted.images is None:
            return shown
        count, fill = fitted.images, settings.background
        return resized(np.stack([tiled(images, count, fill) for images in shown]))

    def cells_of(self, values, modality, fitted) -> pd.DataFrame:
        """Pictures of the model's own size, uint8."""
        if fitted.images is not None:
            return super().cells_of(values, modality, fitted)
        pictures = np.asarray(values, np.float64)
        if fitted.settings.scaling == "standardize":
            pictures = pictures * np.array(fitted.deviation) + np.array(fitted.mean)
        pictures = (255 * np.clip(pictures, 0, 1)).round().astype(np.uint8)
        return pd.DataFrame({modality.column: pd.Series(list(pictures), dtype=object)})

    def upright(self, values: np.ndarray) -> np.ndarray:
        return tiled(values, len(values)) if values.ndim == 3 else values
