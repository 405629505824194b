"""What was found of several data sets, beside chance, in one table."""

import dataclasses
import json

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.tables.read import read_table
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.listing import list_runs
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.schema import Boxes, Image, Label, Schema, Text
from mmkeras.studies.ground import TABLE, chance, ground
from mmkeras.studies.repeat import RepeatConfig
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
PHRASE = Schema([Image("picture"), Text("phrase")], Boxes("place"))
ALL = Schema([Image("picture")], Boxes("objects", several=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 pictures of two or three squares; the phrase is the colour of one."""
    folder = tmp_path_factory.mktemp("squares")
    random = np.random.default_rng(0)
    rows = []
    for number in range(24):
        pixels = np.full((16, 32, 3), 255, np.uint8)
        objects = []
        colours = random.permutation(list(COLOURS))[: 2 + number % 2]
        for place, colour in zip(random.permutation(4).tolist(), colours.tolist(), strict=False):
            pixels[4:12, 8 * place : 8 * place + 8] = COLOURS[colour]
            objects.append({"box": [8 * place, 4, 8, 8], "label": colour})
        path = folder / f"{number}.png"
        PIL.Image.fromarray(pixels).save(path)
        phrase, place = f"the {objects[0]['label']} square", [{"box": objects[0]["box"]}]
        part = "test" if number < 6 else "train"
        rows.append([str(path), phrase, json.dumps(place), json.dumps(objects), part])
    columns = ["picture", "phrase", "place", "objects", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "squares.csv", index=False)
    for name, schema in (("phrase", PHRASE), ("all", ALL)):
        schema.save(folder / f"{name}.json")
        (folder / f"{name}.csv").write_bytes((folder / "squares.csv").read_bytes())
    return folder


def config_of(folder, name, **options):
    return RepeatConfig(
        data=DataConfig(
            data=folder / f"{name}.csv", schema=folder / f"{name}.json", split_column="split"
        ),
        seeds=(0,),
        models=("fused",),
        workers=0,
        out=folder / "out",
        settings=Settings(
            model=ModelSettings(decoder_options={"dim": 4, "depth": 1, **options}),
            encoders={"image": Encoder("cnn", {"filters": (4, 4), "convs_per_block": 1})},
            training=TrainingSettings(epochs=1, batch_size=9),
        ),
    )


@pytest.mark.slow
def test_data_sets_stand_in_one_table_beside_chance_with_pictures(folder):
    ground(dataclasses.replace(config_of(folder, "phrase", matching="dot"), seeds=(0, 1)))
    ground(dataclasses.replace(config_of(folder, "all"), tags=("paper",)))
    assert list(list_runs(folder / "out", ["paper"]).index) == ["all/seed0-fused"]
    assert "- tags: paper" in (folder / "out" / "summary.md").read_text()
    table = pd.read_csv(folder / "out" / TABLE).set_index("data set")
    assert list(table.index) == ["all", "phrase"]
    phrase = table.loc["phrase"]
    results = pd.read_csv(folder / "out" / "phrase" / "results.csv")
    assert phrase["figure, mean"] == pytest.approx(results["box_accuracy"].mean())
    assert phrase["pointing, deviation"] == pytest.approx(results["pointing"].std())
    assert phrase["low"] <= phrase["figure, mean"] <= phrase["high"]
    # Two and three squares in turn.
    assert phrase["chance"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert phrase["times chance"] == pytest.approx(phrase["figure, mean"] / phrase["chance"])
    assert phrase["seeds"] == 2 and phrase["rows"] == 6
    # All objects are asked for: there is no chance of the right one.
    assert np.isnan(table.loc["all", "chance"]) and table.loc["all", "map50, mean"] >= 0
    summary = (folder / "out" / "summary.md").read_text()
    assert "| phrase: fused" in summary and "chance, %" in summary and "mAP at 0.5" in summary
    pictures = [path.stem for path in (folder / "out" / "pictures").iterdir()]
    assert {name.split("_")[0] for name in pictures} == {"all", "phrase"}


def test_chance_is_unknown_where_the_objects_are(folder):
    table = read_table(folder / "squares.csv", PHRASE)
    assert chance(table, PHRASE.target)[:2].tolist() == [1 / 2, 1 / 3]
    assert chance(table, ALL.target) is None
    assert chance(table.drop(columns="objects"), PHRASE.target) is None


def test_a_target_that_is_not_boxes_is_refused(folder):
    Schema([Image("picture")], Label("phrase")).save(folder / "label.json")
    (folder / "label.csv").write_bytes((folder / "squares.csv").read_bytes())
    with pytest.raises(ValueError, match=r"boxes\. The target is Label"):
        ground(config_of(folder, "label"))
