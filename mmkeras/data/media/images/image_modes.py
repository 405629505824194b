"""The unusual images: turned, of palettes, CMYK, transparency, more than 8 bits, animations."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np
import PIL.Image

from mmkeras.data.media.images.opencv import cv2

# What Pillow's readers raise on damaged files.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(EOFError, struct.error, zlib.error, PIL.Image.DecompressionBombWarning),
)
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
_STRIP_PIXELS = 1 << 22


def strips(height: int, width: int) -> Iterator[slice]:
    """Rows that are converted together: the memory of conversions stays below `_STRIP_PIXELS`."""
    step = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def _raw_mode(image: PIL.Image.Image) -> str:
    """How the file stores what Pillow gives in `image.mode`, such as "RGB;16B"."""
    arguments = image.tile[0][3] if image.tile else ""
    return arguments[0] if isinstance(arguments, tuple) else str(arguments)


def orientation(image: PIL.Image.Image) -> int:
    """The EXIF orientation, from 1 to 8; 1 is upright."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except DAMAGE:
        return 1  # a damaged EXIF block says nothing of the pixels


def read_unusual(image: PIL.Image.Image, file: IO[bytes], background: int) -> np.ndarray:
    """The 8-bit pixels of any image that Pillow opens; see `image_file.read_image`.

    Args:
        image: Opened, not yet loaded.
        file: Of the image.
        background: Grey value in [0, 255] under transparency.

    Returns:
        uint8 `(height, width, 1 | 3)`.
    """
    raw_mode = _raw_mode(image)
    image.load()
    turn = _UPRIGHT.get(orientation(image))
    if image.mode in ("RGB", "RGBA", "LA") and ";16" in raw_mode:
        deep = _read_deep_colours(file)
        colours = _to_8_bits(deep[..., :3])
        if deep.shape[2] == 4:
            alpha = PIL.Image.fromarray((deep[..., 3] // 257).astype(np.uint8))
            image = PIL.Image.fromarray(colours)
            image.putalpha(alpha)
        else:
            image = PIL.Image.fromarray(colours)
    elif image.mode[0] in "IF":
        numbers = np.asarray(image)
        clear = image.info.get("transparency")
        is_clear = numbers == clear if isinstance(clear, int) else None
        image = PIL.Image.fromarray(_to_8_bits(numbers))
        if is_clear is not None:
            image.putalpha(PIL.Image.fromarray(~is_clear))
    if turn is not None:
        image = image.transpose(turn)
    return _to_pixels(image, background)


def _read_deep_colours(file: IO[bytes]) -> np.ndarray:
    """Colours of 16 bits, of which Pillow gives the upper 8 only; `(height, width, 3 | 4)`."""
    file.seek(0)
    pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.dtype != np.uint16:
        raise ValueError("its colours of 16 bits cannot be read; save it with 8 bits")
    order = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(pixels, order)


def _to_8_bits(numbers: np.ndarray) -> np.ndarray:
    """Scales integers of more bits, or floats, as `read_image` says."""
    numbers = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("="))
    least, most = numbers.min(), numbers.max()
    is_float = numbers.dtype.kind == "f"
    if not least >= 0 or not np.isfinite(most) or (is_float and 1 < most < 2):
        raise ValueError(
            f"its pixels are numbers from {least:g} to {most:g}; expected floats in [0, 1], or "
            "numbers from 0 up to a maximum of 2 or more"
        )
    whites = (2**depth - 1 for depth in _DEPTHS)
    white = 1 if is_float and most <= 1 else next((w for w in whites if w >= most), most)
    return cv2.convertScaleAbs(numbers, alpha=255 / float(white))


def _to_pixels(image: PIL.Image.Image, background: int) -> np.ndarray:
    """8-bit pixels of any of Pillow's modes; a strip at a time, which bounds the memory."""
    clear = image.has_transparency_data
    mode = "RGBA" if clear else "L" if image.mode in ("1", "L") else "RGB"
    pixels = np.empty((image.height, image.width, 1 if mode == "L" else 3), np.uint8)
    for rows in strips(image.height, image.width):
        strip = image.crop((0, rows.start, image.width, rows.stop)).convert(mode)
        if clear:
            ground = PIL.Image.new("RGB", strip.size, (background,) * 3)
            ground.paste(strip, mask=strip.getchannel("A"))
            strip = ground
        pixels[rows] = np.asarray(strip).reshape(strip.height, strip.width, -1)
    return pixels
