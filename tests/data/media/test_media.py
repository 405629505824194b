import gc
import io
import sys

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import tensorflow as tf

from mmkeras.data.kinds import KINDS, ImageSettings
from mmkeras.data.media.decoding import media_cells
from mmkeras.data.media.images.augment_image import augment_images
from mmkeras.data.media.stores import MediaStore


def encoded(array, mode=None, fmt="PNG", **options):
    buffer = io.BytesIO()
    PIL.Image.fromarray(array, mode).save(buffer, fmt, **options)
    return buffer.getvalue()


def decode(*cells, **settings):
    column = pd.Series(list(cells), dtype=object)
    store = MediaStore(KINDS["image"], column, ImageSettings(**settings), "memory")
    assert store.readable.all()
    return store.values


def test_paths_bytes_and_arrays_of_one_picture_are_the_same(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    path = tmp_path / "ü b.png"
    path.write_bytes(encoded(picture))
    pixels = decode(str(path), encoded(picture), picture, picture / 255.0, size=(9, 7))
    for each in pixels:
        np.testing.assert_array_equal(each, picture)


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "GIF", "BMP"])
def test_formats(fmt):
    picture = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    pixels = decode(encoded(picture, fmt=fmt), size=(8, 8))
    np.testing.assert_allclose(pixels[0].astype(int), picture, atol=3)


def test_transparency_is_laid_over_the_background():
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[:2, :, 3] = 255  # upper half black, lower half see-through
    pixels = decode(encoded(picture), size=(4, 4))[0]
    assert (pixels[:2] == 0).all() and (pixels[2:] == 255).all()
    pixels = decode(encoded(picture), size=(4, 4), background=128)[0]
    assert (pixels[2:] == 128).all()
    grey_alpha = np.stack([np.full((4, 4), 10), np.zeros((4, 4))], -1).astype(np.uint8)
    assert (decode(encoded(grey_alpha, "LA"), size=(4, 4)) == 255).all()


def test_grey_and_colour_convert_both_ways():
    grey = np.full((4, 4), 77, np.uint8)
    assert (decode(grey, size=(4, 4), channels=3) == 77).all()
    colour = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    assert (decode(colour, size=(4, 4), channels=1) == 76).all()


def test_resize_modes_keep_or_change_the_shape():
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 4:] = 200
    (stretched,) = decode(wide, size=(8, 8))
    assert stretched.min() == 0 and stretched.max() == 200
    (padded,) = decode(wide, size=(8, 8), resize="pad")
    assert (padded[:2] == 255).all() and (padded[-2:] == 255).all() and (padded[3, 0] == 0).all()
    (cropped,) = decode(wide, size=(4, 4), resize="crop")
    assert cropped.shape == (4, 4, 3)
    assert (cropped[:, :2] == 0).all() and (cropped[:, 2:] == 200).all()


def test_reduction_is_anti_aliased():
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    (small,) = decode(checks, size=(8, 8), channels=1)
    assert abs(small.astype(int) - 127).max() < 12


def test_cells_that_are_no_images_are_all_named_by_their_index():
    good = np.zeros((2, 2), np.uint8)
    bad = [np.zeros(3, np.uint8), np.full((2, 2), 200.0), np.full((2, 2), 999), 3]
    with pytest.raises(ValueError) as error:
        media_cells(
            pd.Series([good, *bad], index=[40, 7, 41, 3, 0], name="photo"), KINDS["image"], None
        )
    lines = str(error.value).splitlines()
    assert lines[0] == "Column 'photo': 4 cell(s) are not images:"
    assert lines[1].startswith("  index 7: an array of shape (3,)")
    assert lines[2].startswith("  index 41: an array of floats from 200 to 200")
    assert lines[3].startswith("  index 3: an array of integers from 999 to 999")
    assert lines[4].startswith("  index 0: an image is a path, ") and lines[4].endswith(", not 3")


def test_boolean_arrays_are_black_and_white():
    picture = np.array([[True, False], [False, True]])
    pixels = decode(picture, size=(2, 2), channels=1)
    np.testing.assert_array_equal(pixels[0, ..., 0], picture * 255)


