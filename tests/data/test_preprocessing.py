import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import ImageSettings, TabularSettings, TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.files import write_json
from mmkeras.schema import Labels, Number, Schema, Text


def test_fitting_sees_the_training_rows_only(small_table):
    frame, schema = small_table
    train, test = frame[:40], frame[40:].copy()
    before = fit_preprocessing(train, schema).to_dict()
    test["note"] = "unheard words"
    test["warmth"] = 1e9
    assert fit_preprocessing(train, schema).to_dict() == before
    fitted = fit_preprocessing(train, schema)
    assert "unheard" not in fitted.modalities["note"].vocabulary
    np.testing.assert_allclose(fitted.modalities["facts"].mean["warmth"], train["warmth"].mean())


def test_everything_fitted_survives_json(small_table, tmp_path):
    frame, schema = small_table
    settings = {
        "picture": ImageSettings(size=(8, 10), channels=1, scaling="standardize", flip=True),
        "note": TextSettings(representation="tokens", stop_words=("over", "the")),
        "facts": TabularSettings(max_categories=2),
    }
    fitted = fit_preprocessing(frame, schema, settings)
    fitted.save(tmp_path / "p.json")
    assert Preprocessing.load(tmp_path / "p.json") == fitted
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]


def test_saving_that_fails_leaves_the_old_file_whole(small_table, tmp_path, monkeypatch):
    fitted = fit_preprocessing(*small_table)
    fitted.save(tmp_path / "p.json")

    write = Path.write_bytes

    def full_disk(path, contents):
        write(path, contents[:9])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        fitted.save(tmp_path / "p.json")
    assert Preprocessing.load(tmp_path / "p.json") == fitted
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]


def test_json_files_have_null_for_what_is_no_number(tmp_path):
    data = {"a": float("nan"), "b": [np.float32("inf"), np.int64(3)], "c": {"d": (1.5, True)}}
    write_json(tmp_path / "m.json", data)
    expected = {"a": None, "b": [None, 3], "c": {"d": [1.5, True]}}
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == expected


