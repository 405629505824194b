"""Decode image files: the plain ones by OpenCV, which is fastest, all others by Pillow."""

from __future__ import annotations

import io
import struct
from typing import IO, TYPE_CHECKING, BinaryIO

import numpy as np
import PIL
import PIL.Image

from mmkeras.data.media.images.image_modes import DAMAGE, orientation, read_unusual, strips
from mmkeras.data.media.images.opencv import cv2
from mmkeras.data.media.images.resize import fit_image, grey, scaled_size
from mmkeras.data.media.plain_file import open_plain_file

if TYPE_CHECKING:
    from mmkeras.data.kinds.image import ImageSettings

# Larger than any camera's; a small file that claims more is refused before it is decoded.
MAX_PIXELS = 100_000_000
# Four channels of 16 bits, without compression.
_MOST_BYTES = 8 * MAX_PIXELS

PIL.Image.init()
# Pillow is given these by name: left to guess, it would also read formats that run other programs.
_FORMATS = tuple(
    name
    for name in ("PNG", "JPEG", "MPO", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
    if name in PIL.Image.OPEN
)
_PNG_COLOURS = (0, 2, 6)  # grey, colour, colour with transparency
# A transparent colour, an orientation, an animation; and texts that may hold an orientation.
_UNUSUAL_CHUNKS = (b"tRNS", b"eXIf", b"acTL")
_EXIF_TEXTS = (b"Raw profile type", b"XML:com.adobe.xmp")
_REDUCED = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}


def decoder_versions() -> str:
    """The libraries that decode images, which may differ in a pixel from version to version."""
    return f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}"


def encode_png(array: np.ndarray) -> bytes:
    """An array `(height, width)` or `(height, width, channels)` as the bytes of a PNG file.

    Integers are in [0, 255], floats in [0, 1], booleans black and white.
    """
    if array.dtype.kind == "b":
        array = array * np.uint8(255)
    elif array.dtype.kind == "f":
        array = np.round(array * 255)
    array = array.astype(np.uint8)
    if array.ndim == 3 and array.shape[2] >= 3:
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
    # Light compression: these bytes live in memory for the length of a run only.
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(array), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()


def decode_image(cell: bytes | str, settings: ImageSettings) -> np.ndarray:
    """Decodes an image (see `read_image`) and brings it to the settings' size and channels.

    How it is scaled, padded and cut says `mmkeras.data.media.images.resize`.
    Safe to call from several threads.

    Args:
        cell: The bytes of an image file, or its path.
        settings: Size, channels, way of resizing, ground.

    Returns:
        uint8 `(height, width, channels)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no image, it is damaged, too large, or not a plain file.
    """
    size, resize = settings.size, settings.resize
    pixels, shape = _read(cell, settings.background, settings)
    if pixels.shape[2] == 3 and settings.channels == 1:
        pixels = grey(pixels)
    image = fit_image(pixels, size, scaled_size(shape, size, resize), settings.background)
    return image if image.shape[2] == settings.channels else image.repeat(3, axis=2)


def read_image(cell: bytes | str, background: int = 255) -> np.ndarray:
    """Decodes an image file to 8 bits, at its own size.

    PNG, JPEG, GIF, BMP, WebP, TIFF and AVIF, of animations and pages the first. The image is
    turned as its EXIF orientation says. Transparency is laid over a ground of one grey. Palettes,
    CMYK, YCbCr, Lab and HSV become RGB, as Pillow converts them.

    Numbers of more than 8 bits rarely use them all: a scanner's 12 bits in a file of 16 would be
    nearly black. So white is the largest number of the smallest of 8, 10, 12, 14, 16, 24 and 32
    bits that holds the image's own maximum. It is decided image by image; where one scale must
    hold for a whole column, write 8-bit files, or give arrays. Floats are in [0, 1]; where their
    maximum is 2 or more they are scaled like integers.

    Args:
        cell: The bytes of an image file, or its path.
        background: Grey value in [0, 255] under transparency.

    Returns:
        uint8 `(height, width, 1)` of grey images without transparency, else `(height, width, 3)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no image, it is damaged, not a plain file, or its header claims more
            than `MAX_PIXELS`; no pixel is decoded then.

    Example:

    >>> file = io.BytesIO()
    >>> PIL.Image.new("LA", (4, 2), (0, 0)).save(file, "PNG")
    >>> read_image(file.getvalue(), background=200)[0, 0]
    array([200, 200, 200], dtype=uint8)
    """
    return _read(cell, background, None)[0]


def image_size(cell: bytes | str | np.ndarray) -> tuple[int, int]:
    """Height and width that `read_image` would give, from the header alone where that says it.

    Args:
        cell: The bytes of an image file, its path, or an array `(height, width, ...)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no image.

    Example:

    >>> image_size(encode_png(np.zeros((4, 2, 3), np.uint8)))
    (4, 2)
    """
    if isinstance(cell, np.ndarray):
        return cell.shape[0], cell.shape[1]
    with _opened(cell) as file:
        try:
            with PIL.Image.open(file, formats=_FORMATS) as image:
                width, height = image.size
                plain = False
                if image.format == "PNG":
                    # Pillow would decode all pixels to look for an orientation behind them.
                    file.seek(0)
                    plain = _is_plain(file.read())
                turned = not plain and orientation(image) >= 5
        except PIL.UnidentifiedImageError as error:
            raise ValueError("it is no image") from error
        except DAMAGE as error:
            raise ValueError(str(error)) from error
    return (width, height) if turned else (height, width)


