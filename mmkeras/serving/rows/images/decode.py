"""Decode PNG and JPEG inside a TensorFlow graph, to the pixels that the pipelines read.

The counterpart of `mmkeras.data.media.images.image_file`. Other formats, and the few forms of
these that TensorFlow reads otherwise than OpenCV and Pillow, are refused when they arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from mmkeras.data.media.images.image_file import MAX_PIXELS
from mmkeras.serving.rows.images.headers import Header, read_header
from mmkeras.serving.rows.images.resize import fit_image, scaled_size

if TYPE_CHECKING:
    from mmkeras.data.kinds.image import ImageSettings

_DEPTHS = (8, 10, 12, 14, 16)
_REDUCED = (2, 4, 8)


def decode_images(contents: tf.Tensor, settings: ImageSettings) -> tf.Tensor:
    """Pictures of a batch, as `decode_image` gives them.

    Args:
        contents: The bytes of PNG or JPEG files, `(batch,)`; an empty one becomes the background.
        settings: Size, channels, way of resizing, ground.

    Returns:
        uint8 `(batch, height, width, channels)`.
    """
    shape = (*settings.size, settings.channels)
    return tf.map_fn(
        lambda each: _decode_or_blank(each, settings, shape),
        contents,
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )


def _decode_or_blank(
    contents: tf.Tensor, settings: ImageSettings, shape: tuple[int, int, int]
) -> tf.Tensor:
    image = tf.cond(
        tf.strings.length(contents) == 0,
        lambda: tf.fill(shape, tf.constant(settings.background, tf.uint8)),
        lambda: _decode(contents, settings),
    )
    image.set_shape(shape)
    return image


def _decode(contents: tf.Tensor, settings: ImageSettings) -> tf.Tensor:
    header = read_header(contents)
    most = tf.cast(header.size[0], tf.int64) * tf.cast(header.size[1], tf.int64)
    checks = [
        tf.debugging.assert_equal(header.problem, "", message="An image cannot be read."),
        tf.debugging.assert_less_equal(most, tf.constant(MAX_PIXELS, tf.int64)),
    ]
    with tf.control_dependencies(checks):
        contents = tf.identity(contents)
    reduction = _reduction(header, settings)
    pixels = tf.switch_case(
        tf.where(header.is_png, tf.where(header.is_deep, 1, 0), 2 + reduction),
        [
            lambda: _read_png(contents, header.is_clear, settings.background),
            lambda: _read_deep_png(contents, settings.background),
            *(_jpeg_reader(contents, ratio) for ratio in (1, *_REDUCED)),
        ],
    )
    pixels = tf.ensure_shape(_turned(pixels, header.orientation), (None, None, 3))
    size = tf.where(header.orientation >= 5, header.size[::-1], header.size)
    if settings.channels == 1:
        pixels = _grey(pixels)
    scaled = scaled_size(size, settings.size, settings.resize)
    fitted = fit_image(tf.cast(pixels, tf.float32), settings.size, scaled, settings.background)
    return tf.cast(fitted, tf.uint8)


def _jpeg_reader(contents: tf.Tensor, ratio: int):
    return lambda: tf.cast(
        tf.io.decode_jpeg(contents, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"),
        tf.int32,
    )


def _reduction(header: Header, settings: ImageSettings) -> tf.Tensor:
    """How often a JPEG's sides are halved while it is decoded: 0 to 3 times."""
    scaled = scaled_size(header.size, settings.size, settings.resize)
    fits = [tf.reduce_all(header.size >= factor * scaled) for factor in _REDUCED]
    halvings = tf.add_n([tf.cast(each, tf.int32) for each in fits])
    return tf.where(header.orientation == 1, halvings, 0)


def _read_png(contents: tf.Tensor, is_clear: tf.Tensor, background: int) -> tf.Tensor:
    pixels = tf.cast(tf.io.decode_png(contents, channels=4), tf.int32)
    # Of files with fewer than 8 bits, what TensorFlow adds for "opaque" is not 255.
    alpha = tf.where(is_clear, pixels[..., 3:], 255)
    return _laid_over(pixels[..., :3], alpha, background)


def _read_deep_png(contents: tf.Tensor, background: int) -> tf.Tensor:
    """Numbers of 16 bits; white is the largest of the smallest depth that holds the maximum."""
    deep = tf.cast(tf.io.decode_png(contents, channels=4, dtype=tf.uint16), tf.int32)
    colours, alpha = deep[..., :3], deep[..., 3:] // 257
    most, white = tf.reduce_max(colours), tf.constant(2**16 - 1)
    for depth in reversed(_DEPTHS):
        white = tf.where(most <= 2**depth - 1, 2**depth - 1, white)
    share = tf.cast(255.0 / tf.cast(white, tf.float64), tf.float32)
    eight = tf.cast(tf.round(tf.cast(colours, tf.float32) * share), tf.int32)
    return _laid_over(tf.minimum(eight, 255), alpha, background)


def _laid_over(colours: tf.Tensor, alpha: tf.Tensor, background: int) -> tf.Tensor:
    """Colours over a ground of one grey; a sum of whole numbers over 255 is never half-way."""
    both = colours * alpha + background * (255 - alpha)
    return (2 * both + 255) // 510


def _turned(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Pixels as their EXIF orientation, from 1 to 8, says; others are upright."""
    across = tf.transpose(pixels, (1, 0, 2))
    turns = [
        lambda: pixels,
        lambda: pixels[:, ::-1],
        lambda: pixels[::-1, ::-1],
        lambda: pixels[::-1],
        lambda: across,
        lambda: across[:, ::-1],
        lambda: across[::-1, ::-1],
        lambda: across[::-1],
    ]
    known = (orientation >= 1) & (orientation <= 8)
    return tf.switch_case(tf.where(known, orientation - 1, 0), turns)


def _grey(pixels: tf.Tensor) -> tf.Tensor:
    """ITU-R BT.601 luma, in OpenCV's whole numbers of 15 bits."""
    weighted = pixels * tf.constant([9798, 19235, 3735])
    return (tf.reduce_sum(weighted, axis=-1, keepdims=True) + (1 << 14)) // (1 << 15)
