"""Kinds of image files, each next to what Pillow itself makes of it."""

import io
import os
import resource
import struct
import zlib

import numpy as np
import PIL.features
import PIL.Image
import PIL.ImageOps
import pytest

from mmkeras.data.kinds import KINDS, ImageSettings
from mmkeras.data.media.images.image_file import MAX_PIXELS, decode_image, encode_png, read_image
from mmkeras.data.media.images.opencv import cv2
from mmkeras.data.media.images.resize import fit_image, scaled_size
from tests.data.media_files import png_claiming

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 13, 10
COLOURS = cv2.resize(RNG.integers(0, 256, (5, 4, 3), np.uint8), (WIDTH, HEIGHT))
GREYS = np.ascontiguousarray(COLOURS[..., 0])
ALPHA = np.linspace(0, 255, HEIGHT * WIDTH).astype(np.uint8).reshape(HEIGHT, WIDTH)
RGB, GREY = PIL.Image.fromarray(COLOURS), PIL.Image.fromarray(GREYS)
RGBA = PIL.Image.fromarray(np.dstack([COLOURS, ALPHA]))
PALETTE = RGB.quantize(16)
LAB = PIL.Image.fromarray(COLOURS, "LAB")
GROUND = 40


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif.tobytes()}


def with_chunk(png, name, content, before=b"IEND"):
    place = png.rindex(before) - 4
    chunk = struct.pack(">I", len(content)) + name + content
    return png[:place] + chunk + struct.pack(">I", zlib.crc32(name + content)) + png[place:]


def animated(kind, **options):
    return saved(RGB, kind, save_all=True, append_images=[RGB.transpose(0)], **options)


FILES = {
    "PNG grey": saved(GREY, "PNG"),
    "PNG colour": saved(RGB, "PNG"),
    "PNG colour and alpha": saved(RGBA, "PNG"),
    "PNG grey and alpha": saved(RGBA.convert("LA"), "PNG"),
    "PNG palette": saved(PALETTE, "PNG"),
    "PNG palette, one entry clear": saved(PALETTE, "PNG", transparency=3),
    "PNG palette, entries of all opacities": saved(
        PALETTE, "PNG", transparency=bytes(range(0, 256, 16))
    ),
    "PNG grey, one grey clear": saved(GREY, "PNG", transparency=int(GREYS[4, 4])),
    "PNG colour, one colour clear": saved(
        RGB, "PNG", transparency=tuple(int(v) for v in COLOURS[4, 4])
    ),
    "PNG of 1 bit": saved(GREY.convert("1"), "PNG"),
    "PNG palette of 2 bits": saved(RGB.quantize(4), "PNG", bits=2),
    "PNG turned": saved(RGB, "PNG", **turned(6)),
    "PNG grey, turned": saved(GREY, "PNG", **turned(8)),
    "PNG turned, said after the pixels": with_chunk(
        saved(RGB, "PNG"), b"eXIf", turned(6)["exif"][6:]
    ),
    "PNG with a text": with_chunk(saved(RGB, "PNG"), b"tEXt", b"Title\0a", before=b"IDAT"),
    "PNG animated": animated("PNG"),
    "JPEG colour": saved(RGB, "JPEG", quality=90),
    "JPEG grey": saved(GREY, "JPEG", quality=90),
    "JPEG progressive": saved(RGB, "JPEG", progressive=True),
    "JPEG 4:4:4": saved(RGB, "JPEG", subsampling=0),
    "JPEG CMYK": saved(RGB.convert("CMYK"), "JPEG"),
    **{f"JPEG turned {way}": saved(RGB, "JPEG", **turned(way)) for way in range(2, 9)},
    "JPEG grey, turned": saved(GREY, "JPEG", **turned(6)),
    "JPEG upright": saved(RGB, "JPEG", **turned(1)),
    "JPEG of several pictures": animated("MPO"),
    "GIF": saved(RGB, "GIF"),
    "GIF with transparency": saved(PALETTE, "GIF", transparency=3),
    "GIF animated": animated("GIF"),
    "BMP colour": saved(RGB, "BMP"),
    "BMP palette": saved(PALETTE, "BMP"),
    "BMP of 1 bit": saved(GREY.convert("1"), "BMP"),
    "TIFF colour": saved(RGB, "TIFF"),
    "TIFF compressed": saved(RGB, "TIFF", compression="tiff_lzw"),
    "TIFF CMYK": saved(RGB.convert("CMYK"), "TIFF"),
    "TIFF Lab": saved(LAB, "TIFF"),
    "TIFF palette": saved(PALETTE, "TIFF"),
    "TIFF colour and alpha": saved(RGBA, "TIFF"),
    "TIFF turned": saved(RGB, "TIFF", tiffinfo={0x0112: 6}),
    "TIFF of two pages": animated("TIFF"),
    "WebP": saved(RGB, "WEBP"),
    "WebP with transparency": saved(RGBA, "WEBP", lossless=True, exact=True),
    "WebP animated": animated("WEBP", lossless=True),
    "WebP turned": saved(RGB, "WEBP", lossless=True, **turned(6)),
}
if PIL.features.check("avif"):
    FILES["AVIF"] = saved(RGB, "AVIF")
    FILES["AVIF with transparency"] = saved(RGBA, "AVIF")


