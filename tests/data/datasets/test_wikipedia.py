import os

import numpy as np
import pytest
import scipy.io

from mmkeras.data.datasets import load_dataset, wikipedia
from mmkeras.data.download import file_sha256, provided_dir
from mmkeras.schema import Sequence

# Section, picture, number of the category (from 1).
ROWS = {
    "train": [("aa-1", "p1", 2), ("b-b-1.2", "p2", 1), ("aa-2", "p3", 2)],
    "test": [("cc-1", "p4", 3), ("aa-3", "p5", 2)],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "wikipedia"
    folder.mkdir()
    (folder / "categories.list").write_text("art\nbiology\nmusic\n")
    matrices = {}
    for part, rows in zip(("tr", "te"), ROWS.values(), strict=True):
        numbers = np.arange(len(rows))[:, None] + (0.5 if part == "te" else 0.0)
        matrices[f"I_{part}"] = numbers + np.arange(3) / 10
        matrices[f"T_{part}"] = -numbers - np.arange(2) / 10
    scipy.io.savemat(folder / "raw_features.mat", matrices)
    for split, rows in ROWS.items():
        lines = [f"{section}\t{picture}\t{number}\n" for section, picture, number in rows]
        (folder / f"{split}set_txt_img_cat.list").write_text("".join(lines), encoding="latin-1")
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return folder


def test_a_row_has_the_features_of_its_section_and_picture(folder):
    table, schema = load_dataset("wikipedia")
    assert table["section"].tolist() == ["aa-1", "b-b-1.2", "aa-2", "cc-1", "aa-3"]
    assert table["article"].tolist() == ["aa", "b-b", "aa", "cc", "aa"]
    assert table["category"].tolist() == ["biology", "art", "biology", "music", "biology"]
    assert table["split"].tolist() == ["train"] * 3 + ["test"] * 2
    assert schema["image"].numeric == ("image_0", "image_1", "image_2")
    assert schema["text"].numeric == ("text_0", "text_1")
    np.testing.assert_allclose(table.loc[4, list(schema["image"].columns)].astype(float),
                               [1.5, 1.6, 1.7], rtol=1e-6)  # fmt: skip
    np.testing.assert_allclose(table["text_1"], [-0.1, -1.1, -2.1, -0.6, -1.6], rtol=1e-6)
    assert (schema.target.column, schema.id, schema.group) == ("category", "section", None)


def test_one_modality_is_the_target_of_the_other(folder):
    table, schema = load_dataset("wikipedia_views")
    assert schema.modalities == (Sequence("image"),) and schema.id == "section"
    assert schema.target == Sequence("text")
    np.testing.assert_allclose(table["image"][4], [1.5, 1.6, 1.7], rtol=1e-6)
    np.testing.assert_allclose(table["text"][0], [0, -0.1], rtol=1e-6)
    assert table["split"].tolist() == ["train"] * 3 + ["test"] * 2
    with pytest.raises(ValueError, match=r"\['image', 'text'\]\. Received: 'sound'"):
        load_dataset("wikipedia", target="sound")


def test_lists_and_features_that_do_not_belong_together_are_refused(folder):
    with (folder / "testset_txt_img_cat.list").open("a") as file:
        file.write("dd-1\tp6\t1\n")
    with pytest.raises(ValueError, match=r"testset_txt_img_cat\.list names 3 rows and .* has 2"):
        load_dataset("wikipedia")


def test_a_missing_file_is_named(folder):
    (folder / "categories.list").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks categories\.list"):
        load_dataset("wikipedia")


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
def test_the_real_files_are_the_pinned_ones():
    folder = provided_dir("wikipedia")
    assert {name: file_sha256(folder / name) for name in wikipedia._SHA256} == wikipedia._SHA256
    table, schema = load_dataset("wikipedia")
    assert table["split"].value_counts().to_dict() == {"train": 2173, "test": 693}
    counts = table["category"].value_counts()
    assert (len(counts), counts.min(), counts.max()) == (10, 172, 451)
    assert table["section"].is_unique
    for name, width in (("image", 128), ("text", 10)):
        features = table[list(schema[name].columns)].to_numpy()
        assert features.shape == (2866, width)
        np.testing.assert_allclose(features.sum(axis=1), 1.0, rtol=1e-4)
    articles = {split: set(rows) for split, rows in table.groupby("split")["article"]}
    assert len(articles["test"]) == 518 and len(articles["test"] & articles["train"]) == 401
    assert (table.groupby("article")["category"].nunique() == 1).all()
