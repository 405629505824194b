import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.data.kinds import ImageSettings, TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.folders import FolderInUse, locked
from mmkeras.experiment.run_folder import load_model
from mmkeras.experiment.same_run import _check_same_run, is_finished
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import TARGETS, Schema, Tabular, Text
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

SETTINGS = Settings(
    model=ModelSettings(fusion="attention"),
    encoders={
        "image": Encoder("cnn", {"filters": (4, 8), "convs_per_block": 1}),
        "text": Encoder("bag_of_words", {"units": (16,)}),
    },
    training=TrainingSettings(epochs=1, batch_size=16, patience=0),
    image=ImageSettings(size=(12, 12)),
)


def thirds(frame):
    return Splits(frame[:30], frame[30:45], frame[45:])


@pytest.fixture(scope="module")
def finished(shared_table, tmp_path_factory):
    frame, schema = shared_table
    folder = tmp_path_factory.mktemp("runs") / "one"
    return train_run(thirds(frame), schema, folder, SETTINGS), frame, schema


def test_a_run_folder_has_everything(finished):
    run, _, _ = finished
    names = {path.name for path in run.path.iterdir()}
    assert {
        "config.json",
        "metrics.json",
        "history.csv",
        "predictions.parquet",
        "model.keras",
        "preprocessing.json",
        "report.md",
        "README.md",
        "pictures",
        "train",
        "validation",
        "projector_config.pbtxt",
    } <= names
    assert "checkpoint" not in names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert not [n for n in names if "tmp" in n or n.endswith((".pkl", ".pickle"))]
    pictures = {path.stem for path in (run.path / "pictures").iterdir()}
    assert pictures == {"learning_curves", "confusion", "examples", "attention"}
    config = json.loads((run.path / "config.json").read_text())
    assert config["settings"]["model"]["fusion"] == "attention"
    assert config["rows"] == {"train": 30, "validation": 15, "test": 15}
    assert config["environment"]["versions"]["keras"]