def by_pillow(contents):
    """What a user of Pillow writes."""
    image = PIL.Image.open(io.BytesIO(contents))
    image = PIL.ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = PIL.Image.new("RGB", image.size, (GROUND,) * 3)
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_pillow_makes_of_it(name, tmp_path):
    contents = FILES[name]
    expected = by_pillow(contents)
    pixels = read_image(contents, GROUND)
    assert pixels.dtype == np.uint8 and pixels.shape[:2] == expected.shape[:2]
    error = np.abs(pixels.astype(int) - expected).max()
    assert error <= (2 if name.startswith("JPEG") else 0)
    path = tmp_path / "a file"
    path.write_bytes(contents)
    np.testing.assert_array_equal(read_image(str(path), GROUND), pixels)
    assert KINDS["image"].signature.match(contents[:12])
    for channels in (1, 3):
        settings = ImageSettings(
            size=pixels.shape[:2], channels=channels, background=GROUND, resize="crop"
        )
        decoded = decode_image(contents, settings)
        assert decoded.shape == (*pixels.shape[:2], channels)
        wanted = (
            expected if channels == 3 else np.asarray(PIL.Image.fromarray(expected).convert("L"))
        )
        assert np.abs(decoded.astype(int) - wanted.reshape(decoded.shape)).max() <= 3


RAMP = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
EIGHT = np.round(RAMP * 255).astype(np.uint8)


def deep(kind, most, channels=1):
    numbers = np.round(RAMP * most).astype(np.uint16)
    stacked = np.repeat(numbers[..., None], channels, axis=2)
    if channels == 4:
        stacked[..., 3] = 65535
    return cv2.imencode(f".{kind}", stacked)[1].tobytes()


def tiff(most, dtype, mode):
    numbers = RAMP * most if mode == "F" else np.round(RAMP * most)
    image = PIL.Image.frombytes(mode, (WIDTH, HEIGHT), numbers.astype(dtype).tobytes())
    return saved(image, "TIFF")


