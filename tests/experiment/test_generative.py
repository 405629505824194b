"""Runs of generative models: the folder, resuming, and generating from raw rows."""

import json

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.data.tables.splits import split_table
from mmkeras.experiment.generative import (
    GenerationSettings,
    GenerativeRun,
    train_generative,
)
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SETTINGS = Settings(
    encoders={
        "image": Encoder("cnn", {"filters": (4,), "convs_per_block": 1}),
        "text": Encoder("bag_of_words", {"units": (8,)}),
    },
    image=ImageSettings(size=(8, 8)),
    # All that a generative training shares with the others is resumed, too.
    training=TrainingSettings(
        **{"epochs": 3, "batch_size": 16, "learning_rate": 3e-3, "ema": 0.5, "accumulate": 2},
        **{"schedule": "plateau", "plateau_patience": 1},
    ),
)
GENERATION = GenerationSettings(latent_dim=3, filters=4, units=(8,), warm_up=2)


@pytest.fixture(scope="module")
def splits(shared_table):
    frame, schema = shared_table
    return split_table(frame, schema, validation=0.2, test=0.2, seed=0)


@pytest.fixture(scope="module")
def run(shared_table, splits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train_generative(splits, shared_table[1], folder, SETTINGS, GENERATION)


def test_the_folder_says_what_acted_and_what_came_of_it(run):
    config = json.loads((run.path / "config.json").read_text())
    assert config["generation"]["latent_dim"] == 3
    assert "model" not in config["settings"]
    assert len(run.history) == 3 and np.isfinite(run.history["val_loss"]).all()
    assert run.metrics["best_epoch"] == 1 + int(run.history["val_loss"].argmin())
    assert not (run.path / "checkpoint").exists()


def test_raw_rows_lacking_what_is_wanted_get_cells_of_each_kind(run, splits):
    rows = splits.test[["picture"]]
    made = run.predict(rows, ["picture"])
    assert made.index.equals(rows.index)
    assert list(made) == ["note", "warmth", "place"]
    assert set(made["place"]) <= set(splits.train["place"])
    words = {word for note in splits.train["note"] for word in note.split()}
    assert all(set(note.split()) <= words for note in made["note"])
    pictures = run.predict(splits.test[["note"]], ["note"], ["picture"])["picture"]
    assert all(cell.shape == (8, 8, 3) and cell.dtype == np.uint8 for cell in pictures)


def test_a_seed_decides_what_is_made(run, splits):
    rows = splits.test[["note"]]
    first, again, other = (
        np.stack(run.predict(rows, ["note"], ["picture"], seed=seed)["picture"])
        for seed in (0, 0, 1)
    )
    assert (first == again).all() and (first != other).any()


def test_unknown_modalities_and_missing_columns_are_refused(run, splits):
    with pytest.raises(ValueError, match=r"modalities are.*sound"):
        run.predict(splits.test, ["sound"])
    with pytest.raises(ValueError, match="picture"):
        run.predict(splits.test[["note"]], ["picture"])


def test_an_interrupted_run_ends_as_the_uninterrupted_one(
    run, shared_table, splits, tmp_path, monkeypatch
):
    from mmkeras.training.callbacks import EpochLine

    whole = EpochLine.on_epoch_end

    def stop(line, epoch, logs=None):
        whole(line, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(EpochLine, "on_epoch_end", stop)
        train_generative(splits, shared_table[1], tmp_path / "run", SETTINGS, GENERATION)
    resumed = train_generative(splits, shared_table[1], tmp_path / "run", SETTINGS, GENERATION)
    for mine, others in zip(run.vae.get_weights(), resumed.vae.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, others)
    columns = ["epoch", "loss", "val_loss"]
    pd.testing.assert_frame_equal(run.history[columns], resumed.history[columns])


def test_a_folder_of_another_model_is_refused(run, shared_table, splits):
    other = GenerationSettings("mvae", latent_dim=3, filters=4, units=(8,), warm_up=2)
    with pytest.raises(ValueError, match=r"other generation.*mopoe.*mvae"):
        train_generative(splits, shared_table[1], run.path, SETTINGS, other)


def test_what_has_no_effect_is_refused(shared_table, splits, tmp_path):
    for settings, words in (
        (Settings(model=ModelSettings("late")), "no fusion"),
        (Settings(training=TrainingSettings(label_smoothing=0.1)), "label_smoothing"),
        (Settings(training=TrainingSettings(monitor="val_accuracy")), "val_loss"),
        (Settings(training=TrainingSettings(watch=("accuracy",))), "`watch` is of models that"),
        (Settings(training=TrainingSettings(freeze=("note",))), "`freeze` is of models that"),
    ):
        with pytest.raises(ValueError, match=words):
            train_generative(splits, shared_table[1], tmp_path / "run", settings)
    with pytest.raises(ValueError, match=r"mopoe has the options.*alpha"):
        GenerationSettings("mopoe", options={"alpha": 0.5})
    with pytest.raises(ValueError, match=r"by modality or kind.*sound"):
        train_generative(
            splits,
            shared_table[1],
            tmp_path / "run2",
            SETTINGS,
            GenerationSettings(densities={"sound": "laplace"}),
        )


def test_densities_are_set_by_kind_and_by_name(shared_table):
    schema = shared_table[1]
    settings = GenerationSettings(densities={"image": "laplace:0.5", "note": "bernoulli"})
    names, options = settings.densities_of(schema)
    assert names == {"picture": "laplace", "note": "bernoulli"}
    assert options == {"picture": {"scale": 0.5}}
    with pytest.raises(ValueError, match="a number"):
        GenerationSettings(densities={"image": "laplace:wide"}).densities_of(schema)


def test_the_same_settings_for_another_model_leave_its_options_out():
    settings = GenerationSettings("mvtcae", options={"alpha": 0.5})
    assert settings.select("jmvae").options == {"alpha": 0.5}
    assert settings.select("mopoe").options == {}


def test_a_run_that_predicts_is_no_generative_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        GenerativeRun(tmp_path)


def test_pictures_go_into_files_where_asked_for(run, splits, tmp_path):
    made = run.predict(splits.test[["note"]], ["note"], ["picture"], files=tmp_path / "made")
    assert made["picture"].iloc[0] == "picture-000000.png"
    assert len(list((tmp_path / "made").glob("*.png"))) == len(splits.test)


def test_it_is_not_opened_as_a_run_that_predicts(run):
    with pytest.raises(ValueError, match="GenerativeRun"):
        Run(run.path)
