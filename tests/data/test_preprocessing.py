import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from mmkeras.data.kinds import ImageSettings, TabularSettings, TextSettings
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.data.words import split_words
from mmkeras.files import write_json
from mmkeras.schema import Image, Labels, Number, Schema, Tabular, Text


def text_inputs(texts, **settings):
    frame = pd.DataFrame({"note": texts, "label": ["a", "b"] * (len(texts) // 2)})
    schema = Schema([Text("note")], "label")
    fitted = fit_preprocessing(frame, schema, {"note": TextSettings(**settings)})
    inputs, _ = next(iter(Pipeline(frame, fitted, batch_size=len(frame)).evaluate()))
    return fitted.modalities["note"], inputs["note"].numpy()


TEXTS = ["red apple red", "green pear", "the apple", "a red pear pear"]


def test_tfidf_is_scikit_learns():
    fitted, ours = text_inputs(TEXTS, representation="tfidf")
    reference = TfidfVectorizer(analyzer=split_words, vocabulary=fitted.vocabulary)
    np.testing.assert_allclose(ours, reference.fit_transform(TEXTS).toarray(), atol=1e-6)


def test_counts_and_binary_bags():
    fitted, counts = text_inputs(TEXTS, representation="counts")
    red = fitted.vocabulary.index("red")
    assert counts[0, red] == 2 and counts[1, red] == 0
    _, binary = text_inputs(TEXTS, representation="binary")
    assert set(np.unique(binary)) == {0.0, 1.0}


def test_vocabulary_is_the_most_frequent_words_by_number_of_texts():
    fitted, _ = text_inputs(TEXTS, vocabulary_size=3)
    assert fitted.vocabulary == ("apple", "pear", "red")  # two texts each, then by alphabet
    fitted, _ = text_inputs(TEXTS, min_count=2)
    assert set(fitted.vocabulary) == {"apple", "pear", "red"}


def test_tokens_are_padded_cut_and_unknown_words_marked():
    frame = pd.DataFrame({"note": ["one two three", "one"], "label": ["a", "b"]})
    schema = Schema([Text("note")], "label")
    settings = {"note": TextSettings(representation="tokens", max_length=2)}
    fitted = fit_preprocessing(frame, schema, settings)
    new = pd.DataFrame({"note": ["one new thing", "three"]})
    (inputs,) = next(iter(Pipeline(new, fitted).evaluate()))
    vocabulary = fitted.modalities["note"].vocabulary
    one, three = vocabulary.index("one") + 2, vocabulary.index("three") + 2
    np.testing.assert_array_equal(inputs["note"], [[one, 1, 0, 0], [three, 0, 0, 0]])
    assert fitted.inputs["note"].vocabulary_size == 5


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

    def full_disk(path, text, **options):
        path.write_bytes(text[:9].encode())
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space"):
        fitted.save(tmp_path / "p.json")
    assert Preprocessing.load(tmp_path / "p.json") == fitted
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]


def test_json_files_have_null_for_what_is_no_number(tmp_path):
    data = {"a": float("nan"), "b": [np.float32("inf"), np.int64(3)], "c": {"d": (1.5, True)}}
    write_json(tmp_path / "m.json", data)
    expected = {"a": None, "b": [None, 3], "c": {"d": [1.5, True]}}
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == expected


def test_standardized_images_have_mean_zero_and_deviation_one(small_table):
    frame, schema = small_table
    schema = schema.select(["picture"])
    fitted = fit_preprocessing(
        frame, schema, {"picture": ImageSettings(size=(12, 12), scaling="standardize")}
    )
    inputs, _ = next(iter(Pipeline(frame, fitted, batch_size=60).evaluate()))
    images = inputs["picture"].numpy()
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), 1, atol=1e-3)


def test_table_inputs_are_z_scores_indicators_and_one_hot_codes():
    frame = pd.DataFrame(
        {"age": [1.0, 3.0, np.nan], "city": ["x", "x", "y"], "label": ["a", "b", "a"]}
    )
    schema = Schema([Tabular("facts", ("age",), ("city",))], "label")
    fitted = fit_preprocessing(frame, schema)
    new = pd.DataFrame({"age": [3.0, np.nan], "city": ["y", "elsewhere"]})
    vectors = fitted.modalities["facts"].vectors(new)
    # z-score, missing; other, x, y
    np.testing.assert_array_equal(vectors, [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]])
    assert fitted.inputs["facts"].shape == (5,)


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


def test_missing_categories_need_no_unique_index():
    frame = pd.DataFrame({"city": ["x", "", "y"], "label": ["a", "b", "a"]}, index=[3, 3, 4])
    frame.iloc[1, 0] = None
    schema = Schema([Tabular("facts", (), ("city",))], "label")
    fitted = fit_preprocessing(frame, schema, presence=True).modalities["facts"]
    np.testing.assert_array_equal(fitted.vectors(frame), [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    blank = fit_preprocessing(frame.assign(city=["x", " ", "y"]), schema, presence=True)
    assert blank.modalities["facts"].categories == {"city": ("x", "y")}


def test_numbers_are_read_as_read_table_reads_them():
    frame = pd.DataFrame({"age": ["1", "NA", "3"], "label": ["a", "b", "a"]})
    schema = Schema([Tabular("facts", ("age",))], "label")
    fitted = fit_preprocessing(frame, schema, presence=True).modalities["facts"]
    assert fitted.mean == {"age": 2.0} and fitted.indicated == ("age",)
    with pytest.raises(ValueError, match="'age': '1_0' is not a number"):
        fitted.vectors(frame.assign(age=["1", "1_0", "3"]))


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


def test_image_specs_follow_the_settings():
    frame = pd.DataFrame({"i": [np.zeros((4, 4), np.uint8)] * 2, "label": ["a", "b"]})
    fitted = fit_preprocessing(
        frame, Schema([Image("i")], "label"), {"i": ImageSettings(size=(6, 5), channels=1)}
    )
    assert fitted.inputs["i"].shape == (6, 5, 1)