def test_the_figures_agree_with_the_saved_predictions(finished):
    run, frame, _ = finished
    predictions = run.predictions
    assert list(predictions.index) == list(frame.index[45:])
    accuracy = (predictions["true"] == predictions["predicted"]).mean()
    assert run.metrics["test"]["accuracy"] == pytest.approx(accuracy)
    probabilities = predictions[["p(day)", "p(night)"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(probabilities.max(1), predictions["confidence"])
    assert f"{accuracy:.3f}" in (run.path / "report.md").read_text()


def test_outputs_of_the_test_rows_are_read_not_predicted(finished, monkeypatch):
    run, frame, _ = finished
    again = mmkeras.Run(run.path)
    test = Pipeline(frame[45:], again.preprocessing, batch_size=16)
    predicted = test.unpad(run.model.predict(test.evaluate(), verbose=0))
    others = [
        Pipeline(frame[44:59], again.preprocessing),
        Pipeline(frame[45:].assign(when="day"), again.preprocessing),
        Pipeline(frame[45:].reset_index(drop=True), again.preprocessing),
    ]
    expected = [other.unpad(run.model.predict(other.evaluate(), verbose=0)) for other in others]
    for other, outputs in zip(others, expected, strict=True):
        np.testing.assert_array_equal(again.outputs_of(other), outputs)
    monkeypatch.setattr(mmkeras.Run, "model", None)
    again = mmkeras.Run(run.path)
    stored = again.outputs_of(test)
    assert stored.dtype == predicted.dtype
    np.testing.assert_array_equal(stored, predicted)
    with pytest.raises(AttributeError):
        again.outputs_of(others[2])


def test_a_moved_folder_predicts_on_raw_rows_as_it_did(finished, tmp_path):
    run, frame, schema = finished
    moved = mmkeras.Run(shutil.copytree(run.path, tmp_path / "elsewhere"))
    new = frame[45:].drop(columns=schema.target.column)
    predicted = moved.predict(new)
    expected = run.predictions
    assert predicted["predicted"].tolist() == expected["predicted"].tolist()
    np.testing.assert_allclose(predicted["p(day)"], expected["p(day)"], atol=1e-6)
    # Labels that were never seen do not matter when predicting.
    assert len(moved.predict(frame[45:].assign(when="noon"))) == 15


def test_rows_that_training_did_not_prepare_for_are_counted_with_the_predictions(finished):
    run, frame, _ = finished
    strange = frame[45:50].assign(note="zzz")
    with pytest.warns(UserWarning, match=r"'note': 5 of 5 cells have no word of the training"):
        predictions = run.predict(strange)
    (found,) = predictions.attrs["unprepared"]
    assert (found["column"], found["cells"], found["rows"]) == ("note", 5, 5)
    assert run.metrics["unprepared"] == []
    # The rows were given without a check of them.
    assert not (run.path / "leakage.json").exists()
    assert "were not checked for leakage" in (run.path / "report.md").read_text()


def test_a_run_that_goes_on_with_other_threads_says_so(finished, tmp_path):
    run, _, _ = finished
    now = run.config["environment"]
    assert now["threads"] >= 1 and now["processor"]
    assert f"- processor: {now['processor'][:8]}" in (run.path / "report.md").read_text()
    began = {"data": {}, "environment": {**now, "threads": 64, "processor": "another"}}
    with pytest.warns(UserWarning, match=r"threads 64, processor another and .*--threads 64 gives"):
        _check_same_run(began, {"data": {}}, now, tmp_path)
    _check_same_run(began, {"data": {}}, now, run.path)  # it has finished
    del began["environment"]["threads"], began["environment"]["processor"]  # an earlier version's
    _check_same_run(began, {"data": {}}, now, tmp_path)


def test_training_again_in_a_finished_folder_does_nothing(finished):
    run, frame, schema = finished
    before = (run.path / "model.keras").stat().st_mtime_ns
    again = train_run(thirds(frame), schema, run.path, SETTINGS)
    assert (again.path / "model.keras").stat().st_mtime_ns == before


def test_a_run_of_a_version_with_fewer_settings_of_training_is_the_same_run(finished, tmp_path):
    run, frame, schema = finished
    old = shutil.copytree(run.path, tmp_path / "old")
    config = json.loads((old / "config.json").read_text())
    del config["settings"]["training"]["watch"]
    (old / "config.json").write_text(json.dumps(config))
    assert is_finished(old, thirds(frame), schema, SETTINGS)
    assert Settings.from_dict(config["settings"]).training == SETTINGS.training


def test_a_folder_of_other_data_or_settings_is_refused(finished):
    run, frame, schema = finished
    with pytest.raises(ValueError, match="other data"):
        train_run(thirds(frame[::-1]), schema, run.path, SETTINGS)
    with pytest.raises(ValueError, match="other settings"):
        train_run(thirds(frame), schema, run.path, Settings())


def test_a_folder_in_which_another_run_is_trained_is_refused(shared_table, tmp_path):
    frame, schema = shared_table
    with locked(tmp_path), pytest.raises(FolderInUse, match=r"is in use by process \d+"):
        train_run(thirds(frame), schema, tmp_path, SETTINGS)
    assert not (tmp_path / "config.json").exists()


def test_an_unfinished_folder_is_no_run(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="not the folder of a finished run"):
        mmkeras.Run(tmp_path)


def test_tensorboard_finds_curves_settings_graph_pictures_and_embeddings(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, _, _ = finished

    def tags(folder):
        events = EventAccumulator(str(folder)).Reload()
        return events.Tags(), events

    written, events = tags(run.path)
    assert {"test/accuracy", "learning_curves", "confusion", "examples", "attention"} <= set(
        written["tensors"]
    )
    assert written["graph"]
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")
    for side in ("train", "validation"):
        assert {"epoch/loss", "epoch/accuracy"} <= set(tags(run.path / side)[0]["tensors"])
    vectors = np.loadtxt(run.path / "embedding.tsv", delimiter="\t")
    labels = (run.path / "embedding_labels.tsv").read_text().splitlines()
    assert len(vectors) == len(labels) - 1 == 15


def test_only_a_model_file_inside_the_folder_is_loaded(finished, tmp_path):
    run, _, _ = finished
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "model.keras").symlink_to(run.path / "model.keras")
    with pytest.raises(FileNotFoundError, match="must be a file in"):
        load_model(linked)
    shutil.copy(run.path / "model.keras", linked / "other.h5")
    (linked / "model.keras").unlink()
    (linked / "model.keras").symlink_to(linked / "other.h5")
    with pytest.raises(FileNotFoundError, match="must be a file in"):
        load_model(linked)
    (tmp_path / "directory" / "model.keras").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="must be a file in"):
        load_model(tmp_path / "directory")


def test_rows_with_holes_train_and_predict(shared_table, tmp_path):
    frame, schema = shared_table
    frame = frame.copy()
    frame.loc[frame.index[::7], "note"] = None
    for row in frame.index[1::9]:
        frame.at[row, "picture"] = None
    run = train_run(thirds(frame), schema, tmp_path / "holes", SETTINGS)
    assert "present" in run.model.input
    assert run.predict(frame[:10]).notna().all(axis=None)


@pytest.mark.parametrize("task", ["number", "labels"])
def test_the_other_tasks_train_report_and_predict(shared_table, tmp_path, task):
    frame, _ = shared_table
    column = {"number": "warmth", "labels": "tags"}[task]
    frame = frame.assign(
        tags=[f"{when}|{place}" for when, place in zip(frame["when"], frame["place"], strict=True)]
    )
    schema = Schema(
        [Text("note"), Tabular("facts", categorical=("place", "when"))], TARGETS[task](column)
    )
    run = train_run(thirds(frame), schema, tmp_path / task, SETTINGS)
    predictions = run.predict(frame[:5])
    if task == "number":
        assert run.metrics["test"]["rmse"] < 3 * frame["warmth"].std()
        assert abs(predictions["predicted"].mean() - frame["warmth"].mean()) < 15
    else:
        assert set(predictions.columns) >= {"predicted", "p(day)", "p(north)"}
    assert (run.path / "report.md").read_text().startswith(f"# {column} from note, facts")


def test_settings_survive_json():
    text = json.dumps(SETTINGS.to_dict())
    assert Settings.from_dict(json.loads(text)) == SETTINGS
    with pytest.raises(ValueError, match=r"Settings have no .*sound"):
        Settings.from_dict({**json.loads(text), "sound": {}})


def test_a_run_needs_training_and_test_rows(shared_table, tmp_path):
    frame, schema = shared_table
    with pytest.raises(ValueError, match="no test rows"):
        train_run(Splits(frame[:30], frame[30:], frame[:0]), schema, tmp_path / "r", SETTINGS)


def test_class_names_with_formula_characters_and_a_mixed_index_are_fine(shared_table, tmp_path):
    frame, _ = shared_table
    frame = frame.assign(when=np.where(frame["when"] == "day", "$5_$", "a^b"))
    frame.index = [row if row % 2 else f"r{row}" for row in range(len(frame))]
    schema = Schema([Text("note")], "when")
    run = train_run(thirds(frame), schema, tmp_path / "r", SETTINGS)
    assert list(run.predictions.index[:2]) == ["45", "r46"]


def test_self_attention_reads_texts_of_any_allowed_length(shared_table, tmp_path):
    frame, _ = shared_table
    frame = frame.assign(note=frame["note"] + " word" * 600)
    settings = dataclasses.replace(
        SETTINGS,
        encoders={"text": Encoder("self_attention")},
        training=TrainingSettings(epochs=1),
        text=TextSettings(max_length=550),
    )
    run = train_run(thirds(frame), Schema([Text("note")], "when"), tmp_path / "r", settings)
    assert len(run.predictions) == 15


def test_predictions_of_integer_classes_are_their_names(tmp_path):
    frame = pd.DataFrame({"t": ["low", "high"] * 20, "n": [3, 7] * 20})
    schema = Schema([Text("t")], "n")
    run = train_run(Splits(frame[:20], frame[20:30], frame[30:]), schema, tmp_path / "r", SETTINGS)
    assert set(run.predictions["true"]) == {"3", "7"} >= set(run.predictions["predicted"])
