import os
import sys

import numpy as np
import pytest

from mmkeras.data.datasets import load_dataset, mnist, poly_mnist_small
from mmkeras.schema import Image, Label

real = pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")


LABELS = np.arange(100, dtype=np.uint8) % 10


@pytest.fixture
def images(monkeypatch):
    """100 images, 10 of a digit, with the place in the file as ink: seven pixels, in binary.

    The photographs are dark, and their colours say which tenth of the height a pixel is in, how
    far from the left, and in which photograph.
    """
    images = np.full((100, 28, 28), 127, np.uint8)
    images.reshape(100, -1)[:, :7] += (np.arange(100)[:, None] >> np.arange(7) & 1).astype(np.uint8)
    monkeypatch.setattr(mnist, "load_images", lambda part: (images, LABELS))
    rows, columns = np.indices((300, 60))
    photographs = [
        np.stack([rows // 30, columns, np.full_like(rows, number)], axis=2).astype(np.uint8)
        for number in range(5)
    ]
    monkeypatch.setattr(poly_mnist_small, "photographs", lambda: photographs)
    return images


def test_schema_and_cells(images):
    table, schema = load_dataset("poly_mnist_small")
    assert schema.modalities == tuple(Image(name) for name in poly_mnist_small.NAMES)
    assert schema.target == Label("digit")
    assert list(table) == ["m0", "m1", "m2", "m3", "m4", "digit", "split", "images"]
    picture = table["m3"][0]
    assert (picture.dtype, picture.shape) == (np.uint8, (28, 28, 3))
    assert set(table["digit"]) == set("0123456789")


def test_a_row_is_five_images_of_its_digit_and_each_is_used_once_in_a_modality(images):
    table, _ = load_dataset("poly_mnist_small")
    places = np.array([row.split() for row in table["images"]], int)
    assert (places % 10 == table["digit"].astype(int).to_numpy()[:, None]).all()
    assert all(len(set(row)) == 5 for row in places[table["split"] == "train"])
    for column in places.T:
        assert sorted(column) == list(range(100))


def test_splits_share_no_image_of_mnist(images):
    table, _ = load_dataset("poly_mnist_small")
    assert table["split"].value_counts().to_dict() == {"train": 70, "test": 20, "validation": 10}
    assert table["split"].tolist() == sorted(table["split"], key=mnist.SPLITS.index)
    parts = table.assign(image=table["images"].str.split()).explode("image")
    assert (parts.groupby("image")["split"].nunique() == 1).all()


def test_pictures_are_parts_of_the_split_s_bands_inverted_where_the_ink_is(images):
    table, _ = load_dataset("poly_mnist_small")
    lefts = set()
    for row in table.itertuples():
        places = [int(place) for place in row.images.split()]
        for number, (name, place) in enumerate(zip(poly_mnist_small.NAMES, places, strict=True)):
            picture = getattr(row, name)
            ink = images[place][..., np.newaxis] >= 128
            band, left, photograph = np.moveaxis(np.where(ink, 255 - picture, picture), 2, 0)
            assert np.unique(band).tolist() in [[b] for b in poly_mnist_small.BANDS[row.split]]
            assert (left == left[0, 0] + np.arange(28)).all()
            assert (photograph == number).all()
            lefts.add(left[0, 0])
    assert lefts == set(range(33))


def test_bands_are_each_of_one_split():
    bands = [band for own in poly_mnist_small.BANDS.values() for band in own]
    assert sorted(bands) == list(range(10))


def test_crops_that_inverting_would_hardly_change_are_not_used():
    photograph = np.full((280, 100, 3), 128, np.uint8)
    photograph[:, 60:] = 250
    crops = poly_mnist_small.random_crops(photograph, (2, 3), 50, np.random.RandomState(0))
    assert crops.shape == (50, 28, 28, 3)
    # |255 - 2 x| is 1 on the left and 245 on the right: at least 11 of 28 columns.
    bright = (crops[:, 0, :, 0] == 250).sum(axis=1)
    assert bright.min() >= 11 and bright.max() == 28


def test_inverted_colours_are_the_digit():
    digits = np.zeros((1, 28, 28), np.uint8)
    digits[0, 0, :3] = [127, 128, 255]
    crops = np.full((1, 28, 28, 3), (10, 100, 250), np.uint8)
    pictures = poly_mnist_small.on_background(digits, crops)
    assert pictures.dtype == np.uint8
    assert pictures[0, 0, :3].tolist() == [[10, 100, 250], [245, 155, 5], [245, 155, 5]]


def test_one_seed_one_content(images):
    first = poly_mnist_small.content_hash(load_dataset("poly_mnist_small")[0])
    again = load_dataset("poly_mnist_small")[0]
    assert poly_mnist_small.content_hash(again) == first
    assert poly_mnist_small.content_hash(load_dataset("poly_mnist_small", seed=1)[0]) != first
    again.at[3, "m4"] = 255 - again.at[3, "m4"]
    assert poly_mnist_small.content_hash(again) != first


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r'scikit-image.*pip install "mmkeras\[datasets\]"'):
        load_dataset("poly_mnist_small")


def test_photographs_need_no_downloads(monkeypatch):
    pytest.importorskip("skimage")
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert [picture.ndim for picture in poly_mnist_small.photographs()] == [3] * 5


@real
def test_the_real_pictures_are_the_pinned_ones():
    pytest.importorskip("skimage")
    table, _ = load_dataset("poly_mnist_small")
    assert table["split"].value_counts().to_dict() == {
        "train": 7000,
        "test": 2000,
        "validation": 1000,
    }
    assert poly_mnist_small.content_hash(table) == poly_mnist_small.CONTENT_SHA256