DEEP = {
    "PNG of 16 bits, all used": deep("png", 65535),
    "PNG of 16 bits, 12 used": deep("png", 4095),
    "PNG of 16 bits, 10 used": deep("png", 1023),
    "PNG of 16 bits, 8 used": deep("png", 255),
    "PNG of 16 bits in colour, 12 used": deep("png", 4095, 3),
    "PNG of 16 bits in colour, with alpha": deep("png", 65535, 4),
    "TIFF of 16 bits, 12 used": deep("tiff", 4095),
    "TIFF of 16 bits in colour, 14 used": deep("tiff", 16383, 3),
    "TIFF of 16 bits, large end first": saved(
        PIL.Image.frombytes(
            "I;16B", (WIDTH, HEIGHT), np.round(RAMP * 4095).astype(">u2").tobytes()
        ),
        "TIFF",
    ),
    "TIFF of 32 bits": saved(
        PIL.Image.fromarray(np.round(RAMP * (2**24 - 1)).astype(np.int32)), "TIFF"
    ),
    "TIFF of floats up to 1": saved(PIL.Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
    "TIFF of floats up to 255": saved(PIL.Image.fromarray((RAMP * 255).astype(np.float32)), "TIFF"),
    "TIFF of floats up to 4095": saved(
        PIL.Image.fromarray((RAMP * 4095).astype(np.float32)), "TIFF"
    ),
}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_8_bits_are_scaled_by_the_depth_that_is_used(name):
    pixels = read_image(DEEP[name])
    assert pixels.shape == (HEIGHT, WIDTH, 3 if "colour" in name else 1)
    assert np.abs(pixels.astype(int) - EIGHT[..., None]).max() <= 1
    assert pixels.min() == 0 and pixels.max() == 255


def test_a_clear_grey_of_16_bits_shows_the_ground():
    numbers = np.round(RAMP * 65535).astype(np.uint16)
    clear = struct.pack(">H", int(numbers[5, 5]))
    png = with_chunk(saved(PIL.Image.fromarray(numbers), "PNG"), b"tRNS", clear, before=b"IDAT")
    pixels = read_image(png, GROUND)[..., 0]
    assert pixels[5, 5] == GROUND
    pixels[5, 5] = EIGHT[5, 5]
    assert np.abs(pixels.astype(int) - EIGHT).max() <= 1


@pytest.mark.parametrize(("least", "most"), [(-1.0, 1.0), (0.0, 1.5), (0.0, np.nan), (0.0, np.inf)])
def test_numbers_that_are_no_pixels_are_refused(least, most):
    numbers = np.array([[least, most]], np.float32)
    with pytest.raises(ValueError, match="its pixels are numbers from"):
        read_image(saved(PIL.Image.fromarray(numbers), "TIFF"))


BIG = cv2.resize(RNG.integers(0, 256, (9, 12, 3), np.uint8), (640, 480))


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(224, 224), (100, 60), (33, 48), (600, 300)])
def test_scaling_is_close_to_pillows(kind, resize, size):
    contents = saved(PIL.Image.fromarray(BIG), kind, quality=95)
    decoded = decode_image(contents, ImageSettings(size=size, resize=resize))
    height, width = scaled_size((480, 640), size, resize)
    image = PIL.Image.open(io.BytesIO(contents))
    image = image.resize((width, height), PIL.Image.Resampling.BILINEAR)
    expected = PIL.Image.new("RGB", (size[1], size[0]), "white")
    expected.paste(image, (int((size[1] - width) / 2), int((size[0] - height) / 2)))
    error = np.abs(decoded.astype(int) - np.asarray(expected))
    assert error.max() <= 9 and error.mean() < 1


def test_each_axis_is_scaled_for_itself():
    """OpenCV's area means are none where the other axis grows."""
    stripes = np.zeros((2, 64, 1), np.uint8)
    stripes[:, ::2] = 200
    fitted = fit_image(stripes, (8, 8), (8, 8))
    assert fitted.shape == (8, 8, 1) and (fitted == 100).all()


def test_arrays_become_pngs_that_hold_them():
    for array in (COLOURS, GREYS, GREYS[..., None], np.dstack([COLOURS, np.full_like(GREYS, 255)])):
        pixels = read_image(encode_png(array))
        np.testing.assert_array_equal(pixels, array.reshape(HEIGHT, WIDTH, -1)[..., :3])


@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning:PIL")
@pytest.mark.parametrize(
    "name", ["PNG colour", "PNG palette", "JPEG colour", "GIF", "BMP colour", "TIFF colour", "WebP"]
)
def test_a_file_that_was_cut_off_is_refused(name):
    contents = FILES[name]
    for kept in (0.2, 0.6, 0.9):
        with pytest.raises(ValueError, match=r"\w+"):
            read_image(contents[: int(len(contents) * kept)])


def test_a_damaged_exif_block_does_not_spoil_the_picture():
    contents = saved(RGB, "JPEG", exif=b"Exif\0\0" + b"no such thing" * 3)
    assert np.abs(read_image(contents).astype(int) - by_pillow(saved(RGB, "JPEG"))).max() <= 2


def test_the_suffix_does_not_matter(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["PNG colour"])
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.jpg")), COLOURS)


def test_what_is_no_image_says_what_it_starts_with(tmp_path):
    with pytest.raises(ValueError, match=r"starts with b'<html>.*expected .* PNG, JPEG"):
        read_image(b"<html>no such page</html>" * 9)
    with pytest.raises(ValueError, match="there are no bytes"):
        read_image(b"")
    with pytest.raises(FileNotFoundError):
        read_image(str(tmp_path / "gone.png"))


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match="a pipe"):
        read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize("start", [b"", png_claiming(100, 100)[:-12], png_claiming(9000, 9000)])
@pytest.mark.parametrize("size", [6 << 30, 700 << 20])
def test_a_sparse_file_is_not_read_whole(tmp_path, start, size):
    with (tmp_path / "a.png").open("wb") as file:
        file.write(start)
        file.truncate(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"\w+"):
        read_image(str(tmp_path / "a.png"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_100, 60_000])
def test_a_header_that_claims_too_much_is_refused(side):
    assert side * side > MAX_PIXELS
    with pytest.raises(ValueError, match=r"its header claims .*10\d{7}|3600000000"):
        read_image(png_claiming(side, side))
