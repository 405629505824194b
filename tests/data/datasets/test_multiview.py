"""The sets of several feature views."""

import os

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from mmkeras.data.datasets import load_dataset
from mmkeras.data.datasets.multiview import load_views
from mmkeras.data.tables.read import read_table
from mmkeras.schema import Schema, Sequence

real = pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two small files in the sets' own formats: dense rows, and sparse columns."""
    folder = tmp_path / "multiview"
    folder.mkdir()
    dense = np.empty((1, 2), object)
    dense[0] = [np.ones((3, 4)), np.full((3, 2), 2.0)]
    labels = np.array([[1], [2], [1]], np.uint8)
    scipy.io.savemat(folder / "cub_googlenet_doc2vec_c10.mat", {"X": dense, "gt": labels})
    sparse = np.empty((1, 2), object)
    sparse[0] = [
        scipy.sparse.csc_matrix(np.eye(5, 3)),
        scipy.sparse.csc_matrix(np.eye(4, 3)),
    ]
    scipy.io.savemat(folder / "BBCSport.mat", {"X": sparse, "Y": labels})
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))


def test_views_stand_side_by_side(files):
    cub = load_views("cub")
    assert cub.widths == {"image": 4, "text": 2}
    np.testing.assert_array_equal(cub.X, [[1] * 4 + [2] * 2] * 3)
    np.testing.assert_array_equal(cub.X[:, cub.views["text"]], np.full((3, 2), 2))
    np.testing.assert_array_equal(cub.y, [1, 2, 1])


def test_features_in_rows_are_turned_and_stay_sparse(files):
    sport = load_views("bbcsport")
    assert scipy.sparse.issparse(sport.X)
    np.testing.assert_array_equal(sport.X.toarray(), np.hstack([np.eye(3, 5), np.eye(3, 4)]))


def test_a_table_has_a_modality_for_each_view(files):
    frame, schema = load_dataset("cub")
    assert schema.names == ("image", "text")
    table = read_table(frame, schema)
    assert table["class"].tolist() == ["class 1", "class 2", "class 1"]


def test_a_view_is_the_target_of_the_others(files):
    frame, schema = load_dataset("cub", target="text")
    assert schema.modalities == (Sequence("image"),) and schema.target == Sequence("text")
    assert [cell.tolist() for cell in frame["image"]] == [[1.0] * 4] * 3
    assert [cell.tolist() for cell in frame["text"]] == [[2.0] * 2] * 3
    assert frame["text"][0].dtype == np.float32 and frame["class"][1] == "class 2"
    with pytest.raises(ValueError, match=r"one of the views \['image', 'text'\].*'sound'"):
        load_dataset("cub", target="sound")


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="not downloaded"):
        load_views("mfeat")
    with pytest.raises(ValueError, match="No set of views 'digits'"):
        load_views("digits")


@real
@pytest.mark.parametrize(
    "name, rows, widths, classes",
    [
        ("mfeat", 2000, [216, 76, 64, 6, 240, 47], 10),
        ("cub", 600, [1024, 300], 10),
        ("3sources", 169, [3560, 3631, 3068], 6),
        ("bbcsport", 544, [3183, 3203], 5),
    ],
)
def test_the_real_files(name, rows, widths, classes):
    found = load_views(name)
    assert found.X.shape == (rows, sum(widths))
    assert list(found.widths.values()) == widths
    assert len(found.y) == rows
    assert len(np.unique(found.y)) == classes


@real
def test_views_of_the_real_digits_are_for_conversion():
    frame, schema = load_dataset("mfeat_views")
    assert schema.target == Sequence("pixels") and len(schema.names) == 5
    shapes = {view: frame[view][0].shape for view in ("zernike", "fourier", "pixels")}
    assert shapes == {"zernike": (47,), "fourier": (76,), "pixels": (240,)}
    table = read_table(frame, Schema(schema.select(["zernike"]).modalities, "class"))
    assert table["zernike"][5].shape == (47,)
