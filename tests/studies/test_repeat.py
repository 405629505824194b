"""Several seeds of several models, compared; and the experiments that are made of it."""

import dataclasses
import importlib.util
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.data.tables.splits import split_officially
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.schema import (
    Boxes,
    Image,
    Label,
    Number,
    Schema,
    Sequence,
    StepLabels,
    Tabular,
    Text,
)
from mmkeras.studies import trainings
from mmkeras.studies.jobs import JobsMissing
from mmkeras.studies.repeat import RepeatConfig, fused_against_single, main_figures, repeat
from mmkeras.training.settings import TrainingSettings

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


def script(name):
    spec = importlib.util.spec_from_file_location(f"experiment_{name}", EXPERIMENTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """20 rows of two short sequences with a label per step, with a split of their own."""
    folder = tmp_path_factory.mktemp("steps")
    random = np.random.default_rng(0)
    rows = []
    for row in range(20):
        steps = int(random.integers(2, 6))
        up = random.integers(0, 2, steps)
        for name, shift in (("face", 1.0), ("voice", 0.2)):
            values = random.normal(0, 1, (steps, 3)) + shift * up[:, None]
            np.save(folder / f"{row}-{name}.npy", values.astype(np.float32))
        rows.append(
            {
                "face": f"{row}-face.npy",
                "voice": f"{row}-voice.npy",
                "mood": "|".join("up" if u else "down" for u in up),
                "part": "test" if row % 4 == 0 else "train",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
    schema = Schema([Sequence("face"), Sequence("voice")], StepLabels("mood"))
    schema.save(folder / "schema.json")
    return RepeatConfig(
        data=DataConfig(
            data=folder / "rows.csv", schema=folder / "schema.json", split_column="part"
        ),
        seeds=(0, 1),
        validation=0.0,
        workers=0,
        out=folder / "out",
        settings=Settings(
            model=ModelSettings(hidden=(4,)),
            encoders={"sequence": Encoder("mlp", {"units": (4,)})},
            training=TrainingSettings(epochs=1, batch_size=8),
        ),
    )


@pytest.fixture(scope="module")
def results(config):
    return repeat(config)


def test_every_model_is_trained_with_every_seed(results, config):
    assert sorted(zip(results["model"], results["seed"], strict=True)) == sorted(
        (model, seed) for model in ("face", "voice", "fused") for seed in (0, 1)
    )
    saved = pd.read_csv(config.out / "results.csv")
    np.testing.assert_allclose(saved["accuracy"], results["accuracy"])
    summary = (config.out / "summary.md").read_text()
    assert "± (accuracy)" in summary and "Fused against the best single modality" in summary


def test_runs_keep_what_the_leakage_check_of_their_rows_found(results, config):
    found = (config.out / "leakage.json").read_text()
    for folder in config.out.glob("seed*"):
        assert (folder / "leakage.json").read_text() == found
        assert "The leakage check found" in (folder / "report.md").read_text()


def test_predictions_have_a_row_for_each_step_of_the_test_rows(results, config):
    predictions = mmkeras.Run(config.out / "seed0-fused").predictions
    frame = pd.read_csv(config.data.data)
    expected = [label for cell in frame["mood"][::4] for label in cell.split("|")]
    assert predictions["true"].tolist() == expected
    steps = [n for cell in frame["mood"][::4] for n in range(1, cell.count("|") + 2)]
    assert predictions["step"].tolist() == steps


def test_an_experiment_that_was_run_is_not_run_again(results, config):
    model = config.out / "seed1-fused" / "model.keras"
    before = model.stat().st_mtime_ns
    again = repeat(config)
    assert model.stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(again, results)


@pytest.mark.slow
def test_a_process_of_its_own_gives_what_this_one_gives(results, config, tmp_path):
    spawned = dataclasses.replace(config, seeds=(1,), models=("voice",), workers=1, out=tmp_path)
    repeat(spawned)
    one, other = (mmkeras.Run(folder / "seed1-voice") for folder in (config.out, tmp_path))
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)
    weights = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in weights)


def test_each_modality_alone_and_all_of_them_are_trained_in_one_call(config, tmp_path, monkeypatch):
    def recorded(splits, schema, folder, settings):
        return schema.names, folder, settings.model.fusion

    monkeypatch.setattr(trainings, "train_run", recorded)
    schema = Schema.load(config.data.schema)
    runs = trainings.train_subsets(None, schema, Settings(ModelSettings("gmu")), tmp_path)
    alone = ModelSettings("gmu").alone().fusion
    assert runs == {
        "face": (("face",), tmp_path / "face", alone),
        "voice": (("voice",), tmp_path / "voice", alone),
        "face+voice": (("face", "voice"), tmp_path / "face+voice", "gmu"),
    }


def test_a_model_that_fails_leaves_the_others_and_is_trained_the_next_time(
    results, config, tmp_path, monkeypatch, capsys
):
    def train(splits, schema, folder, *rest, **options):
        """What was trained with the same seed before."""
        return mmkeras.Run(shutil.copytree(config.out / folder.name, folder, dirs_exist_ok=True))

    def failing(splits, schema, folder, *rest, **options):
        if folder.name == "seed0-voice":
            raise MemoryError("too large")
        return train(splits, schema, folder)

    monkeypatch.setattr(trainings, "train_run", failing)
    few = dataclasses.replace(config, seeds=(0,), models=("face", "voice"), out=tmp_path)
    with pytest.raises(JobsMissing, match=r"1 of 2 .*\n- seed0-voice: MemoryError: too large"):
        repeat(few)
    assert "face" in (tmp_path / "summary.md").read_text()
    assert pd.read_csv(tmp_path / "results.csv")["model"].tolist() == ["face"]
    monkeypatch.setattr(trainings, "train_run", train)
    capsys.readouterr()
    assert repeat(few)["model"].tolist() == ["face", "voice"]
    assert "1 of 2 models are to be trained" in capsys.readouterr().out
    other = dataclasses.replace(few, settings=dataclasses.replace(config.settings, on_error="skip"))
    with pytest.raises(ValueError, match=r"other settings.*on_error"):
        repeat(other)


class FakeRun:
    def __init__(self, right):
        true = np.array(["a", "b"] * 50)
        other = np.where(true == "a", "b", "a")
        predicted = np.where(right, true, other)
        self.predictions = pd.DataFrame(
            {
                "true": true,
                "predicted": predicted,
                "p(a)": np.where(predicted == "a", 0.9, 0.1),
                "p(b)": np.where(predicted == "b", 0.9, 0.1),
            }
        )


def test_the_verdict_says_gain_only_where_the_interval_does():
    rows = np.arange(100)
    alone = [FakeRun(rows % 2 == 0), FakeRun(rows % 2 == 0)]
    better, same = [FakeRun(rows >= 10)] * 2, [FakeRun(rows % 2 == 1)] * 2
    text = "\n".join(fused_against_single({"x": alone, "fused": better}))
    assert "+40.0 points" in text and "a significant gain" in text
    text = "\n".join(fused_against_single({"x": alone, "fused": same}))
    assert "no significant difference" in text and "p = 1." in text


def test_official_test_rows_stay_and_validation_comes_from_training():
    frame = pd.DataFrame(
        {"x": range(40), "label": ["a", "b"] * 20, "split": ["train"] * 30 + ["test"] * 10}
    )
    schema = Schema([mmkeras.Tabular("t", numeric=["x"])], "label")
    splits = split_officially(frame, schema, validation=0.2, seed=1)
    assert [len(part) for part in splits] == [24, 6, 10]
    assert list(splits.test["x"]) == list(range(30, 40))
    assert not len(split_officially(frame, schema, validation=0.0).validation)


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs the data in MMKERAS_DATA")
@pytest.mark.slow
def test_mosi_runs_from_the_command_line(tmp_path):
    results = script("mosi").main(
        ["--seeds", "0", "--models", "text", "fused", "--epochs", "2", "--out", str(tmp_path)]
    )
    assert results["model"].tolist() == ["text", "fused"]
    assert len(mmkeras.Run(tmp_path / "seed0-fused").predictions) == 752


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs the data in MMKERAS_DATA")
@pytest.mark.slow
def test_avmnist_runs_from_the_command_line(tmp_path):
    results = script("avmnist").main(
        ["--seeds", "0", "--models", "image", "--epochs", "1", "--out", str(tmp_path)]
    )
    assert results["accuracy"].item() > 0.2
    assert len(mmkeras.Run(tmp_path / "seed0-image").predictions) == 2000


def test_the_split_column_is_no_input(tmp_path, capsys):
    path = tmp_path / "own.csv"
    parts = ["train"] * 30 + ["test"] * 10
    frame = pd.DataFrame({"x": np.arange(40) * 0.37, "label": ["a", "b"] * 20, "part": parts})
    frame.to_csv(path, index=False)
    data = DataConfig(data=path, target="label", split_column="part")
    table, schema, messages = data.load()
    assert "schema was inferred" in messages[0]
    assert schema.columns == ("x",)
    splits = data.split(table, schema, validation=0.2, test=0.5, seed=0)
    assert [len(part) for part in splits] == [24, 6, 10]
    told = Schema([mmkeras.Tabular("t", numeric=["x"], categorical=["part"])], "label")
    with pytest.raises(ValueError, match=r"'part' says which rows .* is an input"):
        data.split(table, told, validation=0.2, test=0.5, seed=0)


def test_main_figures_have_intervals_and_say_how_far_fusing_is_from_one_modality():
    schema = Schema([Tabular("a", numeric=("x",)), Tabular("b", numeric=("z",))], Number("y"))
    frame = pd.DataFrame({"x": range(40), "z": range(40), "y": np.arange(40.0)})
    fitted = fit_preprocessing(read_table(frame, schema), schema)
    true = fitted.task.encode(frame)

    def seeds(error):
        return [
            SimpleNamespace(preprocessing=fitted, outputs_of=lambda _, e=e: true + error * e)
            for e in np.random.default_rng(0).normal(size=(3, *true.shape))
        ]

    runs = {"a": seeds(0.5), "b": seeds(1.0), "fused": seeds(0.1)}
    lines = main_figures(runs, frame, pd.Series(np.arange(40) // 4, name="group"))
    assert lines[2].startswith("fused: R² 0.9") and "(3 seeds, 40 test rows)" in lines[2]
    assert lines[3].startswith("Fused against a alone: +0.2")
    assert main_figures({}, frame) == []
    assert len(main_figures({"fused": runs["fused"]}, frame)) == 1


def test_models_that_lack_what_the_target_is_about_are_not_compared():
    schema = Schema([Image("photo"), Text("phrase")], Boxes("place"))
    assert trainings.models_of(schema) == ("photo", "fused")
    assert trainings.models_of(Schema(schema.modalities, Label("x")))[:2] == ("photo", "phrase")
