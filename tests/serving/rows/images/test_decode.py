"""Decoding and resizing inside a graph: the pixels of OpenCV and Pillow, to the last one."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from mmkeras.data.kinds.image import ImageSettings
from mmkeras.data.media.images.image_file import decode_image
from mmkeras.data.media.images.resize import fit_image as fit_by_opencv
from mmkeras.data.media.images.resize import scaled_size as size_by_python
from mmkeras.serving.rows.images.decode import decode_images
from mmkeras.serving.rows.images.resize import fit_image, scaled_size


def smooth(height, width, channels, seed=0):
    """A picture with edges and gradients, uint8."""
    random = np.random.default_rng(seed)
    coarse = random.normal(128, 60, (height // 8 + 2, width // 8 + 2, channels))
    layers = [PIL.Image.fromarray(coarse[..., i].astype(np.float32)) for i in range(channels)]
    layers = [np.asarray(each.resize((width, height), PIL.Image.BICUBIC)) for each in layers]
    return np.clip(np.stack(layers, axis=-1), 0, 255).astype(np.uint8)


def saved(array, format, mode=None, **options):
    file = io.BytesIO()
    image = array if isinstance(array, PIL.Image.Image) else PIL.Image.fromarray(array)
    (image.convert(mode) if mode else image).save(file, format, **options)
    return file.getvalue()


def deep_png(numbers, colours):
    """A PNG of 16 bits."""

    def chunk(name, contents):
        checksum = struct.pack(">I", zlib.crc32(name + contents))
        return struct.pack(">I", len(contents)) + name + contents + checksum

    height, width = numbers.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers)
    header = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def exif(orientation):
    block = PIL.Image.Exif()
    block[0x010F] = "x" * orientation
    block[0x0112] = orientation
    return block


def files():
    """Files of all forms that are read, by what they are."""
    colour, grey = smooth(72, 50, 3), smooth(72, 50, 1)[..., 0]
    large = smooth(400, 300, 3)
    palette = PIL.Image.fromarray(colour).quantize(16)
    deep = smooth(40, 60, 4).astype(int)
    found = {
        "colour": saved(colour, "PNG"),
        "transparent": saved(smooth(72, 50, 4), "PNG"),
        "grey": saved(grey, "PNG"),
        "grey with transparency": saved(smooth(72, 50, 2), "PNG"),
        "one bit": saved(grey, "PNG", "1"),
        "palette": saved(colour, "PNG", "P"),
        "palette of 4 bits": saved(palette, "PNG"),
        "a transparent entry": saved(palette, "PNG", transparency=3),
        "transparent entries": saved(palette, "PNG", transparency=bytes(range(0, 160, 10))),
        "a transparent colour": saved(colour // 64 * 64, "PNG", transparency=(128, 128, 128)),
        "a transparent grey": saved(grey // 32 * 32, "PNG", transparency=96),
        "16 bits": deep_png(deep[..., 0] * 257, 0),
        "12 of 16 bits": deep_png(deep[..., 0] * 16, 0),
        "10 of 16 bits": deep_png(deep[..., 0] * 4, 0),
        "colours of 16 bits": deep_png(deep[..., :3] * 200, 2),
        "16 bits with transparency": deep_png(deep * 257, 6),
        "grey of 16 bits with transparency": deep_png(deep[..., :2] * 257, 4),
        "a turned PNG": saved(colour, "PNG", exif=exif(6)),
        "a wide PNG": saved(smooth(33, 500, 3), "PNG"),
        "JPEG": saved(large, "JPEG", quality=85),
        "JPEG of full colours": saved(large, "JPEG", subsampling=0),
        "grey JPEG": saved(large[..., 0], "JPEG"),
        "progressive JPEG": saved(large, "JPEG", progressive=True),
        "small JPEG": saved(colour, "JPEG"),
        "JPEG ten times as large": saved(smooth(480, 700, 3), "JPEG"),
        "one pixel": saved(colour[:1, :1], "PNG"),
    }
    turned = {f"turned JPEG {o}": saved(large, "JPEG", exif=exif(o)) for o in range(1, 9)}
    return {**found, **turned}


def reader(settings):
    return tf.function(
        lambda contents: decode_images(contents, settings),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )


SETTINGS = [
    ImageSettings(size=(28, 32), channels=1, resize="pad", background=100),
    ImageSettings(size=(32, 32)),
    ImageSettings(size=(64, 48), resize="crop", background=0),
]


@pytest.mark.parametrize(
    "settings", [SETTINGS[0], *(pytest.param(s, marks=pytest.mark.slow) for s in SETTINGS[1:])]
)
def test_every_form_is_read_to_the_same_pixels(settings):
    forms = files()
    read = reader(settings)(tf.constant([*forms.values(), b""])).numpy()
    for name, contents, pixels in zip(forms, forms.values(), read, strict=False):
        np.testing.assert_array_equal(pixels, decode_image(contents, settings), name)
    assert (read[-1] == settings.background).all()  # no image


def test_what_would_be_read_otherwise_ends_in_an_error():
    colour = smooth(30, 20, 3)
    jpeg, png = saved(colour, "JPEG"), saved(colour, "PNG")
    turned_by_text = png.replace(b"IEND", b"IEND") + b' tiff:Orientation="6"'
    refused = {
        "PNG or JPEG": [b"hello", saved(colour, "GIF", "P"), saved(colour, "WEBP"), jpeg[:2]],
        "CMYK": [saved(colour, "JPEG", "CMYK")],
        "XMP": [turned_by_text],
        "PNG": [png[:200], png[:30]],
        "JPEG": [jpeg[:400], jpeg[:25]],
    }
    read = reader(SETTINGS[1])
    for words, broken in refused.items():
        for contents in broken:
            with pytest.raises(tf.errors.InvalidArgumentError, match=words):
                read(tf.constant([contents]))


@pytest.mark.slow
def test_any_size_is_brought_to_any_other_as_opencv_does():
    random = np.random.default_rng(0)
    shapes = [(72, 72), (64, 64), (100, 37), (96, 48), (300, 200), (45, 60), (1, 1), (2, 500)]
    ways = [((32, 32), "stretch", 3), ((48, 96), "pad", 1), ((64, 30), "crop", 3)]
    for size, resize, channels in ways:
        fit = tf.function(
            lambda image, size=size, resize=resize: fit_image(
                image, size, scaled_size(tf.shape(image)[:2], size, resize), 255
            ),
            input_signature=[tf.TensorSpec((None, None, channels))],
        )
        for shape in [*shapes, *random.integers(20, 130, (20, 2))]:
            image = random.integers(0, 256, (*shape, channels)).astype(np.uint8)
            expected = fit_by_opencv(image, size, size_by_python(tuple(shape), size, resize))
            np.testing.assert_array_equal(fit(image.astype(np.float32)), expected, str(shape))
