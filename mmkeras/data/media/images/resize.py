"""Bring pictures to one size, and colours to grey."""

from __future__ import annotations

import numpy as np

from mmkeras.data.media.images.opencv import cv2


def grey(image: np.ndarray) -> np.ndarray:
    """The ITU-R BT.601 luma of colours: uint8, from `(height, width, 3)` to `(height, width, 1)`.

    Example:

    >>> grey(np.array([[[255, 0, 0], [77, 77, 77]]], np.uint8)).ravel()
    array([76, 77], dtype=uint8)
    """
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., np.newaxis]


def scaled_size(shape: tuple[int, ...], size: tuple[int, int], resize: str) -> tuple[int, int]:
    """Height and width that a picture is scaled to, before it is padded or cut to a size.

    Args:
        shape: The picture's own height and width.
        size: Height and width that it shall have in the end.
        resize: `"stretch"` (to the size, whatever the shape was), `"pad"` (the whole picture with
            its shape kept, on a ground of one grey) or `"crop"` (the middle, shape kept).

    Example:

    >>> scaled_size((400, 200), (100, 100), "pad"), scaled_size((400, 200), (100, 100), "crop")
    ((100, 50), (200, 100))
    """
    if resize == "stretch":
        return size
    ratios = size[0] / shape[0], size[1] / shape[1]
    ratio = min(ratios) if resize == "pad" else max(ratios)
    return max(1, round(shape[0] * ratio)), max(1, round(shape[1] * ratio))


def fit_image(
    image: np.ndarray, size: tuple[int, int], scaled: tuple[int, int], background: int = 255
) -> np.ndarray:
    """Scales a picture, then cuts its middle out, or lays it on the middle of a ground.

    Where an axis is at least halved, each new pixel is the mean of the area that it covers
    (OpenCV's `INTER_AREA`, Pillow's `BOX`). Otherwise pixels are interpolated linearly, and along
    an axis that becomes shorter by a factor `f` the picture is first smoothed by `[w, 1 - 2w, w]`
    with `w = (f^2 - 1) / 12`. Both together have the variance of Pillow's `BILINEAR`, which is
    anti-aliased, in a third of its time.

    Args:
        image: uint8 `(height, width, channels)`.
        size: Height and width of the result.
        scaled: Height and width of the picture in it, of `scaled_size`.
        background: Grey value in [0, 255] of the ground.

    Returns:
        uint8 `(*size, channels)`.

    Example:

    >>> fit_image(np.array([[[10], [20], [90], [100]]], np.uint8), (1, 2), (1, 2)).ravel()
    array([15, 95], dtype=uint8)
    """
    image = _scale(image, scaled)
    if scaled == size:
        return image
    fitted = np.full((*size, image.shape[2]), background, np.uint8)
    place: list[slice] = []
    taken: list[slice] = []
    for whole, part in zip(size, scaled, strict=True):
        shared, before = min(whole, part), abs(whole - part) // 2
        middle, start = slice(before, before + shared), slice(0, shared)
        place.append(middle if part < whole else start)
        taken.append(start if part < whole else middle)
    fitted[tuple(place)] = image[tuple(taken)]
    return fitted


def _scale(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shape, channels = image.shape[:2], image.shape[2]
    factors = [max(1.0, old / new) for old, new in zip(shape, size, strict=True)]
    if max(factors) >= 2:
        # On its own: of two axes that OpenCV scales at once, one that grows spoils the means.
        smaller = min(shape[0], size[0]), min(shape[1], size[1])
        image = cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA)
    elif max(factors) > 1:
        down, across = (_smoothing((factor**2 - 1) / 12) for factor in factors)
        image = cv2.sepFilter2D(image, -1, across, down, borderType=cv2.BORDER_REPLICATE)
    if image.shape[:2] != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return image.reshape(*size, channels)


def _smoothing(weight: float) -> np.ndarray:
    return np.array([weight, 1 - 2 * weight, weight], np.float32)
