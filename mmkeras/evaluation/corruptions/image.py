"""Corruptions of images, and of videos frame by frame: noise, blur, brightness, occlusion, JPEG.

All take uint8 `(rows, height, width, channels)`, or `(rows, frames, height, width, channels)` for
videos, with 1 (grey) or 3 (red, green, blue) channels, and return the same; where rows have
several images each, a list of `(images, height, width, channels)`. The amounts of noise,
blur, brightness and JPEG are those of ImageNet-C.

References:
    - Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
      perturbations", ICLR 2019, https://arxiv.org/abs/1903.12261 (noise, blur, brightness, JPEG)
    - Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
      https://arxiv.org/abs/1311.2901 (the grey square)
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

# Pixels that are held as floats at a time: 16 MiB.
_BLOCK = 1 << 22
_GREY = np.uint8(128)
# The side of the pictures that ImageNet-C was made for.
_IMAGENET_SIDE = 224


def on_each_image(apply: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """A corruption that also takes rows of several images each, and corrupts each of all images.

    Args:
        apply: A function of `(rows, height, width, channels)`.

    Returns:
        The same; of a list with an array `(images, height, width, channels)` per row it makes such
        a list.
    """

    @functools.wraps(apply)
    def change(
        images: Any, amount: float, random: np.random.Generator, fitted: Any = None
    ) -> np.ndarray | list[np.ndarray]:
        if not isinstance(images, list):
            return apply(images, amount, random, fitted)
        ends = np.cumsum([len(of_row) for of_row in images])
        return np.split(apply(np.concatenate(images), amount, random, fitted), ends[:-1])

    return change


@on_each_image
def gaussian_noise(
    images: np.ndarray, deviation: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Adds Gaussian noise to every pixel and channel: `x + 255 * deviation * n`, `n ~ N(0, 1)`.

    The frames of a video get noise of their own, as a camera's do.

    Args:
        images: The images.
        deviation: The noise's standard deviation, as a share of the range 0 to 255.
        random: Where the noise is drawn from.
        fitted: Not read.
    """

    def change(block: np.ndarray) -> np.ndarray:
        return block + 255 * deviation * random.standard_normal(block.shape, np.float32)

    return _by_blocks(images, change)


@on_each_image
def blur(
    images: np.ndarray, sigma: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Blurs with a Gaussian whose width is relative to the image.

    ImageNet-C's widths are for pictures of 224 pixels. Here `sigma * side / 224` pixels are used,
    with `side` the shorter one, so that a strength takes away the same details at any size. (On
    small images the first strengths take next to nothing, as on a large one that is made small.)

    Args:
        images: The images.
        sigma: The Gaussian's standard deviation, in pixels of an image with a side of 224.
        random: Not read.
        fitted: Not read.
    """
    scaled = sigma * min(images.shape[-3:-1]) / _IMAGENET_SIDE
    widths = (0.0,) * (images.ndim - 3) + (scaled, scaled, 0.0)
    return _by_blocks(images, lambda block: gaussian_filter(block, widths, mode="nearest"))


@on_each_image
def brightness(
    images: np.ndarray, added: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Raises the value of hue, saturation and value (HSV): `v' = min(v + added, 1)`.

    `v` is the largest of a pixel's channels. Hue and saturation stay, which means that all of its
    channels are multiplied by `v' / v`; black, which has neither, becomes grey.

    Args:
        images: The images.
        added: What is added, as a share of the range.
        random: Not read.
        fitted: Not read.
    """

    def change(block: np.ndarray) -> np.ndarray:
        value = block.max(axis=-1, keepdims=True)
        raised = np.minimum(value + 255 * added, 255)
        return np.where(value == 0, raised, block * (raised / np.maximum(value, 1)))

    return _by_blocks(images, change)


@on_each_image
def occlusion(
    images: np.ndarray, area: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Hides a part of each image behind a grey (128) rectangle, at a place drawn for the image.

    The rectangle has the image's shape, so that it is a square in a square image. It lies wholly
    inside, every place is as likely, and it hides what a smaller one of the same draw hides. All
    frames of a video are hidden at one place.

    Args:
        images: The images.
        area: The share of the image that is hidden; its sides are rounded to whole pixels.
        random: Where the places are drawn from.
        fitted: Not read.
    """
    _check(images)
    inside = []
    for size, draws in zip(images.shape[-3:-1], random.random((2, len(images), 1)), strict=True):
        side = max(1, round(math.sqrt(area) * size))
        start = np.floor(draws * (size - side + 1))
        inside.append((np.arange(size) >= start) & (np.arange(size) < start + side))
    hidden = inside[0][:, :, None] & inside[1][:, None, :]
    frames = (1,) * (images.ndim - 4)
    return np.where(hidden.reshape(len(images), *frames, *images.shape[-3:-1], 1), _GREY, images)


@on_each_image
def jpeg(
    images: np.ndarray, quality: float, random: np.random.Generator, fitted: Any = None
) -> np.ndarray:
    """Compresses each image, or each frame, as a JPEG file, and reads it again.

    Args:
        images: The images.
        quality: Pillow's quality, from 1 (worst) to 95.
        random: Not read.
        fitted: Not read.
    """
    _check(images)
    result = np.empty(images.shape, np.uint8)
    pictures = images.reshape(-1, *images.shape[-3:])
    for picture, changed in zip(pictures, result.reshape(pictures.shape), strict=True):
        file = io.BytesIO()
        Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(
            file, "JPEG", quality=int(quality)
        )
        with Image.open(file) as decoded:
            changed[:] = np.asarray(decoded).reshape(changed.shape)
    return result


def _by_blocks(images: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Changes some rows at a time, as float32, so that many images do not fill the memory."""
    _check(images)
    result = np.empty(images.shape, np.uint8)
    rows = max(1, _BLOCK // math.prod(images.shape[1:]))
    for start in range(0, len(images), rows):
        block = slice(start, start + rows)
        changed = change(images[block].astype(np.float32))
        result[block] = np.clip(np.rint(changed), 0, 255)
    return result


def _check(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim not in (4, 5) or images.shape[-1] not in (1, 3):
        raise ValueError(
            "Images are uint8 (rows, height, width, channels), videos (rows, frames, height, "
            "width, channels), with 1 or 3 channels: decode and stack them first. Received: "
            f"{images.dtype} of shape {images.shape}."
        )