def _opened(cell: bytes | str) -> BinaryIO:
    return io.BytesIO(cell) if isinstance(cell, bytes) else open_plain_file(cell, _MOST_BYTES)


def _read(
    cell: bytes | str, background: int, settings: ImageSettings | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Pixels, and height and width of the file's image.

    With settings, the pixels of a much larger JPEG may be fewer, though not fewer than these need.
    """
    with _opened(cell) as file:
        start = file.read(33)
        if not start:
            raise ValueError("there are no bytes")
        pixels = _read_plain_png(file, start, background)
        if pixels is not None:
            return pixels, (pixels.shape[0], pixels.shape[1])
        try:
            with PIL.Image.open(file, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(
                        f"its header claims {image.width * image.height} pixels; at most "
                        f"{MAX_PIXELS} are read"
                    )
                pixels = _read_plain_jpeg(image, file, settings)
                if pixels is not None:
                    return pixels, (image.height, image.width)
                pixels = read_unusual(image, file, background)
                return pixels, (pixels.shape[0], pixels.shape[1])
        except PIL.UnidentifiedImageError as error:
            raise ValueError(
                f"it starts with {start[:12]!r}; expected an image of the format "
                f"{', '.join(_FORMATS)}, in one of their usual layouts"
            ) from error
        except PIL.Image.DecompressionBombError as error:
            raise ValueError(f"its header claims too much. {error}") from error
        except DAMAGE as error:
            raise ValueError(str(error)) from error


def _read_plain_png(file: IO[bytes], start: bytes, background: int) -> np.ndarray | None:
    """The pixels of a PNG of 8-bit grey or colour, and `None` for any other file.

    A PNG's first chunk has a fixed place, and a small PNG is decoded in the time that Pillow takes
    to read its header. Files that OpenCV finds damaged are among the others: Pillow has a reason.
    """
    if len(start) < 33 or not start.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        return None
    width, height, depth, colours = struct.unpack_from(">IIBB", start, 16)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if depth != 8 or colours not in _PNG_COLOURS or not 0 < width * height <= MAX_PIXELS:
        return None
    if size > (1 << 20) + 8 * width * height:
        return None  # mostly something else than pixels
    contents = file.read()
    file.seek(0)
    pixels = None
    if _is_plain(contents):
        pixels = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return None
    if pixels.ndim == 2:
        return pixels[..., np.newaxis]
    if pixels.shape[2] == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return _lay_over(pixels, background)


def _is_plain(png: bytes) -> bool:
    place = 8
    while place < len(png):
        name = png[place + 4 : place + 8]
        if name in _UNUSUAL_CHUNKS or png.startswith(_EXIF_TEXTS, place + 8):
            return False
        place += 12 + int.from_bytes(png[place : place + 4], "big")
    return True


def _lay_over(pixels: np.ndarray, background: int) -> np.ndarray:
    """Colours with transparency over a ground of one grey, rounded as Pillow's `paste` does.

    Args:
        pixels: uint8 `(height, width, 4)`, in OpenCV's order.
        background: The ground's grey value in [0, 255].

    Returns:
        uint8 `(height, width, 3)`, red first.
    """
    result = np.empty((*pixels.shape[:2], 3), np.uint8)
    for rows in strips(*pixels.shape[:2]):
        alpha = pixels[rows, :, 3]
        opaque = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        own = cv2.cvtColor(pixels[rows], cv2.COLOR_BGRA2RGB)
        own = cv2.multiply(own, opaque, dtype=cv2.CV_16U)
        ground = (255 - alpha).astype(np.uint16) * np.uint16(background)
        both = cv2.add(own, cv2.cvtColor(ground, cv2.COLOR_GRAY2RGB))
        result[rows] = cv2.convertScaleAbs(both, alpha=1 / 255)
    return result


def _read_plain_jpeg(
    image: PIL.Image.Image, file: IO[bytes], settings: ImageSettings | None
) -> np.ndarray | None:
    """The same for JPEGs, whose header Pillow has read."""
    is_jpeg = image.format in ("JPEG", "MPO")
    if not is_jpeg or image.mode not in ("L", "RGB") or orientation(image) != 1:
        return None
    file.seek(0)
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION | _reduction(image, settings)
    pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), flags)
    if pixels is None:
        return None
    return pixels[..., np.newaxis] if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _reduction(image: PIL.Image.Image, settings: ImageSettings | None) -> int:
    """How OpenCV is told to leave out a JPEG's finest frequencies, which scaling would average."""
    if settings is None:
        return 0
    height, width = scaled_size((image.height, image.width), settings.size, settings.resize)
    for factor, flag in _REDUCED.items():
        if image.height >= factor * height and image.width >= factor * width:
            return flag
    return 0
