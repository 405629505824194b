"""Runs whose encoders were trained elsewhere."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.data.kinds import KINDS, ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.inspection.grad_cam import grad_cam
from mmkeras.inspection.words import text_attention, word_effects
from mmkeras.schema import Image, Schema, Text
from mmkeras.training.settings import TrainingSettings
from tests.encoders.tiny_networks import write_bert, write_image_network

pytestmark = pytest.mark.eager

SCHEMA = Schema([Image("photo"), Text("caption")], "shape")


def table(rows=24):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"shape": ["round", "square"] * (rows // 2)}, index=range(100, 100 + rows))
    sizes = rng.choice(["big", "small"], rows)
    frame["caption"] = [f"a {size} {name}ish one" for size, name in zip(sizes, frame["shape"])]
    pictures = rng.integers(0, 256, (rows, 16, 16, 3)).astype(np.uint8)
    frame["photo"] = pd.Series(list(pictures), index=frame.index, dtype=object)
    # Holes: one row has no photo, one no caption.
    frame.loc[103, "photo"] = frame.loc[106, "caption"] = None
    return frame


def settings_of(folder, train=None, **changes):
    own = {"train": train}
    return Settings(
        model=ModelSettings(fusion="attention"),
        encoders={
            "image": Encoder("pretrained", {"source": str(folder / "images.keras"), **own}),
            "text": Encoder("pretrained", {"source": str(folder / "texts"), **own}),
        },
        image=ImageSettings(size=(16, 16), **changes),
        training=TrainingSettings(epochs=2, batch_size=8, patience=0),
    )


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    write_image_network(folder / "images.keras")
    write_bert(folder / "texts")
    return folder


@pytest.fixture(scope="module")
def splits():
    frame = table()
    return Splits(frame[:12], frame[12:18], frame[18:])


@pytest.fixture(scope="module")
def run(networks, splits, tmp_path_factory):
    """A finished run, whose networks are where it finds them no more."""
    own = shutil.copytree(networks, tmp_path_factory.mktemp("gone") / "networks")
    folder = tmp_path_factory.mktemp("runs") / "one"
    train_run(splits, SCHEMA, folder, settings_of(own))
    shutil.rmtree(own)
    return mmkeras.Run(folder)


def test_a_run_predicts_without_the_networks_that_it_came_from(run, splits):
    predicted = run.predict(splits.test.drop(columns="shape"))
    again = run.predictions
    assert predicted["predicted"].tolist() == again["predicted"].tolist()
    np.testing.assert_allclose(predicted["p(round)"], again["p(round)"], atol=1e-5)
    recorded = json.loads((run.path / "config.json").read_text())["settings"]["encoders"]
    assert recorded["text"]["name"] == "pretrained"


def test_a_frozen_network_stays_as_it_was(run, networks):
    from mmkeras.encoders.pretrained import read_network

    for name, source in (("caption", "texts"), ("photo", "images.keras")):
        own = run.model.get_layer(f"{name}_encoder").network.get_weights()
        shape = (None,) if name == "caption" else (16, 16, 3)
        for now, then in zip(
            own, read_network(str(networks / source), shape).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(now, then)


def test_explanations_and_corruptions_work_through_pretrained_networks(run, splits):
    pipeline = Pipeline(splits.test, run.preprocessing)
    effects = word_effects(run.model, pipeline, [0, 1], "caption", [0, 0])
    assert [word for word, _ in effects[0]] == splits.test["caption"].iloc[0].split()
    assert any(effect for _, effect in effects[0])
    terms = text_attention(run.model, pipeline, [0], "caption")[0]
    assert [term for term, _ in terms][0] == "[CLS]"
    assert "##ish" in [term for term, _ in terms]
    inputs = next(iter(pipeline.evaluate()))[0]
    maps = grad_cam(run.model, {k: v.numpy() for k, v in inputs.items()}, "photo", [0] * 6)
    assert maps.shape == (6, 2, 2)
    fitted = run.preprocessing.modalities["caption"]
    kind = KINDS["text"]
    longer = kind.inputs_of(["big " * 80, None], fitted, None)
    assert longer.shape[1] == 64
    assert longer[0, -1] == 3 and not longer[1].any()


def test_what_no_piece_of_the_tokenizer_knows_is_counted_and_long_texts_are_cut(run, splits):
    rows = splits.test.drop(columns="shape").copy()
    rows["caption"] = ["xyz", "qqq www", "big " * 100, *rows["caption"][3:]]
    with pytest.warns(UserWarning, match="do not take|does not take"):
        found = run.predict(rows).attrs["unprepared"]
    assert [(each["column"], each["cells"]) for each in found] == [("caption", 2), ("caption", 1)]