def test_encoded_images_are_not_kept_beside_their_pixels():
    good, bad = encoded(np.zeros((4, 4, 3), np.uint8)), bytes(bytearray(b"no image"))
    column = pd.Series([good, bad], dtype=object)
    held = sys.getrefcount(good), sys.getrefcount(bad)
    store = MediaStore(KINDS["image"], column, ImageSettings(size=(4, 4)), "memory")
    gc.collect()
    assert (sys.getrefcount(good), sys.getrefcount(bad)) == (held[0], held[1] + 1)
    assert "corrupt" in store.reason(1)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_augmentation_is_a_function_of_the_seed_and_differs_by_row():
    images = noise(6, 16, 16, 3)
    options = {"flip": True, "rotation": 20.0, "crop": 0.2, "shift": 0.1}
    seed = tf.constant([1, 2], tf.int64)
    one = augment_images(images, seed, **options)
    np.testing.assert_array_equal(one, augment_images(images, seed, **options))
    other = augment_images(images, tf.constant([1, 3], tf.int64), **options)
    assert not np.array_equal(one, other)
    same = np.repeat(images[:1], 6, axis=0)
    varied = augment_images(same, seed, **options).numpy()
    assert len({row.tobytes() for row in varied}) > 3


def test_flip_mirrors_about_half_of_the_images():
    images = noise(400, 4, 4, 1)
    flipped = augment_images(images, tf.constant([5, 5], tf.int64), flip=True).numpy()
    images = images * np.float32(1 / 255)
    mirrored = (flipped == images[:, :, ::-1]).all((1, 2, 3))
    kept = (flipped == images).all((1, 2, 3))
    assert (mirrored | kept).all() and 150 < mirrored.sum() < 250


def test_rotation_turns_about_the_centre():
    image = np.zeros((1, 33, 33, 1), np.uint8)
    image[0, 16, 16] = 255
    moved = augment_images(
        tf.constant(image), tf.constant([0, 1], tf.int64), rotation=90.0, background=0
    ).numpy()
    assert moved[0, 16, 16, 0] > 0.99


def test_shift_shows_the_background():
    images = tf.zeros((50, 10, 10, 1), tf.uint8)
    moved = augment_images(images, tf.constant([0, 1], tf.int64), shift=0.4).numpy()
    assert moved.max() == 1.0 and moved.min() == 0.0


def test_a_shift_alone_does_not_blur():
    images = 255 * np.random.default_rng(0).integers(0, 2, (50, 9, 9, 1), np.uint8)
    moved = augment_images(images, tf.constant([0, 1], tf.int64), shift=0.3).numpy()
    assert set(np.unique(moved)) == {0.0, 1.0}
    assert not np.array_equal(moved, images / 255)


@pytest.mark.parametrize("cache", ["memory", "file", None])
def test_a_picture_that_stands_in_many_rows_is_decoded_once(cache, tmp_path, monkeypatch):
    """A picture with many questions; and a broken one is reported for every row that has it."""
    pictures = [encoded(np.full((6, 6, 3), 40 * i, np.uint8)) for i in range(3)]
    rows = [0, 1, 0, 2, None, 0, 1]
    cells = [b"broken" if row is None else pictures[row] for row in rows] + [b"broken"]
    decoded = []
    whole = MediaStore._decode_all
    monkeypatch.setattr(
        MediaStore,
        "_decode_all",
        lambda self, contents, *rest: decoded.append(len(contents)) or whole(self, contents, *rest),
    )
    settings = ImageSettings(size=(6, 6))
    store = MediaStore(KINDS["image"], pd.Series(cells, dtype=object), settings, cache, tmp_path)
    assert decoded == [4]
    assert store.readable.tolist() == [True] * 4 + [False] + [True] * 2 + [False]
    assert "broken" in store.reason(7) or "encoded bytes" in store.reason(7)
    positions = [6, 3, 0, 5]
    batch = store.load(np.array(positions))
    if cache is not None:
        assert store.values.shape == (8, 6, 6, 3)
        np.testing.assert_array_equal(store.values[positions], batch)
    assert batch[:, 0, 0, 0].tolist() == [40, 80, 0, 0]
