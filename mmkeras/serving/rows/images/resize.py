"""Bring pictures to one size inside a TensorFlow graph, bit for bit as OpenCV does.

The counterpart of `mmkeras.data.media.images.resize`, which says what is computed. Here each step
is written with the roundings of OpenCV's own loops: 8-bit results would otherwise differ by one
where a mean lies half-way between two numbers.
"""

from __future__ import annotations

import tensorflow as tf

_LINEAR_ONE = 2048.0  # OpenCV's weights of linear interpolation have 11 bits
_EDGE = 1e-3  # a part of a pixel that is smaller than this counts as none


def scaled_size(shape: tf.Tensor, size: tuple[int, int], resize: str) -> tf.Tensor:
    """Height and width that a picture is scaled to, int32 `(2,)`.

    Args:
        shape: The picture's own height and width, int32 `(2,)`.
        size: Height and width that it shall have in the end.
        resize: `"stretch"`, `"pad"` or `"crop"`.
    """
    if resize == "stretch":
        return tf.constant(size, tf.int32)
    own = tf.cast(shape, tf.float64)
    ratios = tf.constant(size, tf.float64) / own
    ratio = tf.reduce_min(ratios) if resize == "pad" else tf.reduce_max(ratios)
    return tf.maximum(1, tf.cast(tf.round(own * ratio), tf.int32))


def fit_image(
    image: tf.Tensor, size: tuple[int, int], scaled: tf.Tensor, background: int
) -> tf.Tensor:
    """Scales a picture, then cuts its middle out, or lays it on the middle of a ground.

    Args:
        image: Whole numbers in [0, 255] as float32, `(height, width, channels)`.
        size: Height and width of the result.
        scaled: Height and width of the picture in it, of `scaled_size`.
        background: Grey value in [0, 255] of the ground.

    Returns:
        float32 `(*size, channels)`, whole numbers in [0, 255].
    """
    image = _scale(image, scaled)
    before = tf.abs(tf.constant(size) - scaled) // 2
    shared = tf.minimum(tf.constant(size), scaled)
    start = tf.where(scaled > tf.constant(size), before, 0)
    image = tf.slice(image, tf.concat([start, [0]], 0), tf.concat([shared, [-1]], 0))
    first = tf.where(scaled < tf.constant(size), before, 0)
    last = tf.constant(size) - shared - first
    paddings = tf.stack([tf.stack([first[0], last[0]]), tf.stack([first[1], last[1]]), [0, 0]])
    fitted = tf.pad(image, paddings, constant_values=float(background))
    fitted.set_shape((*size, image.shape[2]))
    return fitted


