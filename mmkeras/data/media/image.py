"""Decode and augment images inside `tf.data`."""

from __future__ import annotations

import struct

import numpy as np
import tensorflow as tf

# Larger than any camera's; a small file that claims more is refused before it is decoded.
MAX_PIXELS = 100_000_000


def encode_png(array: np.ndarray) -> bytes:
    """An array `(height, width)` or `(height, width, channels)` as the bytes of a PNG file.

    Integers are in [0, 255], floats in [0, 1], booleans black and white.
    """
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.dtype.kind == "b":
        array = array * np.uint8(255)
    elif array.dtype.kind == "f":
        array = np.round(array * 255)
    # Light compression: these bytes live in memory for the length of a run only.
    return tf.io.encode_png(array.astype(np.uint8), compression=1).numpy()


def decode_image(
    contents: tf.Tensor,
    is_path: tf.Tensor,
    *,
    size: tuple[int, int],
    channels: int = 3,
    resize: str = "stretch",
    background: int = 255,
) -> tf.Tensor:
    """Decodes one image (PNG, JPEG, GIF's first frame, BMP) and brings it to one size.

    An image whose header claims more than `MAX_PIXELS` is refused.

    Transparency is laid over a ground of the grey value `background`. Reduction in size is
    anti-aliased.

    Args:
        contents: A string scalar: a path, or an encoded image.
        is_path: A boolean scalar: which of the two.
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (colour).
        resize: `"stretch"` (to the size, whatever the shape was), `"pad"` (the whole image with
            its shape kept, on a ground of `background`) or `"crop"` (the middle, shape kept).
        background: Grey value in [0, 255].

    Returns:
        uint8, `(height, width, channels)`.
    """
    contents = tf.cond(is_path, lambda: tf.io.read_file(contents), lambda: contents)
    with tf.control_dependencies([_check_claimed_size(contents)]):
        contents = tf.identity(contents)
    image = tf.io.decode_image(contents, channels=0, expand_animations=False)
    image = tf.cast(image, tf.float32)
    image.set_shape((None, None, None))
    depth = tf.shape(image)[-1]

    def composite(colours):
        alpha = image[..., colours:] / 255.0
        return image[..., :colours] * alpha + background * (1.0 - alpha)

    # Grey, grey + alpha, colour, colour + alpha.
    image = tf.switch_case(
        depth - 1,
        [lambda: image, lambda: composite(1), lambda: image, lambda: composite(3)],
    )
    is_grey = tf.shape(image)[-1] == 1
    if channels == 3:
        image = tf.cond(is_grey, lambda: tf.tile(image, (1, 1, 3)), lambda: image)
    else:
        # ITU-R BT.601 luma, as tf.image.rgb_to_grayscale.
        luma = tf.constant([0.2989, 0.587, 0.114])
        image = tf.cond(
            is_grey, lambda: image, lambda: tf.reduce_sum(image * luma, -1, keepdims=True)
        )
    image.set_shape((None, None, channels))
    return fit_image(image, size, resize, float(background))


def _check_claimed_size(contents: tf.Tensor) -> tf.Operation:
    """Reads width and height where the file's format has them, and refuses absurd ones."""

    def number(start, count, little_endian):
        digits = tf.cast(
            tf.io.decode_raw(tf.strings.substr(contents, start, count), tf.uint8), tf.int64
        )
        weights = [256 ** (place if little_endian else count - 1 - place) for place in range(count)]
        return tf.reduce_sum(digits * tf.constant(weights, tf.int64))

    def starts(signature):
        return tf.equal(tf.strings.substr(contents, 0, len(signature)), signature)

    def bmp_height():
        # Negative where the rows stand from top to bottom.
        height = number(22, 4, True)
        return tf.minimum(height, 2**32 - height)

    def jpeg():
        shape = tf.cast(tf.image.extract_jpeg_shape(contents), tf.int64)
        return shape[0] * shape[1]

    long_enough = tf.strings.length(contents) >= 26
    pixels = tf.case(
        [
            (tf.logical_not(long_enough), lambda: tf.constant(0, tf.int64)),
            (starts(b"\x89PNG"), lambda: number(16, 4, False) * number(20, 4, False)),
            (starts(b"GIF8"), lambda: tf.numpy_function(_gif_pixels, [contents], tf.int64)),
            (starts(b"BM"), lambda: number(18, 4, True) * bmp_height()),
            (starts(b"\xff\xd8\xff"), jpeg),
        ],
        default=lambda: tf.constant(0, tf.int64),
    )
    return tf.debugging.Assert(
        pixels <= MAX_PIXELS,
        [
            tf.strings.format(
                "its header claims {} pixels; at most {} are read", (pixels, MAX_PIXELS)
            )
        ],
    )


