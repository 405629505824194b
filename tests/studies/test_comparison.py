"""A whole comparison of fusions, on a small CSV of two feature sequences and a table."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.kinds import ImageSettings
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.settings import ModelSettings, Settings
from mmkeras.fusion import FUSIONS
from mmkeras.schema import Image, Label, Number, Schema, Tabular, Text
from mmkeras.studies.comparison import ENSEMBLES, ComparisonConfig, compare
from mmkeras.studies.comparison.comparison_config import obstacle, trial_settings, with_encoders
from mmkeras.studies.comparison.run import _finished
from mmkeras.studies.comparison.shared_rows import ROWS, fewer_rows, prepare
from mmkeras.studies.jobs import JobsMissing
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """120 rows whose class is the parity of what two tables say: one alone says nothing."""
    folder = tmp_path_factory.mktemp("compare")
    random = np.random.default_rng(0)
    left, right = random.choice([-1.0, 1.0], (2, 120))
    frame = pd.DataFrame(
        {
            "left": left + random.normal(0, 0.1, 120),
            "right": right + random.normal(0, 0.1, 120),
            "same": np.where(left == right, "yes", "no"),
        }
    )
    frame.to_csv(folder / "rows.csv", index=False)
    schema = Schema([Tabular("one", ("left",)), Tabular("two", ("right",))], Label("same"))
    schema.save(folder / "schema.json")
    return ComparisonConfig(
        data=DataConfig(data=folder / "rows.csv", schema=folder / "schema.json"),
        fusions=("concat", "simbamm", "ensemble_mean", "ensemble_stacking"),
        seeds=2,
        test=0.3,
        floor="on",
        workers=0,
        out=folder / "out",
        results=folder / "results",
        settings=Settings(
            model=ModelSettings(hidden=(16,), dropout=0.0),
            training=TrainingSettings(epochs=2, batch_size=32, learning_rate=0.02),
        ),
    )


@pytest.fixture(scope="module")
def results(config):
    return compare(config)


def test_modalities_alone_fusions_and_ensembles_have_a_row_a_seed(results, config):
    models = ("one", "two", *config.fusions)
    assert sorted(zip(results["model"], results["seed"], strict=True)) == sorted(
        [("classical", 0), *((model, seed) for model in models for seed in (0, 1))]
    )
    saved = pd.read_csv(config.out / "results.csv")
    np.testing.assert_allclose(saved["score"], results["score"])
    trained = saved[~saved["model"].isin([*ENSEMBLES, "classical"])]
    assert (trained["parameters"] > 0).all() and (trained["epoch_seconds"] > 0).all()


def test_the_table_says_what_was_tested_and_is_copied_to_the_results(results, config):
    text = (config.out / "comparison.md").read_text()
    assert "The best constant answer has accuracy" in text
    assert "against the best single modality" in text and "against SimBaMM" in text
    assert "one alone" in text and "Holm" in text
    assert "![comparison](pictures/comparison.png)" in text
    copied = (config.results / "rows.md").read_text()
    assert "against SimBaMM" in copied and "pictures/" not in copied
    assert len(pd.read_csv(config.results / "rows.csv")) == len(results)
    assert (config.out / "pictures" / "comparison.png").stat().st_size > 10_000
    events = list((config.out / "default" / "concat" / "seed0").glob("events*"))
    assert events, "TensorBoard has the HParams of every run"


def test_simple_models_stand_in_the_same_table(results, config):
    classical = results[results["model"] == "classical"].iloc[0]
    assert classical["score"] > 0.9  # a kernel finds the parity that two epochs do not
    text = (config.out / "comparison.md").read_text()
    assert "| classical floor" in text
    assert "Against the classical floor, of 4 models of all modalities: no significant gain" in text
    saved = np.load(config.out / "default" / "classical" / "seed0.npz")
    assert len(saved["test"]) == 36


def test_an_interrupted_comparison_does_only_what_is_missing(results, config, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(config.out, out)
    part = results[(results["model"] != "simbamm") | (results["seed"] != 1)]
    part = part[~part["model"].isin([*ENSEMBLES, "classical"])]
    part.to_csv(out / "results.csv", index=False)
    again = compare(dataclasses.replace(config, out=out, results=None))
    assert "1 jobs to do" in capsys.readouterr().out
    key = ["model", "seed"]
    one, other = (frame.set_index(key)["score"].sort_index() for frame in (results, again))
    assert one.to_dict() == other.to_dict(), "one seed gives one result"


def test_a_folder_of_another_comparison_is_not_mixed_with_this_one(results, config):
    other = dataclasses.replace(config, split_seed=1)
    with pytest.raises(ValueError, match="other settings: split_seed: 0, now 1"):
        compare(other)


def test_a_fusion_that_fails_does_not_stop_the_others(config, tmp_path, capsys):
    model = ModelSettings("tensor", fusion_options={"dim": 1000}, hidden=(16,), dropout=0.0)
    settings = dataclasses.replace(config.settings, model=model)
    failing = dataclasses.replace(
        config, fusions=("concat", "tensor"), seeds=1, out=tmp_path, results=None, settings=settings
    )
    for jobs in (4, 1):  # called again, only the missing one is tried
        with pytest.raises(JobsMissing, match=rf"1 of {jobs} jobs are missing:\n- tensor"):
            compare(failing)
        assert f"{jobs} jobs to do" in capsys.readouterr().out
        rows = pd.read_csv(tmp_path / "results.csv").set_index("model")
        assert rows.loc["concat", "score"] >= 0
        assert np.isnan(rows.loc["tensor", "score"]) and "dim" in rows.loc["tensor", "error"]
        assert "tensor failed with seed 0" in (tmp_path / "comparison.md").read_text()


def test_seeds_in_one_program_need_the_jax_backend(config, tmp_path):
    with pytest.raises(ValueError, match="--workers 1 or more"):
        compare(dataclasses.replace(config, vectorized=True, out=tmp_path))


def test_what_does_not_fit_the_data_is_left_out(config):
    schema = Schema.load(config.data.schema)
    assert "steps" in obstacle("memory", config, schema)
    assert obstacle("concat", config, schema) is None
    blind = dataclasses.replace(config, validation=0.0)
    assert "validation rows" in obstacle("ensemble_stacking", blind, schema)
    numbers = Schema(schema.modalities, Number("size"))
    assert "classes" in obstacle("ensemble_mean", config, numbers)


def test_one_modality_has_nothing_to_fuse(config, tmp_path):
    schema = Schema.load(config.data.schema).select(["one"])
    schema.save(tmp_path / "schema.json")
    data = dataclasses.replace(config.data, schema=tmp_path / "schema.json")
    with pytest.raises(ValueError, match=r"nothing to fuse.*'one'"):
        compare(dataclasses.replace(config, data=data, out=tmp_path))


def test_every_model_tries_the_same_settings():
    trials = trial_settings(Settings(), 4, seed=0)
    assert trials == trial_settings(Settings(), 4, seed=0)
    assert trials[0] == Settings()
    assert len({trial.training.learning_rate for trial in trials}) == 4


@pytest.mark.slow
def test_trials_choose_settings_on_validation_rows(config, tmp_path):
    done = compare(
        dataclasses.replace(
            config, fusions=("concat",), seeds=1, trials=2, out=tmp_path, results=None
        )
    )
    chosen = json.loads((tmp_path / "default" / "concat" / "settings.json").read_text())
    values = [trial["value"] for trial in chosen["trials"]]
    assert len(values) == 2 and chosen["best"] == int(np.argmax(values))
    changed = json.loads(done.set_index("model").loc["concat", "settings"])
    assert bool(changed) == (chosen["best"] > 0)


@pytest.mark.slow
def test_vectorized_seeds_find_what_only_both_modalities_tell(config, tmp_path):
    pytest.importorskip("jax")
    before = os.environ.get("KERAS_BACKEND")
    training = dataclasses.replace(config.settings.training, epochs=40, batch_size=16)
    done = compare(
        dataclasses.replace(
            config, fusions=("concat",), seeds=3, vectorized=True, workers=1, out=tmp_path,
            results=None,
            encoders=("tabular=mlp", "tabular=ft_transformer"),
            settings=dataclasses.replace(config.settings, training=training),
        )
    )  # fmt: skip
    assert os.environ.get("KERAS_BACKEND") == before
    means = done.groupby(["encoders", "model"])["score"].mean()
    assert means["tabular=mlp", "concat"] > 0.9 > 0.75 > means["tabular=mlp", "one"]
    assert set(done["encoders"]) == {"tabular=mlp", "tabular=ft_transformer"}


def test_encoders_are_given_by_kind():
    changed = with_encoders(Settings(), "text=lstm,sequence=tcn").encoders
    assert (changed["text"].name, changed["sequence"].name) == ("lstm", "tcn")
    with pytest.raises(ValueError, match=r"kind=name.*Received: 'text=nothing'"):
        with_encoders(Settings(), "text=nothing")


def test_fewer_rows_keep_groups_whole():
    frame = pd.DataFrame({"x": range(12), "who": list("aaabbbcccddd"), "y": list("ab") * 6})
    schema = Schema([Tabular("t", ("x",))], Label("y"), group="who")
    chosen = fewer_rows(frame, schema, 7, seed=0)
    assert len(chosen) == 6 and chosen["who"].value_counts().eq(3).all()
    assert len(fewer_rows(frame, Schema(schema.modalities, Label("y")), 7, seed=0)) == 7
    assert len(fewer_rows(frame, schema, 100, seed=0)) == 12


def test_no_ensemble_has_the_name_of_a_fusion():
    assert not set(ENSEMBLES) & set(FUSIONS)


def test_other_data_or_another_backend_are_not_mixed_with_these(results, config, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(config.out, out)
    changed = pd.read_csv(config.data.data)
    changed.loc[0, "left"] += 1
    changed.to_csv(tmp_path / "rows.csv", index=False)
    data = dataclasses.replace(config.data, data=tmp_path / "rows.csv")
    with pytest.raises(ValueError, match=r"other settings: about\.data"):
        compare(dataclasses.replace(config, out=out, data=data))
    with pytest.raises(ValueError, match=r"about\.backend: 'tensorflow', now 'jax'"):
        compare(dataclasses.replace(config, out=out, vectorized=True, workers=1))


def test_a_comparison_in_which_everything_has_failed_can_be_tried_again(tmp_path):
    pd.DataFrame({"encoders": [""], "model": ["concat"], "seed": [0], "error": ["no"]}).to_csv(
        tmp_path / "results.csv", index=False
    )
    assert len(_finished(tmp_path / "results.csv")) == 0


def test_rows_with_unreadable_cells_are_left_out_for_all_models_alike(tmp_path):
    """Each modality has a broken cell of its own; both rows go, for every model."""
    pictures = [f"{row}.png" for row in range(40)]
    for row, name in enumerate(pictures):
        PIL.Image.new("L", (8, 8), 200 * (row % 2)).save(tmp_path / name)
    (tmp_path / "3.png").write_bytes(b"broken")
    frame = pd.DataFrame(
        {"one": pictures, "two": pictures[::-1], "y": ["a", "b"] * 20, "part": "train"}
    )
    frame.loc[20:, "part"] = "test"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    schema = Schema([Image("one"), Image("two")], Label("y"))
    schema.save(tmp_path / "schema.json")
    config = ComparisonConfig(
        data=DataConfig(
            data=tmp_path / "rows.csv", schema=tmp_path / "schema.json", split_column="part"
        ),
        validation=0.2,
        settings=Settings(on_error="skip", image=ImageSettings(size=(8, 8))),
    )
    models = [prepare(config, tmp_path, "", modality)[1] for modality in (None, "one", "two")]
    for part in ("train", "validation", "test"):
        indices = [pipelines[part].frame.index.tolist() for pipelines in models]
        assert indices[0] == indices[1] == indices[2]
    assert len(models[0]["test"]) == 19
    assert len(np.load(tmp_path / ROWS)["test"]) == 19


@pytest.mark.slow
def test_texts_as_targets_are_compared_by_their_own_figure(config, tmp_path):
    rows = pd.read_csv(config.data.data)
    rows["said"] = np.where(rows["left"] > 0, "a b", "c")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    schema = Schema(
        [Tabular("one", ("left",)), Tabular("two", ("right",))], Text("said", judged_by="cer")
    )
    schema.save(tmp_path / "schema.json")
    own = dataclasses.replace(
        config,
        data=DataConfig(data=tmp_path / "rows.csv", schema=tmp_path / "schema.json"),
        fusions=("concat", "ensemble_mean"),
        seeds=1,
        floor="auto",
        out=tmp_path / "out",
        results=None,
        settings=dataclasses.replace(
            config.settings,
            model=dataclasses.replace(
                config.settings.model,
                decoder="text",
                decoder_options={"dim": 8, "num_heads": 1, "num_layers": 1, "ff_dim": 8},
            ),
        ),
    )
    results = compare(own)
    assert sorted(results["model"]) == ["concat", "one", "two"]  # nothing to average
    np.testing.assert_allclose(results["score"], results["character_accuracy"])
    assert "character accuracy" in (own.out / "comparison.md").read_text()
