"""Cells that other libraries make, and paths as other systems write them."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.media.foreign import own_form
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.schema import Audio, Image, Schema

SCHEMA = Schema([Image("photo")], "label")


def table(*cells):
    frame = pd.DataFrame({"photo": pd.Series(cells, dtype=object)})
    return frame.assign(label=["a", "b"] * (len(frame) // 2) + ["a"] * (len(frame) % 2))


@pytest.mark.parametrize(
    "mode, shape",
    [("1", ()), ("L", ()), ("LA", (4,)), ("P", (3,)), ("RGB", (3,)), ("RGBA", (4,))]
    + [("CMYK", (3,)), ("YCbCr", (3,)), ("HSV", (3,))],
)
def test_pictures_in_memory_are_arrays(mode, shape):
    picture = PIL.Image.new("RGB", (5, 4), (255, 0, 0)).convert("RGB" if mode == "LA" else mode)
    picture = PIL.Image.new("LA", (5, 4)) if mode == "LA" else picture
    read = read_table(table(picture, picture), SCHEMA)["photo"][0]
    assert read.shape == (4, 5, *shape) and read.dtype == np.uint8
    if shape == (3,):
        assert tuple(read[0, 0]) == (254 if mode == "YCbCr" else 255, 0, 0)


def test_pictures_in_memory_stand_upright_and_keep_their_range():
    picture = PIL.Image.new("RGB", (5, 4))
    picture.getexif()[0x0112] = 6
    assert own_form(picture).shape == (5, 4, 3)
    deep = PIL.Image.fromarray(np.full((4, 5), 4000, np.uint16))
    with pytest.raises(TableError, match="row 1, column 'photo'"):
        read_table(table(deep, deep), SCHEMA)


def test_cells_of_hugging_face_are_files_or_bytes(tmp_path):
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    frame = table({"bytes": content, "path": "x.png"}, {"bytes": None, "path": "a.png"}, None)
    read = read_table(frame[:2], SCHEMA, base_dir=tmp_path)["photo"].tolist()
    assert read == [content, str(tmp_path / "a.png")]
    sound = table({"array": np.zeros(9), "sampling_rate": 8000, "path": None})
    with pytest.raises(TableError, match=r"at 8000 hertz.*decode=False"):
        read_table(sound, Schema([Audio("photo")], "label"))
    other = {"array": np.ones(9), "sampling_rate": 8000, "path": None}
    with pytest.raises(ValueError, match=r"dictionaries of \['array', 'path', 'sampling_rate'\]"):
        infer_schema(table(sound["photo"][0], other))


def test_several_files_in_a_cell_are_refused(tmp_path):
    for cell in ("a.png;b.png", "a.png | b.png"):
        with pytest.raises(TableError, match="row 1, column 'photo': 2 files in one cell"):
            read_table(table(cell), SCHEMA, base_dir=tmp_path)
    with pytest.raises(TableError, match="2 files in one cell; give each a column"):
        read_table(table(["a.png", "b.png"]), SCHEMA, base_dir=tmp_path)


def test_paths_are_found_as_other_systems_write_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    names = {form: unicodedata.normalize(form, f"é-{form}.png") for form in ("NFC", "NFD")}
    (tmp_path / "in").mkdir()
    for name in ("a b.png", "in/c.png", *names.values()):
        (tmp_path / name).write_bytes(b"x")
    written = {
        " a b.png ": "a b.png",
        "in\\c.png": "in/c.png",
        ".\\in\\c.png": "in/c.png",
        "~/in/c.png": "in/c.png",
        unicodedata.normalize("NFD", names["NFC"]): names["NFC"],
        unicodedata.normalize("NFC", names["NFD"]): names["NFD"],
    }
    read = read_table(table(*written), SCHEMA, base_dir=tmp_path)["photo"]
    assert [Path(path).resolve() for path in read] == [tmp_path / name for name in written.values()]
    (tmp_path / " odd.png").write_bytes(b"x")
    (tmp_path / "odd.png").write_bytes(b"x")
    assert read_table(table(" odd.png"), SCHEMA, base_dir=tmp_path)["photo"][0].endswith(
        "/ odd.png"
    )
    with pytest.raises(TableError, match=r"file not found: .*gone\.png"):
        read_table(table("~/gone.png", "a b.png"), SCHEMA, base_dir=tmp_path)