def _gif_pixels(contents: bytes | np.ndarray) -> np.int64:
    """The pixels that a GIF claims: of its screen or its largest frame, whichever is larger.

    Frames may exceed the screen. All are decompressed, to one byte a pixel, and one is decoded, to
    three; so together they may be three times as large as one.
    """

    def after_palette(place: int, flags: int) -> int:
        return place + (3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0)

    if not isinstance(contents, bytes):  # called eagerly, and not inside a dataset
        contents = contents.item()
    width, height, flags = struct.unpack_from("<HHB", contents, 6)
    largest, together = width * height, 0
    place = after_palette(13, flags)
    while place + 10 < len(contents) and contents[place] in b",!":
        if contents[place] == ord("!"):
            place += 2
        else:
            width, height, flags = struct.unpack_from("<HHB", contents, place + 5)
            largest, together = max(largest, width * height), together + width * height
            place = after_palette(place + 10, flags) + 1
        while place < len(contents) and contents[place]:
            place += contents[place] + 1
        place += 1
    return np.int64(max(largest, together // 3))


def fit_image(image: tf.Tensor, size: tuple[int, int], resize: str, background: float) -> tf.Tensor:
    """Brings an image, or the frames of a video, to one size.

    Args:
        image: Floats in [0, 255], `(height, width, channels)` or `(frames, height, width,
            channels)`.
        size: Height and width in pixels.
        resize: `"stretch"`, `"pad"` or `"crop"`; see `decode_image`.
        background: Grey value in [0, 255].

    Returns:
        uint8, `(..., *size, channels)`.
    """
    return tf.cast(
        tf.clip_by_value(tf.round(_fit(image, size, resize, background)), 0, 255), tf.uint8
    )


def _fit(image: tf.Tensor, size: tuple[int, int], resize: str, background: float) -> tf.Tensor:
    height, width = size
    if resize == "stretch":
        return tf.image.resize(image, size, antialias=True)
    shape = tf.cast(tf.shape(image)[-3:-1], tf.float32)
    ratios = tf.constant([height, width], tf.float32) / shape
    ratio = tf.reduce_min(ratios) if resize == "pad" else tf.reduce_max(ratios)
    scaled = tf.maximum(tf.cast(tf.round(shape * ratio), tf.int32), 1)
    image = tf.image.resize(image, scaled, antialias=True)
    if resize == "pad":
        # resize_with_crop_or_pad fills with zeros, so let zero be the ground.
        image = tf.image.resize_with_crop_or_pad(image - background, height, width) + background
    else:
        image = tf.image.resize_with_crop_or_pad(image, height, width)
    return image


def augment_images(
    images: tf.Tensor,
    seed: tf.Tensor,
    *,
    flip: bool = False,
    rotation: float = 0.0,
    crop: float = 0.0,
    shift: float = 0.0,
    background: float = 1.0,
) -> tf.Tensor:
    """Randomly flips, rotates, crops and shifts each image of a batch.

    Together they are one affine map per image, so that an image is interpolated once. The result
    is a pure function of the images and the seed.

    Args:
        images: Floats, `(batch, height, width, channels)`.
        seed: Two integers, `(2,)`.
        flip: Mirror left and right with probability one half.
        rotation: Largest angle in degrees, to either side.
        crop: Largest share of height and width cut away; the rest is enlarged to the full size.
        shift: Largest move, as a share of height and width, in any direction.
        background: What appears where the image has been moved away.
    """
    if not (flip or rotation or crop or shift):
        return images
    draws = tf.random.stateless_uniform((5, tf.shape(images)[0]), seed)
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
    zeros = tf.zeros_like(cos)
    transforms = tf.stack(
        [mirror * cos, -mirror * sin, offset_x, sin, cos, offset_y, zeros, zeros], axis=1
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=(height, width),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=background,
    )