def _scale(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(image)[:2]
    factors = tf.maximum(tf.cast(shape, tf.float64) / tf.cast(size, tf.float64), 1.0)
    largest = tf.reduce_max(factors)

    def shrunk() -> tf.Tensor:
        return tf.cond(
            largest >= 2,
            lambda: _mean_of_areas(image, tf.minimum(shape, size)),
            lambda: _smoothed(image, factors),
        )

    image = tf.cond(largest > 1, shrunk, lambda: image)
    different = tf.reduce_any(tf.shape(image)[:2] != size)
    return tf.cond(different, lambda: _linear(image, size), lambda: image)


def _mean_of_areas(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """OpenCV's `INTER_AREA`, where no axis grows."""
    shape = tf.shape(image)[:2]
    scale = 1.0 / (tf.cast(size, tf.float64) / tf.cast(shape, tf.float64))
    whole = tf.round(scale)
    is_whole = tf.reduce_all(tf.abs(scale - whole) < 2.3e-16)
    return tf.cond(
        is_whole,
        lambda: _mean_of_blocks(image, size, tf.cast(whole, tf.int32)),
        lambda: _mean_of_parts(image, size, scale),
    )


def _mean_of_blocks(image: tf.Tensor, size: tf.Tensor, block: tf.Tensor) -> tf.Tensor:
    channels = image.shape[2]
    blocks = tf.reshape(image, tf.stack([size[0], block[0], size[1], block[1], channels]))
    total = tf.reduce_sum(blocks, axis=(1, 3))  # of whole numbers below 2^24: exact
    mean = tf.round(total * (1.0 / tf.cast(block[0] * block[1], tf.float32)))
    # Of two by two pixels OpenCV rounds halves up, of all others to the even number.
    return tf.where(tf.reduce_all(block == 2), tf.floor((total + 2.0) * 0.25), mean)


def _mean_of_parts(image: tf.Tensor, size: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    across = _weighted_sum(image, *_area_weights(tf.shape(image)[1], size[1], scale[1]), axis=1)
    down = _weighted_sum(across, *_area_weights(tf.shape(image)[0], size[0], scale[0]), axis=0)
    return tf.clip_by_value(tf.round(down), 0.0, 255.0)


def _area_weights(old: tf.Tensor, new: tf.Tensor, scale: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What each new pixel is made of: its first old pixel and weights, `(new,)`, `(taps, new)`.

    The tables of OpenCV's `computeResizeAreaTab`: a part of a pixel at either end, whole ones
    between them.
    """
    first = tf.cast(tf.range(new), tf.float64) * scale
    last = first + scale
    width = tf.minimum(scale, tf.cast(old, tf.float64) - first)
    end = tf.minimum(tf.cast(tf.floor(last), tf.int32), old - 1)
    begin = tf.minimum(tf.cast(tf.math.ceil(first), tf.int32), end)
    left = tf.cast(begin, tf.float64) - first
    right = last - tf.cast(end, tf.float64)
    taps = tf.range(-1, tf.cast(tf.math.ceil(scale), tf.int32) + 1)[:, tf.newaxis]
    place = begin + taps
    weights = tf.where((taps >= 0) & (place < end), 1.0 / width, 0.0)
    weights = tf.where((taps == -1) & (left > _EDGE), left / width, weights)
    part = tf.minimum(tf.minimum(right, 1.0), width) / width
    weights = tf.where((place == end) & (taps >= 0) & (right > _EDGE), part, weights)
    return begin - 1, tf.cast(weights, tf.float32)


def _weighted_sum(image: tf.Tensor, first: tf.Tensor, weights: tf.Tensor, axis: int) -> tf.Tensor:
    """The sum over taps, one after the other in float32, as OpenCV adds them."""
    most = tf.shape(image)[axis] - 1
    new = tf.shape(first)[0]
    shape = tf.tensor_scatter_nd_update(tf.shape(image), [[axis]], [new])
    along = (-1, 1, 1) if axis == 0 else (1, -1, 1)

    def add(tap: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places = tf.clip_by_value(first + tap, 0, most)
        part = tf.gather(image, places, axis=axis) * tf.reshape(weights[tap], along)
        return tap + 1, total + part

    start = (tf.constant(0), tf.zeros(shape, tf.float32))
    total = tf.while_loop(
        lambda tap, total: tap < tf.shape(weights)[0],
        add,
        start,
        shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, None, image.shape[2]))),
    )[1]
    return total


def _smoothed(image: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """OpenCV's `sepFilter2D` with `[w, 1 - 2w, w]` along each axis: across first, then down.

    Its loops are compiled with fused multiplications and additions, in this order; a processor
    without these gives other last bits.
    """
    exact = (tf.square(factors) - 1) / 12
    weights, middles = tf.cast(exact, tf.float32), tf.cast(1 - 2 * exact, tf.float32)
    padded = tf.pad(image, [[0, 0], [1, 1], [0, 0]], mode="SYMMETRIC")
    total = padded[:, :-2] * weights[1]
    total = _fused(image, middles[1], total)
    across = _fused(padded[:, 2:], weights[1], total)
    padded = tf.pad(across, [[1, 1], [0, 0], [0, 0]], mode="SYMMETRIC")
    down = _fused(padded[:-2] + padded[2:], weights[0], across * middles[0])
    return tf.clip_by_value(tf.round(down), 0.0, 255.0)


def _fused(values: tf.Tensor, weight: tf.Tensor, more: tf.Tensor) -> tf.Tensor:
    """`values * weight + more`, rounded once."""
    product = tf.cast(values, tf.float64) * tf.cast(weight, tf.float64)
    return tf.cast(product + tf.cast(more, tf.float64), tf.float32)


def _linear(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """OpenCV's `INTER_LINEAR` of 8-bit numbers, in whole numbers of its 11-bit weights."""
    image = tf.cast(image, tf.int32)
    shape = tf.shape(image)[:2]
    scale = 1.0 / (tf.cast(size, tf.float64) / tf.cast(shape, tf.float64))
    place, share = _places(size[1], scale[1])
    outside = (place < 0) | (place >= shape[1] - 1)
    share = tf.where(outside, 0.0, share)
    place = tf.clip_by_value(place, 0, shape[1] - 1)
    left, right = _fixed(1.0 - share), _fixed(share)
    follower = tf.minimum(place + 1, shape[1] - 1)
    across = tf.gather(image, place, axis=1) * left[:, tf.newaxis]
    across += tf.gather(image, follower, axis=1) * right[:, tf.newaxis]
    place, share = _places(size[0], scale[0])
    upper, lower = _fixed(1.0 - share), _fixed(share)
    above = tf.gather(across, tf.clip_by_value(place, 0, shape[0] - 1), axis=0)
    below = tf.gather(across, tf.clip_by_value(place + 1, 0, shape[0] - 1), axis=0)
    upper, lower = upper[:, tf.newaxis, tf.newaxis], lower[:, tf.newaxis, tf.newaxis]
    total = _high(upper * _shifted(above, 4)) + _high(lower * _shifted(below, 4))
    return tf.cast(tf.clip_by_value(_shifted(total + 2, 2), 0, 255), tf.float32)


def _places(new: tf.Tensor, scale: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The old pixel before each new one's centre, and how far that is behind it, in [0, 1)."""
    centre = tf.cast((tf.cast(tf.range(new), tf.float64) + 0.5) * scale - 0.5, tf.float32)
    place = tf.floor(centre)
    return tf.cast(place, tf.int32), centre - place


def _fixed(share: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(share * _LINEAR_ONE), tf.int32)


def _shifted(values: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.right_shift(values, tf.constant(bits, values.dtype))


def _high(values: tf.Tensor) -> tf.Tensor:
    return _shifted(values, 16)
