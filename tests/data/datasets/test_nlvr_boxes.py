import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mmkeras.data.datasets import load_dataset, nlvr_boxes
from mmkeras.schema import Boxes, Image, Text

COLOURS = {"black": (0, 0, 0), "blue": (0, 153, 255), "yellow": (255, 255, 0)}


def thing(kind, colour, left, top, size):
    return {"type": kind, "color": colour, "x_loc": left, "y_loc": top, "size": size}


SCENE = [
    [thing("circle", "Yellow", 5, 6, 20), thing("square", "Black", 40, 80, 10)],
    [],
    [thing("square", "Black", 0, 70, 30), thing("triangle", "#0099ff", 60, 1, 10)],
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One picture for training and one for testing."""
    for part, identifier in (("dev", "12-0"), ("test", "7-3")):
        folder = tmp_path / "nlvr" / part
        (folder / "images/4").mkdir(parents=True)
        row = {"identifier": identifier, "directory": "4", "structured_rep": SCENE}
        (folder / f"{part}.json").write_text(json.dumps(row) + "\n")
        (folder / f"images/4/{part}-{identifier}-0.png").write_bytes(b"")
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return tmp_path / "nlvr"


def test_a_phrase_names_the_one_object_of_its_class(folder):
    table, schema = load_dataset("nlvr_boxes")
    train = table[table["split"] == "train"]
    assert train["phrase"].tolist() == ["the yellow circle", "the blue triangle"]
    assert train["place"].tolist() == [[{"box": [5, 6, 20, 20]}], [{"box": [360, 1, 10, 10]}]]
    assert set(train["sentence"]) == {"dev-12"} and table["id"].is_unique
    assert Path(train["picture"][0]) == folder / "dev/images/4/dev-12-0-0.png"
    assert schema.modalities == (Image("picture"), Text("phrase"))
    assert (
        schema.target == Boxes("place", image="picture", image_column="picture")
        and schema.group == "sentence"
    )


def test_detection_has_a_row_for_each_picture_with_all_objects(folder):
    table, schema = load_dataset("nlvr_boxes", task="detection")
    assert table["id"].tolist() == ["dev-12-0-0", "test-7-3-0"]
    assert table["split"].tolist() == ["train", "test"]
    assert table["objects"][0] == [
        {"box": [5, 6, 20, 20], "label": "yellow circle"},
        {"box": [40, 80, 10, 10], "label": "black square"},
        {"box": [300, 70, 30, 30], "label": "black square"},
        {"box": [360, 1, 10, 10], "label": "blue triangle"},
    ]
    assert schema.modalities == (Image("picture"),)
    assert schema.target.several and schema.target.image == "picture"


def test_what_is_wrong_is_said(folder):
    with pytest.raises(ValueError, match=r"'phrase', 'detection'.*'captions'"):
        load_dataset("nlvr_boxes", task="captions")
    (folder / "test/images/4/test-7-3-0.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks test/images/4/test-7-3-0\.png\."):
        load_dataset("nlvr_boxes")


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
def test_the_real_pictures_are_the_pinned_ones_and_boxes_have_their_colours():
    from mmkeras.data.download import file_sha256, files_sha256, provided_dir

    folder = provided_dir("nlvr")
    for file, expected in nlvr_boxes._SHA256.items():
        assert file_sha256(folder / file) == expected
    phrases, _ = load_dataset("nlvr_boxes")
    assert phrases["split"].value_counts().to_dict() == {"test": 1306, "train": 1301}
    table, _ = load_dataset("nlvr_boxes", task="detection")
    assert table["objects"].map(len).groupby(table["split"]).sum().to_dict() == {
        "test": 8860,
        "train": 8876,
    }
    sides = table.groupby("split")["sentence"].agg(set)
    assert not sides["train"] & sides["test"]
    scenes = table["objects"].map(lambda each: str(sorted(map(str, each))))
    assert scenes[table["split"] == "test"].isin(scenes[table["split"] == "train"]).sum() == 8
    files = [str(Path(path).relative_to(folder)) for path in table["picture"]]
    assert files_sha256(folder, files) == nlvr_boxes._PICTURES_SHA256
    for path, objects in zip(table["picture"][::20], table["objects"][::20], strict=True):
        pixels = np.asarray(PIL.Image.open(path).convert("RGB"))
        assert pixels.shape == (100, 400, 3)
        for each in objects:
            left, top, width, height = each["box"]
            middle = pixels[top + height // 2, left + width // 2]
            assert tuple(middle) == COLOURS[each["label"].split()[0]]
