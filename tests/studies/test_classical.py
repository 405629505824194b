"""The experiment that says what classical models reach, on small tables of one's own."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmkeras.experiment.data_config import DataConfig
from mmkeras.schema import Label, Number, Schema, Sequence, StepLabels, Tabular
from mmkeras.studies import classical as module
from mmkeras.studies.classical import CHOSEN, ClassicalConfig, classical
from mmkeras.studies.jobs import JobsMissing, run_jobs

VIEWS = [Tabular("one", ("left",)), Tabular("two", ("right",))]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """90 rows whose class is the parity of what two tables say: one alone says nothing."""
    folder = tmp_path_factory.mktemp("classical")
    random = np.random.default_rng(0)
    left, right = random.choice([-1.0, 1.0], (2, 90)) + random.normal(0, 0.2, (2, 90))
    frame = pd.DataFrame({"left": left, "right": right, "sum": left + 2 * right})
    frame["same"] = np.where(left * right > 0, "yes", "no")
    frame["part"] = np.where(np.arange(90) < 60, "train", "test")
    frame["who"] = np.arange(90) // 3
    frame.to_csv(folder / "rows.csv", index=False)
    Schema(VIEWS, Label("same"), group="who").save(folder / "schema.json")
    return ClassicalConfig(
        data=DataConfig(data=folder / "rows.csv", schema=folder / "schema.json"),
        methods=("linear", "svm"),
        folds=3,
        out=folder / "out",
        results=folder / "results",
    )


def test_each_view_and_all_of_them_are_tested_on_every_row(config):
    results = classical(config).set_index(["method", "views"])
    assert len(results) == 1 + 3 * 2 + 3 + 1
    alone = results.xs("one", level="views")["accuracy"]
    assert alone.max() < 0.7 < 0.95 < results.loc[("svm", "one + two"), "accuracy"]
    chosen = results.loc[(CHOSEN, "one + two")]
    assert chosen["accuracy"] > 0.95 and "svm" in chosen["setting"]
    assert (results["low"] <= results["accuracy"]).all()
    said = pd.read_parquet(config.out / "predictions.parquet")
    assert len(said) == 90 and said.index.is_unique
    right = (said["true"] == said[f"{CHOSEN} (one + two)"]).mean()
    assert right == pytest.approx(chosen["accuracy"])
    text = (config.results / "rows.md").read_text()
    assert "whole groups" in text and "more than chance" in text and "support vector" in text
    assert len(pd.read_csv(config.results / "rows.csv")) == len(results)


def test_an_official_split_is_tested_once(config, tmp_path):
    schema = tmp_path / "schema.json"
    Schema(VIEWS, Number("sum")).save(schema)
    data = dataclasses.replace(config.data, schema=schema, split_column="part")
    own = dataclasses.replace(config, data=data, folds=None, out=tmp_path / "out", results=None)
    results = classical(own).set_index(["method", "views"])
    assert results.loc[("linear", "one + two"), "r2"] > 0.99
    assert ("late product", "one + two") not in results.index  # of probabilities
    assert len(pd.read_parquet(tmp_path / "out" / "predictions.parquet")) == 30


def test_steps_have_no_classical_models(config, tmp_path):
    frame = pd.DataFrame({"walk": ["[[1.0], [2.0]]"] * 9, "moods": ["a|b"] * 9})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    Schema([Sequence("walk")], StepLabels("moods")).save(tmp_path / "schema.json")
    data = DataConfig(data=tmp_path / "rows.csv", schema=tmp_path / "schema.json")
    with pytest.raises(ValueError, match="one of sequence labelling"):
        classical(dataclasses.replace(config, data=data, out=tmp_path / "out"))


@pytest.mark.slow
def test_folds_in_processes_of_their_own_find_the_same(config, tmp_path):
    own = dataclasses.replace(config, folds=2, methods=("linear",), results=None)
    here = classical(dataclasses.replace(own, out=tmp_path / "here"))
    apart = classical(dataclasses.replace(own, out=tmp_path / "apart", workers=2))
    pd.testing.assert_frame_equal(here.drop(columns="seconds"), apart.drop(columns="seconds"))
    said = [pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("here", "apart")]
    pd.testing.assert_frame_equal(*said)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_what_folds_found_is_kept_when_another_fails(config, tmp_path, monkeypatch, workers):
    out = tmp_path / "out"
    own = dataclasses.replace(config, methods=("linear",), out=out, results=None, workers=workers)
    compete, calls = module.compete, []

    def failing(*args, **more):
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("something broke")
        return compete(*args, **more)

    monkeypatch.setattr(module, "compete", failing)
    monkeypatch.setattr(module, "run_jobs", lambda jobs, workers: run_jobs(jobs, workers=0))
    with pytest.raises(JobsMissing if workers else RuntimeError, match="something broke"):
        classical(own)
    # Jobs do not end with the one that failed.
    assert len(calls) == (3 if workers else 2)
    kept = {path.name for path in out.glob("fold*.json")}
    assert kept == ({"fold1.json", "fold3.json"} if workers else {"fold1.json"})
    results = classical(own)
    assert len(calls) == 4
    pd.testing.assert_frame_equal(classical(own), results)
    assert len(calls) == 4
    whole = classical(dataclasses.replace(own, out=tmp_path / "whole", workers=0))
    pd.testing.assert_frame_equal(results.drop(columns="seconds"), whole.drop(columns="seconds"))
    with pytest.raises(ValueError, match=r"other rows or settings.* inner: 3, now 2.*--out"):
        classical(dataclasses.replace(own, inner=2))
    with pytest.raises(ValueError, match=r"other rows or settings.* test: "):
        classical(dataclasses.replace(own, split_seed=1))
    (out / "fold2.npz").write_bytes(b"no arrays")
    with pytest.raises(ValueError, match=r"fold2\.npz is missing or damaged .*fold2\.json"):
        classical(own)


def test_a_number_of_workers_below_0_is_refused(config):
    with pytest.raises(ValueError, match="`workers` must not be negative"):
        classical(dataclasses.replace(config, workers=-1))