def test_targets_of_each_task():
    frame = pd.DataFrame(
        {"t": ["u", "v", "w"], "one": [2, 1, 2], "many": ["a|b", "b", "c"], "y": [1.0, 2.0, 6.0]}
    )
    one = fit_preprocessing(frame, Schema([Text("t")], "one")).task
    np.testing.assert_array_equal(one.encode(frame), [[0, 1], [1, 0], [0, 1]])
    assert one.decode(one.encode(frame)).tolist() == ["2", "1", "2"]
    many = fit_preprocessing(frame, Schema([Text("t")], Labels("many"))).task
    np.testing.assert_array_equal(many.encode(frame), [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert many.decode(many.encode(frame)).tolist() == ["a|b", "b", "c"]
    number = fit_preprocessing(frame, Schema([Text("t")], Number("y"))).task
    np.testing.assert_allclose(number.encode(frame).mean(), 0, atol=1e-6)
    np.testing.assert_allclose(number.decode(number.encode(frame)), frame["y"], rtol=1e-6)


def test_a_label_that_training_never_saw_is_an_error_that_names_it():
    train = pd.DataFrame({"t": ["u", "v"], "label": ["a", "b"]})
    fitted = fit_preprocessing(train, Schema([Text("t")], "label"))
    with pytest.raises(ValueError, match=r"^index 41, column 'label'.*'c'.*Merge rare classes"):
        fitted.task.encode(pd.DataFrame({"label": ["a", "c"]}, index=[7, 41]))


def test_an_empty_multilabel_cell_means_none_of_the_labels(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("t,tags\nu,red|round\nv,\nw,red\n", encoding="utf-8")
    schema = Schema([Text("t")], Labels("tags"))
    frame = read_table(path, schema)
    fitted = fit_preprocessing(frame, schema).task
    assert fitted.classes == ("red", "round")
    np.testing.assert_array_equal(fitted.encode(frame), [[1, 1], [0, 0], [1, 0]])
    assert fitted.decode(fitted.encode(frame)).tolist() == ["red|round", "", "red"]


def test_an_empty_class_cell_is_an_error_that_names_its_row():
    frame = pd.DataFrame({"t": ["u", "v", "w"], "label": ["a", None, "b"]}, index=[5, 6, 7])
    with pytest.raises(ValueError, match="index 6: the target 'label' is empty"):
        fit_preprocessing(frame, Schema([Text("t")], "label"))


def test_wrong_settings_are_refused(small_table):
    frame, schema = small_table
    with pytest.raises(ValueError, match="unknown modalities"):
        fit_preprocessing(frame, schema, {"sound": TextSettings()})
    with pytest.raises(ValueError, match="takes ImageSettings"):
        fit_preprocessing(frame, schema, {"picture": TextSettings()})
    with pytest.raises(ValueError, match="nothing to tell apart"):
        fit_preprocessing(frame.assign(when="day"), schema)
    for make in (
        lambda: ImageSettings(size=(0, 4)),
        lambda: ImageSettings(channels=2),
        lambda: ImageSettings(crop=1.5),
        lambda: ImageSettings(background=256),
        lambda: ImageSettings(background=-1),
        lambda: ImageSettings(rotation=-5.0),
        lambda: TextSettings(characters=1),
        lambda: TextSettings(characters=-1),
        lambda: TextSettings(representation="embedding"),
        lambda: TextSettings(vocabulary_size=0),
        lambda: TextSettings(representation="tokens", ngrams=2),
    ):
        with pytest.raises(ValueError):
            make()


def test_a_modality_without_a_single_usable_cell_is_an_error():
    frame = pd.DataFrame({"t": [None, None], "u": ["x", "y"], "label": ["a", "b"]})
    with pytest.raises(ValueError, match="No training row has the modality 't'"):
        fit_preprocessing(frame, Schema([Text("t"), Text("u")], "label"))


FILTERED = {
    "facts": TabularSettings(filter="mutual_information", keep=1),
    "note": TextSettings(filter="mutual_information", keep=0.5),
}


def test_a_filter_keeps_what_says_something_and_is_saved(small_table, tmp_path, capsys):
    frame, schema = small_table
    fitted = fit_preprocessing(frame, schema, FILTERED)
    facts, note = fitted.modalities["facts"], fitted.modalities["note"]
    assert facts.left_out == ("place",) and fitted.inputs["facts"].shape == (1,)
    assert {"sun", "moon"} <= set(note.vocabulary) and "hill" not in note.vocabulary
    assert len(note.vocabulary) == 9 == fitted.inputs["note"].shape[0] == len(note.idf)
    said = capsys.readouterr().out
    assert "leaves out ['place']" in said and "keeps 9 of 18 terms" in said
    fitted.save(tmp_path / "preprocessing.json")
    again = Preprocessing.load(tmp_path / "preprocessing.json")
    whole = fit_preprocessing(frame, schema)
    batches = [next(iter(Pipeline(frame, each).evaluate()))[0] for each in (fitted, again, whole)]
    for name in schema.names:
        np.testing.assert_array_equal(batches[0][name], batches[1][name])
    # What is kept is what it was without a filter.
    np.testing.assert_array_equal(batches[0]["facts"][:, 0], batches[2]["facts"][:, 0])


def test_a_filter_without_a_target_or_without_effect_is_refused(small_table):
    frame, schema = small_table
    unlabelled = Schema(schema.modalities, None)
    with pytest.raises(ValueError, match="only 'variance' is possible"):
        fit_preprocessing(frame, unlabelled, FILTERED)
    by_variance = {"note": TextSettings(filter="variance", keep=3)}
    assert len(fit_preprocessing(frame, unlabelled, by_variance).modalities["note"].vocabulary) == 3
    for wrong, words in (
        ({"keep": 3}, "no effect without a `filter`"),
        ({"filter": "l1"}, "`filter` needs `keep`"),
        ({"filter": "best", "keep": 3}, "A filter is one of"),
    ):
        for settings in (TextSettings, TabularSettings):
            with pytest.raises(ValueError, match=words):
                settings(**wrong)
