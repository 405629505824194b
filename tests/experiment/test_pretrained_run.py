"""Runs whose encoders were trained elsewhere."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.data.kinds import KINDS, ImageSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.encoders import PretrainedEncoder
from mmkeras.encoders.pretrained.features import FrozenFeatures
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import (
    fitted_pipelines,
    judge,
    make_model,
    train_and_judge,
    train_run,
)
from mmkeras.inspection.grad_cam import grad_cam
from mmkeras.inspection.words import text_attention, word_effects
from mmkeras.schema import Image, Schema, Text
from mmkeras.training import frozen
from mmkeras.training.settings import TrainingSettings
from tests.encoders.tiny_networks import write_bert, write_image_network

pytestmark = pytest.mark.eager

SCHEMA = Schema([Image("photo"), Text("caption")], "shape")


def table(rows=24):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"shape": ["round", "square"] * (rows // 2)}, index=range(100, 100 + rows))
    sizes = pd.Series(rng.choice(["big", "small"], rows), frame.index)
    frame["caption"] = "a " + sizes + " " + frame["shape"] + "ish one"
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
    assert terms[0][0] == "[CLS]"
    assert "##ish" in dict(terms)
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


class StopAfterFirst(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            raise KeyboardInterrupt


def trained(splits, settings, **more):
    preprocessing, pipelines = fitted_pipelines(splits, SCHEMA, settings, "cache")
    return train_and_judge(preprocessing, pipelines, settings, **more)


def test_weights_of_kept_epochs_are_those_of_the_whole_model(networks, splits, tmp_path):
    """Also of the one that was best before the model learnt the validation rows, too."""
    settings = settings_of(networks)
    for refit in (False, True):
        training = dataclasses.replace(settings.training, keep_best=2, refit=refit)
        own = dataclasses.replace(settings, training=training)
        run = train_run(splits, SCHEMA, tmp_path / f"refit {refit}", own)
        assert len(run.kept_epochs) == 2
        before = run.model_of_epoch(run.metrics["best_epoch"])
        if not refit:
            wanted = run.model.get_weights()
        for mine, others in zip(before.get_weights(), wanted, strict=True):
            np.testing.assert_array_equal(mine, others)
    assert run.metrics["refit"]["rows"] == 18


def check_same(one, other, tolerance):
    for mine, others in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, others, atol=tolerance)
    for part, outputs in one.outputs.items():
        np.testing.assert_allclose(outputs, other.outputs[part], atol=tolerance)


def test_training_on_kept_tokens_is_training_on_the_frozen_encoders(
    networks, splits, tmp_path, monkeypatch
):
    settings = settings_of(networks)
    # The heads of auxiliary losses are made in training, after what is frozen was left out.
    training = dataclasses.replace(settings.training, auxiliary=0.5)
    settings = dataclasses.replace(settings, training=training)
    kept = trained(splits, settings, features=tmp_path / "features")
    assert isinstance(kept.judged_by[0].get_layer("photo_encoder"), FrozenFeatures)
    assert isinstance(kept.model.get_layer("photo_encoder"), PretrainedEncoder)
    with monkeypatch.context() as patch:
        patch.setattr(frozen, "frozen_modalities", lambda *_: [])
        check_same(kept, trained(splits, settings), 2e-5)
    # From the same files, nothing is encoded again, and one run stops in between.
    monkeypatch.setattr(frozen, "_encoded", lambda *a: [] if not len(a[3]) else 1 / 0)
    more = {"features": tmp_path / "features", "checkpoint": tmp_path / "last.npz"}
    with pytest.raises(KeyboardInterrupt):
        trained(splits, settings, **more, callbacks=[StopAfterFirst()])
    check_same(kept, trained(splits, settings, **more), 0)


def test_tokens_are_kept_by_the_weights_and_not_for_images_that_are_moved(
    networks, splits, tmp_path
):
    own = shutil.copytree(networks, tmp_path / "networks")
    settings = settings_of(own, flip=True)
    folder = tmp_path / "features"
    one = trained(splits, settings, features=folder)
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 1  # of the text alone: images are mirrored
    assert isinstance(one.judged_by[0].get_layer("photo_encoder"), PretrainedEncoder)
    # Rows in another order, and fewer, are the same rows.
    fewer = Splits(splits.train[::-1], splits.validation[:3], splits.test[:2])
    files = sorted(path.name for path in folder.rglob("*"))
    assert len(trained(fewer, settings, features=folder).outputs["test"]) == 2
    assert sorted(path.name for path in folder.rglob("*")) == files
    write_bert(own / "texts", seed=1)
    other = trained(splits, settings, features=folder)
    assert len(list(folder.iterdir())) == 2
    assert np.abs(other.outputs["test"] - one.outputs["test"]).max() > 1e-4
    preprocessing, pipelines = fitted_pipelines(splits, SCHEMA, settings_of(own), tmp_path)
    for train, modalities in ((None, ["photo", "caption"]), ("all", [])):
        model = make_model(preprocessing, settings_of(own, train=train))
        assert frozen.frozen_modalities(model, pipelines["train"]) == modalities


def test_several_images_of_a_cell_are_kept_like_one(networks, tmp_path):
    frame = table()[["shape", "photo"]].drop(index=103)
    frame["photo"] = [(each, each[::-1])[: 1 + row % 2] for row, each in enumerate(frame["photo"])]
    frame["photo"] = pd.Series([tuple(x) for x in frame["photo"]], frame.index, dtype=object)
    schema = Schema([Image("photo", several=True)], "shape")
    settings = settings_of(networks).select(schema)
    parts = Splits(frame[:12], frame[12:18], frame[18:])
    preprocessing, pipelines = fitted_pipelines(parts, schema, settings, tmp_path)
    kept = train_and_judge(preprocessing, pipelines, settings)
    whole = judge(kept.model, {"test": pipelines["test"]}, preprocessing.task)[0]["test"]
    np.testing.assert_allclose(kept.outputs["test"], whole, atol=1e-5)
