import os

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.datasets import emoji, emoji_scenes, load_dataset
from mmkeras.data.datasets.emoji_scenes import resized
from mmkeras.schema import Boxes, Image, Text

real = pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
# `content_hash` of the first scenes, a hundredth of each split.
SMALL_SHA256 = "8b7db94e47fdd92f4738b1b46f14adc10e55397390dd0d36e0c4399267431947"


@pytest.fixture(scope="module")
def colours():
    """Each of 140 emoji is one colour, that no photograph has: red over blue tells which."""
    return {f"emoji {i}": (i, 0, 255) for i in range(140)}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, colours):
    """Scenes of rectangles, 40 pixels high and 50 wide, with transparent margins."""
    folder = tmp_path_factory.mktemp("emoji")
    rows = []
    for place, (name, colour) in enumerate(colours.items()):
        pixels = np.zeros((72, 72, 4), np.uint8)
        pixels[10:50, 5:55] = (*colour, 255)
        path = folder / f"{place}.png"
        PIL.Image.fromarray(pixels).save(path)
        # Two neighbours are a man and a woman of one occupation.
        sign = "👨👩"[place % 2] + "\u200d" + chr(0x1F33E + place // 2)
        rows.append({"image": str(path), "description": name, "emoji": sign})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emoji, "load", lambda: (pd.DataFrame(rows), None))
        return load_dataset("emoji_scenes", share=0.02)


def test_boxes_hold_the_emoji_and_nothing_else_does(scenes, colours):
    table, schema = scenes
    scenes_of = table.groupby("split")["scene"].nunique()
    assert scenes_of.to_dict() == {"train": 60, "test": 10, "validation": 6}
    for row in table.itertuples():
        assert row.picture.shape == (128, 128, 3) and row.picture.dtype == np.uint8
        assert 2 <= len(row.objects) <= 6
        left_over = row.picture.copy()
        for each in row.objects:
            left, top, width, height = each["box"]
            assert 24 <= width <= 48 and height == (width * 40 + 25) // 50
            part = row.picture[top : top + height, left : left + width]
            assert part.shape == (height, width, 3)
            assert (part == colours[each["label"]]).all()
            left_over[top : top + height, left : left + width] = 0
        assert not ((left_over[..., 1] == 0) & (left_over[..., 2] == 255)).any()
        assert row.place == [{"box": e["box"]} for e in row.objects if e["label"] == row.phrase]
    assert table["id"].is_unique and schema.group == "scene"
    # In training each object is named, in the others one of them.
    named = table.groupby("scene").size()
    objects = table.drop_duplicates("scene").set_index("scene")["objects"].map(len)
    trained = named.index.str.startswith("train")
    assert (named[trained] == objects[named.index][trained]).all() and (named[~trained] == 1).all()
    assert schema.modalities == (Image("picture"), Text("phrase"))
    assert schema.target == Boxes("place", image="picture", image_column="picture")


def test_the_emoji_of_a_split_and_their_variants_are_in_no_other(scenes):
    table, _ = scenes
    pairs = table.explode("objects")
    number = pairs["objects"].map(lambda each: int(each["label"].split()[1]) // 2)
    assert number.groupby(pairs["split"]).nunique()["test"] > 3
    assert pairs["split"].groupby(number).nunique().max() == 1
    # Nor are two variants in one scene.
    assert not pairs.assign(base=number).duplicated(["id", "base"]).any()


def test_backgrounds_are_of_different_parts_of_a_photograph():
    photograph = np.zeros((200, 640, 3), np.uint8)
    photograph[:, :, 0] = np.arange(640) // 160
    random = np.random.RandomState(0)
    for split, quarters in (("train", {0, 1}), ("validation", {2}), ("test", {3})):
        place = emoji_scenes.SPLITS[split].quarters
        parts = [emoji_scenes._background(photograph, place, random) for _ in range(30)]
        assert {int(value) for part in parts for value in np.unique(part[..., 0])} == quarters


@pytest.mark.parametrize("shape, size", [((60, 40), 24), ((7, 5), 48), ((72, 72), 36)])
def test_a_resized_pixel_is_the_mean_of_what_it_covers(shape, size):
    ink = np.random.RandomState(0).randint(0, 256, (*shape, 4)).astype(np.uint8)
    found = resized(ink, size)
    height, width = (round(side * size / max(shape)) for side in shape)
    assert found.shape == (height, width, 4) and max(found.shape) == size
    colours = ink.astype(float)
    colours[..., :3] *= colours[..., 3:] / 255
    # Repeated so often that each new pixel covers whole ones.
    many = colours.repeat(height, axis=0).repeat(width, axis=1)
    means = many.reshape(height, shape[0], width, shape[1], 4).mean(axis=(1, 3))
    np.testing.assert_allclose(found, means, atol=0.5 + 1e-9)


def test_a_share_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"at most 1\. Received: 1\.5"):
        load_dataset("emoji_scenes", share=1.5)


@real
def test_the_same_scenes_are_made_on_every_machine():
    table, _ = load_dataset("emoji_scenes", share=0.01)
    assert emoji_scenes.content_hash(table) == SMALL_SHA256


@real
@pytest.mark.slow
def test_the_real_scenes_are_the_pinned_ones():
    table, _ = load_dataset("emoji_scenes")
    assert table["split"].value_counts().to_dict() == {
        "train": 11969,
        "test": 500,
        "validation": 300,
    }
    assert emoji_scenes.content_hash(table) == emoji_scenes.CONTENT_SHA256
    phrases = table.groupby("split")["phrase"].agg(set)
    assert not phrases["test"] & (phrases["train"] | phrases["validation"])
    test = table[table["split"] == "test"]
    assert (1 / test["objects"].map(len)).mean() == pytest.approx(0.29, abs=0.01)
