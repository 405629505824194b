"""Cross-validation: every row is tested once, and only missing models are trained."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.audit.source import splits_of
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.studies.cross_validate import CrossValidationConfig, cross_validate
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    frame = pd.DataFrame({"x": np.arange(30) * 0.37, "label": ["a", "b"] * 15})
    frame.assign(part=["train"] * 20 + ["test"] * 10).to_csv(folder / "own.csv", index=False)
    mmkeras.Schema([mmkeras.Tabular("t", numeric=["x"])], "label").save(folder / "own.json")
    return CrossValidationConfig(
        data=DataConfig(data=folder / "own.csv", schema=folder / "own.json"),
        folds=2,
        validation=0.0,
        workers=0,
        out=folder / "out",
        settings=Settings(
            model=ModelSettings(hidden=(4,)), training=TrainingSettings(epochs=1, batch_size=8)
        ),
    )


@pytest.fixture(scope="module")
def results(config):
    return cross_validate(config)


def test_every_row_is_tested_once(results, config):
    assert results[["model", "fold", "seed"]].to_numpy().tolist() == [
        ["fused", 0, 0],
        ["fused", 1, 0],
    ]
    runs = [mmkeras.Run(config.out / f"fold{fold}-seed0-fused") for fold in (0, 1)]
    tested = pd.concat([run.predictions for run in runs])
    assert sorted(tested.index) == list(range(30))
    assert "± folds (accuracy)" in (config.out / "summary.md").read_text()
    for run in runs:  # an audit finds the same rows
        assert splits_of(run).test.index.tolist() == run.predictions.index.tolist()


def test_the_splits_of_single_folds_do_not_say_that_they_were_checked(results, config):
    assert (config.out / "leakage.json").is_file()
    for folder in config.out.glob("fold*"):
        assert not (folder / "leakage.json").exists()
        assert "were not checked for leakage" in (folder / "report.md").read_text()


def test_a_second_call_trains_only_what_is_missing(results, config, capsys):
    (config.out / "fold1-seed0-fused" / "metrics.json").unlink()
    kept = config.out / "fold0-seed0-fused" / "model.keras"
    before = kept.stat().st_mtime_ns
    again = cross_validate(config)
    assert "1 of 2 models are to be trained" in capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), results.drop(columns="seconds"))


def test_a_split_column_is_refused_before_any_work(config, tmp_path):
    data = dataclasses.replace(config.data, split_column="part")
    with pytest.raises(ValueError, match=r"--split-column part .*tests every row once"):
        cross_validate(dataclasses.replace(config, data=data, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
