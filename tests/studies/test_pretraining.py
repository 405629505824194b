"""Pre-training without labels and fine-tuning with few, on a small made table."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmkeras.cli import parse
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.listing import list_runs
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.schema import Label, Schema, Tabular, Text
from mmkeras.studies.pretraining import PretrainConfig, pretrain_and_tune, pretrain_defaults
from mmkeras.studies.pretraining.labelled import labelled_rows
from mmkeras.training.pretraining.combined import PretrainingSettings
from mmkeras.training.settings import TrainingSettings

NUMBERS = Schema([Tabular("numbers", ["a"])], Label("kind"))


def table(classes, groups=None):
    frame = pd.DataFrame({"a": np.arange(float(len(classes))), "kind": classes})
    return frame if groups is None else frame.assign(who=groups)


def test_labelled_rows_are_nested_and_of_every_class():
    kinds = np.repeat(["much", "some", "rare", "once"], [120, 60, 19, 1])
    frame = table(np.random.default_rng(0).permutation(kinds))
    few, more, whole = labelled_rows(frame, NUMBERS, (0.02, 0.1, 1.0), seed=1).values()
    assert len(few) == 4 and frame["kind"].iloc[few].nunique() == 4
    assert len(more) == 20 and set(few) < set(more) and len(whole) == 200
    counts = frame["kind"].iloc[more].value_counts()
    assert abs(counts["much"] - 12) <= 1 and abs(counts["some"] - 6) <= 1
    # They do not depend on which other shares are asked for, but on the seed.
    np.testing.assert_array_equal(labelled_rows(frame, NUMBERS, (0.1,), seed=1)[0.1], more)
    assert set(labelled_rows(frame, NUMBERS, (0.1,), seed=2)[0.1]) != set(more)


def test_rows_of_one_group_get_their_labels_together():
    random = np.random.default_rng(0)
    groups = random.integers(0, 30, 150)
    frame = table(np.array(["x", "y", "z"])[groups % 3], groups)
    schema = dataclasses.replace(NUMBERS, group="who")
    for share, rows in labelled_rows(frame, schema, (0.1, 0.3, 1.0), seed=0).items():
        labelled = set(frame["who"].iloc[rows])
        assert set(np.flatnonzero(frame["who"].isin(labelled))) == set(rows)
        assert abs(len(rows) - share * 150) <= frame["who"].value_counts().max()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A point, seen as numbers and as words; its kind is the half that it is in."""
    random = np.random.default_rng(0)
    point = random.normal(size=(90, 2))
    frame = pd.DataFrame(point, columns=["a", "b"])
    north = np.where(point[:, 1] > 0, "up", "down")
    frame["words"] = [f"{each} {random.integers(9)}" for each in north]
    frame["kind"] = np.where(point[:, 0] > 0, "east", "west")
    folder = tmp_path_factory.mktemp("own")
    frame.to_csv(folder / "own.csv", index=False)
    Schema([Tabular("numbers", ["a", "b"]), Text("words")], Label("kind")).save(folder / "own.json")
    return PretrainConfig(
        DataConfig(data=folder / "own.csv", schema=folder / "own.json"),
        ways=("scratch", "both"),
        labels=(0.1, 1.0),
        seeds=(3,),
        steps=2,
        workers=0,
        out=folder / "out",
        name="few labels",
        tags=("paper",),
        pretraining=PretrainingSettings(dim=4, epochs=1, batch_size=32, mask_dim=8),
        fine=TrainingSettings(epochs=1, batch_size=32, learning_rate=0.01, patience=0),
        settings=Settings(
            model=ModelSettings(hidden=(8,)),
            encoders={
                "tabular": Encoder("mlp", {"units": (8,)}),
                "text": Encoder("bag_of_words", {"units": (8,), "dropout": 0.0}),
            },
        ),
    )


@pytest.fixture(scope="module")
def results(config):
    return pretrain_and_tune(config)


def written(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("seed*/**/*.*")}


@pytest.mark.slow
@pytest.mark.eager
def test_ways_are_judged_by_the_same_rows_and_learn_from_the_same(config, results):
    assert list(results["way"]) == ["scratch", "both"] * 2
    assert list(results["rows"]) == [6, 6, 62, 62] and list(results["epochs"]) == [2, 2, 1, 1]
    assert results[["accuracy", "probe"]].stack().between(0, 1).all()
    said = (config.out / "summary.md").read_text()
    assert "10 % (6 rows): both" in said and "14 test rows judge" in said
    assert not (config.out / "seed3-scratch/encoders").exists()
    assert "- name: few labels" in said and "- tags: paper" in said
    listed = list_runs(config.out, ["paper"])
    assert list(listed.index) == ["seed3-scratch", "seed3-both"]
    assert set(listed["name"]) == {"few labels"} and listed["test"].isna().all()


@pytest.mark.slow
@pytest.mark.eager
def test_called_again_only_what_is_missing_runs_and_ends_as_before(config, results):
    before = written(config.out)
    missing = config.out / "seed3-both/10-percent.json"
    missing.unlink()
    again = pretrain_and_tune(config)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), results.drop(columns="seconds"))
    after = written(config.out)
    assert {path for path in after if after[path] != before[path]} == {missing}
    with pytest.raises(ValueError, match=r"another trial; it cannot resume\. steps: 2, now 5"):
        pretrain_and_tune(dataclasses.replace(config, steps=5))


@pytest.mark.slow
@pytest.mark.eager
def test_encoders_of_an_earlier_experiment_are_fine_tuned_again(config, results, tmp_path):
    later = dataclasses.replace(
        config, source=config.out, out=tmp_path, ways=("both",), labels=(0.1,)
    )
    again = pretrain_and_tune(later)
    assert not (tmp_path / "seed3-both/encoders").exists()
    first = results[(results["way"] == "both") & (results["labels"] == 0.1)]
    same = ["accuracy", "log_loss", "probe"]
    np.testing.assert_array_equal(again[same], first[same])
    others = dataclasses.replace(later, split_seed=1, out=tmp_path / "others")
    with pytest.raises(Exception, match="are of other rows or settings"):
        pretrain_and_tune(others)


def test_each_way_leaves_out_what_it_does_not_do(config):
    assert config.of_way("scratch") is None
    assert config.of_way("masked").contrastive == 0 < config.of_way("masked").masked
    assert config.of_way("contrastive").masked == 0 and config.of_way("both").masked == 1
    assert pretrain_defaults("emoji")["fine"].patience == 0
    with pytest.raises(ValueError, match="shares above 0, at most 1"):
        dataclasses.replace(config, labels=(0.0,))


def test_the_command_line_tells_pre_training_from_fine_tuning():
    arguments = ["--epochs", "7", "--masked", "0.5", "--fine.epochs", "9", "--from", "runs/before"]
    read = parse(PretrainConfig, arguments, "", dataset="avmnist", **pretrain_defaults("avmnist"))
    assert (read.pretraining.epochs, read.fine.epochs) == (7, 9)
    assert (read.pretraining.masked, read.pretraining.contrastive) == (0.5, 1.0)
    assert read.source == Path("runs/before") and read.data.dataset == "avmnist"
    # What the data set's presets say is kept where nothing else is asked for.
    assert read.fine.auxiliary == 1.0 and read.pretraining.temperature == 0.3
