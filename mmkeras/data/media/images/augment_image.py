"""Flip, rotate, crop and shift batches of images, inside `tf.data`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mmkeras.data.media.images.opencv import cv2
from mmkeras.data.share import uniform


def augment_images(
    images: tf.Tensor,
    seed: tf.Tensor,
    *,
    flip: bool = False,
    rotation: float = 0.0,
    crop: float = 0.0,
    shift: float = 0.0,
    background: int = 255,
) -> tf.Tensor:
    """Randomly flips, rotates, crops and shifts each image of a batch.

    Together they are one affine map per image, so that an image is interpolated once, linearly, by
    OpenCV's `warpAffine`. The result is a pure function of the images and the seed.

    Args:
        images: uint8 `(batch, height, width, channels)`.
        seed: Two integers, `(2,)`.
        flip: Mirror left and right with probability one half.
        rotation: Largest angle in degrees, to either side.
        crop: Largest share of height and width cut away; the rest is enlarged to the full size.
        shift: Largest move, as a share of height and width, in any direction.
        background: Grey value in [0, 255] that appears where the image has been moved away.

    Returns:
        Floats in [0, 1], `(batch, height, width, channels)`.
    """
    draws = uniform((5, tf.shape(images)[0]), seed, rows=1)
    height, width = images.shape[1], images.shape[2]
    angle = (2 * draws[1] - 1) * (rotation * np.pi / 180.0)
    scale = 1.0 - draws[2] * crop
    free = (1.0 - scale) / 2 + shift
    move_x = (2 * draws[3] - 1) * free * width
    move_y = (2 * draws[4] - 1) * free * height
    if not (rotation or crop):
        # By whole pixels, or else training images would be blurred and test images sharp.
        move_x, move_y = tf.round(move_x), tf.round(move_y)
    # An output pixel p shows the input at R p + t, with R about the centre of the image. The
    # mirror is part of the map: reversing an axis of the batch would take longer than all else.
    cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    mirror = tf.where(draws[0] < 0.5, -1.0, 1.0) if flip else tf.ones_like(cos)
    offset_x = centre_x + mirror * (sin * centre_y - cos * centre_x + move_x)
    offset_y = centre_y - sin * centre_x - cos * centre_y + move_y
    maps = tf.stack([mirror * cos, -mirror * sin, offset_x, sin, cos, offset_y], axis=1)
    moved = tf.numpy_function(
        lambda images, maps: warp_images(images, maps.reshape(-1, 2, 3), background),
        [images, maps],
        tf.float32,
        stateful=False,
    )
    moved.set_shape(images.shape)
    return moved


def warp_images(images: np.ndarray, maps: np.ndarray, background: int) -> np.ndarray:
    """Moves each image by its own affine map.

    Args:
        images: uint8 `(batch, height, width, channels)`.
        maps: `(batch, 2, 3)`: from a place `(x, y, 1)` of the result to the place in the image.
        background: Grey value in [0, 255] around the image.

    Returns:
        Floats in [0, 1], `(batch, height, width, channels)`.

    Example:

    >>> image = np.array([[[[255], [0], [255]]]], np.uint8)
    >>> warp_images(image, np.array([[[1.0, 0, 1], [0, 1, 0]]]), background=255).ravel()
    array([0., 1., 1.], dtype=float32)
    """
    _, height, width, channels = images.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = np.empty(images.shape, np.float32)
    row = np.empty((height, width) if channels == 1 else images.shape[1:], np.uint8)
    for image, map_, result in zip(images, maps, moved, strict=True):
        cv2.warpAffine(
            image,
            map_,
            (width, height),
            dst=row,
            flags=flags,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(background,) * 3,
        )
        np.multiply(row.reshape(result.shape), np.float32(1 / 255), out=result)
    return moved
