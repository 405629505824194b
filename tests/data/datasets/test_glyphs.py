import numpy as np
import pytest

from mmkeras.data.datasets import load_dataset
from mmkeras.data.leakage.check import check_leakage
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import split_table


@pytest.fixture(scope="module")
def glyphs():
    return load_dataset("glyphs")


def test_rows_and_classes(glyphs):
    table, schema = glyphs
    assert table["script"].value_counts().to_dict() == {
        "LATIN": 966,
        "ARABIC": 448,
        "CANADIAN": 404,
        "GREEK": 363,
        "CYRILLIC": 319,
        "GEORGIAN": 120,
        "ARMENIAN": 91,
        "HEBREW": 81,
        "TIFINAGH": 55,
        "LAO": 50,
    }
    assert table["codepoint"].is_unique
    assert schema.names == ("image", "name") and schema.group == "picture"
    assert read_table(table, schema).shape == table.shape


def test_no_name_tells_its_script(glyphs):
    table, _ = glyphs
    for script, name in zip(table["script"], table["name"], strict=True):
        assert script not in name.split() and "SYLLABICS" not in name.split()
        assert name


def test_pictures_show_the_whole_glyph(glyphs):
    images = np.stack(glyphs[0]["image"])
    assert images.shape == (2897, 48, 48, 1) and images.dtype == np.uint8
    assert (images.min(axis=(1, 2, 3)) < 200).all()
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    assert all((edge == 255).all() for edge in edges)


def test_rows_that_look_the_same_stay_on_one_side(glyphs):
    table, schema = glyphs
    alike = table.groupby("picture")["image"].agg(lambda x: len({i.tobytes() for i in x}))
    assert (alike == 1).all() and table["picture"].nunique() == 2603
    findings = check_leakage(split_table(table, schema, seed=0), schema)
    assert not [finding for finding in findings if finding.severity == "error"]


def test_two_loads_are_equal_and_sizes_differ_in_the_picture_only(glyphs):
    again, _ = load_dataset("glyphs")
    assert again.drop(columns="image").equals(glyphs[0].drop(columns="image"))
    np.testing.assert_array_equal(np.stack(again["image"]), np.stack(glyphs[0]["image"]))
    small, _ = load_dataset("glyphs", size=32, channels=3)
    assert small["image"][0].shape == (32, 32, 3)
    assert small["picture"].equals(glyphs[0]["picture"])


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="at least 16"):
        load_dataset("glyphs", size=4)
    with pytest.raises(ValueError, match="channels"):
        load_dataset("glyphs", channels=4)
    with pytest.raises(ValueError, match=r"'cats'.*emoji, .*fsdd, glyphs"):
        load_dataset("cats")
