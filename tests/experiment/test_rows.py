"""The rows of an experiment, the same for every model, seed and process."""

import dataclasses

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.data.leakage.check import check_leakage
from mmkeras.data.tables.errors import TableError
from mmkeras.data.tables.read import read_table
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.rows import drop_unreadable, look_at_rows, open_fold, open_rows, open_table
from mmkeras.experiment.settings import Settings
from mmkeras.schema import Schema, Tabular, Text
from tests.data.media_files import make_tar


@pytest.fixture
def data(tmp_path):
    """20 rows with two unreadable pictures, a duplicate, and a split of their own."""
    for row in range(19):
        PIL.Image.new("L", (8, 8), 10 * row).save(tmp_path / f"{row}.png")
    (tmp_path / "3.png").write_bytes(b"broken")
    (tmp_path / "17.png").write_bytes(b"broken")
    names = [f"{row}.png" for row in range(19)] + ["0.png"]
    frame = pd.DataFrame({"picture": names, "label": ["a", "b"] * 10, "part": "train"})
    frame.loc[15:, "part"] = "test"
    frame.loc[19, ["label", "part"]] = ["a", "train"]
    frame.to_csv(tmp_path / "own.csv", index=False)
    path = tmp_path / "own.csv"
    return DataConfig(data=path, target="label", split_column="part", drop_duplicates=True)


def test_rows_are_loaded_cleaned_without_unreadable_ones_and_split(data):
    rows = open_rows(data, Settings(on_error="skip"), validation=0.2, test=0.5, seed=1)
    assert rows.schema.names == ("picture",), "the split column is not an input"
    assert rows.table.index.tolist() == [i for i in range(19) if i not in (3, 17)]
    assert rows.splits.test.index.tolist() == [15, 16, 18]
    assert [len(part) for part in rows.splits] == [11, 3, 3]
    said = "\n".join(rows.messages)
    assert "schema was inferred" in said and "2 rows with unreadable files were skipped" in said
    assert "skipped: index 3, column 'picture'" in said
    again = open_rows(data, Settings(on_error="skip"), validation=0.2, test=0.5, seed=1)
    assert again.splits.train.index.tolist() == rows.splits.train.index.tolist()


def test_a_table_of_several_files_is_read_anew_once_one_of_them_has_changed(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    notes = [f"a red {n} or blue" for n in range(20)]
    members = {}
    for n, note in enumerate(notes):
        members |= {f"{n}.txt": note.encode(), f"{n}.cls": b"ab"[n % 2 :][:1]}
    make_tar(folder / "0.tar", members)
    data = DataConfig(data=folder, target="cls")
    first = open_table(data, Settings())[0]
    make_tar(folder / "0.tar", members | {"0.txt": b"a green one"})  # the folder stays as it is
    second = open_table(data, Settings())[0]
    assert first["txt"].tolist() == notes and second["txt"].tolist() == ["a green one", *notes[1:]]
    assert first["__key__"].tolist() == [str(n) for n in range(20)]


def test_unreadable_rows_stay_unless_they_are_to_be_skipped(data):
    rows = open_rows(data, Settings(), validation=0.2, test=0.5, seed=1)
    assert {3, 17} <= set(rows.table.index)


def test_folds_refuse_a_column_that_names_the_test_rows(data):
    cut = {"folds": 2, "fold": 0, "validation": 0.0, "seed": 0}
    with pytest.raises(ValueError, match=r"--split-column part .*Leave it out"):
        open_fold(data, Settings(), **cut)


def test_folds_cut_the_rows_into_parts(tmp_path):
    frame = pd.DataFrame({"x": np.arange(20) * 0.37, "label": ["a", "b"] * 10})
    frame.to_csv(tmp_path / "own.csv", index=False)
    Schema([Tabular("t", numeric=["x"])], "label").save(tmp_path / "own.json")
    data = DataConfig(data=tmp_path / "own.csv", schema=tmp_path / "own.json")
    cut = {"folds": 4, "validation": 0.2, "seed": 0}
    parts = [open_fold(data, Settings(), fold=fold, **cut).splits for fold in range(4)]
    assert sorted(row for part in parts for row in part.test.index) == list(range(20))
    assert all([len(part) for part in splits] == [12, 3, 5] for splits in parts)


def test_unreadable_images_are_left_out_before_splitting(shared_table):
    frame, schema = shared_table
    frame = frame.copy()
    frame.at[4, "picture"] = b"no picture"
    kept, messages = drop_unreadable(frame, schema, Settings())
    assert list(kept.index) == [i for i in range(60) if i != 4]
    assert len(messages) == 1 and "index 4, column 'picture'" in messages[0]


def test_equal_rows_are_observations_and_stay_unless_asked_otherwise(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 2, (200, 3)).astype(str), columns=["a", "b", "label"])
    frame.to_csv(tmp_path / "own.csv", index=False)
    data = DataConfig(data=tmp_path / "own.csv", target="label")
    shares = {"validation": 0.2, "test": 0.2, "seed": 0}
    rows = open_rows(data, Settings(), **shares)
    assert len(rows.table) == 200
    assert "Rows equal to an earlier row, which are kept: 192" in "\n".join(rows.messages)
    (overlap,) = [f for f in look_at_rows(rows) if f.check == "same row on both sides"]
    assert overlap.rows == 80 and "group_equal_rows" in overlap.message
    dropped = dataclasses.replace(data, drop_duplicates=True)
    assert len(open_rows(dropped, Settings(), **shares).table) == 8
    grouped = open_rows(dataclasses.replace(data, group_equal_rows=True), Settings(), **shares)
    kinds = [set(map(tuple, part[["a", "b"]].to_numpy())) for part in grouped.splits]
    assert not kinds[0] & kinds[2] and sum(map(len, kinds)) == 4
    assert not check_leakage(grouped.splits, grouped.schema)


@pytest.mark.parametrize("group", [None, "who"])
def test_the_recorded_schema_of_a_run_that_kept_equal_rows_together_is_read_again(tmp_path, group):
    x = np.repeat(np.arange(20) * 0.37, 2)
    frame = pd.DataFrame({"x": x, "label": ["a", "b"] * 20, "who": np.arange(40) // 4})
    frame.to_csv(tmp_path / "own.csv", index=False)
    Schema([Tabular("t", numeric=["x"])], "label", group=group).save(tmp_path / "own.json")
    shares = {"validation": 0.2, "test": 0.2, "seed": 0}
    data = DataConfig(
        data=tmp_path / "own.csv", schema=tmp_path / "own.json", group_equal_rows=True
    )
    first = open_rows(data, Settings(), **shares)
    assert first.schema.group not in frame.columns, "it is in no file"
    first.schema.save(tmp_path / "run.json")
    data = DataConfig(data=data.data, schema=tmp_path / "run.json")
    again = open_rows(data, Settings(), **shares)
    assert again.schema == first.schema and again.splits.test.equals(first.splits.test)


def test_rare_classes_and_rows_without_a_target_are_left_out_and_counted(tmp_path):
    frame = pd.DataFrame({"x": np.arange(30) * 0.37, "label": ["a", "b"] * 14 + ["c", None]})
    frame.to_csv(tmp_path / "own.csv", index=False)
    data = DataConfig(data=tmp_path / "own.csv", target="label")
    shares = {"validation": 0.2, "test": 0.2, "seed": 0}
    with pytest.raises(ValueError, match="row 30, column 'label': the target is empty"):
        open_rows(data, Settings(), **shares)
    data = dataclasses.replace(data, drop_unlabelled=True, min_class_rows=2)
    rows = open_rows(data, Settings(), **shares)
    said = "\n".join(rows.messages)
    assert "Dropped rows without a target: 1 (index 29)" in said
    assert "Dropped 1 rows of 1 classes with fewer than 2 rows: 'c' (1)." in said
    assert len(rows.table) == 28


def test_official_folds_are_tested_once_each_and_are_no_inputs(tmp_path):
    frame = pd.DataFrame({"x": np.arange(20) * 0.37, "label": ["a", "b"] * 10})
    frame["fold"] = np.repeat(["f1", "f2"], [14, 6])
    frame.to_csv(tmp_path / "own.csv", index=False)
    data = DataConfig(data=tmp_path / "own.csv", target="label", fold_column="fold")
    cut = {"folds": 5, "validation": 0.0, "seed": 0}
    parts = [open_fold(data, Settings(), fold=fold, **cut) for fold in range(2)]
    assert parts[0].schema.columns == ("x",)
    assert [len(part.splits.test) for part in parts] == [14, 6]
    with pytest.raises(ValueError, match=r"experiments/cross_validate.py"):
        open_rows(data, Settings(), validation=0.2, test=0.2, seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": "label"}, "describe your own --data"),
        ({"data": "own.csv", "schema": "own.json", "task": "label"}, "--task: the file --schema"),
        ({"rare_classes": "other"}, "--rare-classes needs --min-class-rows"),
        ({"min_class_rows": 0}, "--min-class-rows is at least 1"),
    ],
)
def test_settings_of_rows_without_effect_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        DataConfig(**wrong).load()


def test_rows_that_cannot_be_read_are_skipped_in_training_too(tmp_path):
    frame = pd.DataFrame({"x": [*map(str, np.arange(20) * 0.37)], "label": ["a", "b"] * 10})
    frame.loc[[3, 8], "x"] = "much"
    frame.loc[5, "label"] = None
    frame.to_csv(tmp_path / "own.csv", index=False)
    Schema([Tabular("t", numeric=["x"])], "label").save(tmp_path / "own.json")
    data = DataConfig(data=tmp_path / "own.csv", schema=tmp_path / "own.json")
    shares = {"validation": 0.2, "test": 0.2, "seed": 0}
    with pytest.raises(ValueError, match="--on-error skip"):
        open_rows(data, Settings(), **shares)
    rows = open_rows(data, Settings(on_error="skip"), **shares)
    assert sorted(set(range(20)) - set(rows.table.index)) == [3, 5, 8]
    assert sum(message.startswith("skipped: own.csv, row") for message in rows.messages) == 3


def test_a_column_has_one_use(tmp_path):
    frame = pd.DataFrame({"x": np.arange(20) * 0.37, "g": 1, "label": ["a", "b"] * 10})
    frame.to_csv(tmp_path / "own.csv", index=False)
    own = {"data": tmp_path / "own.csv", "target": "label"}
    with pytest.raises(ValueError, match=r"'g' cannot be the target, id, group or weight and"):
        DataConfig(**own, group="g", ignore=("g",)).load()
    with pytest.raises(ValueError, match="cannot be the group, too"):
        DataConfig(**own, group="label").load()


def test_a_flag_that_is_said_to_be_labels_is_one_label(tmp_path):
    frame = pd.DataFrame({"x": np.arange(6) * 0.3, "sold": [0, 1] * 3, "tags": ["a|b", "b"] * 3})
    frame.to_csv(tmp_path / "own.csv", index=False)
    for column, expected in (("sold", ("sold",)), ("tags", "tags")):
        data = DataConfig(data=tmp_path / "own.csv", target=column, task="labels")
        assert data.load()[1].target.column == expected


def test_a_row_without_any_input_can_be_left_out(tmp_path):
    frame = pd.DataFrame({"note": ["red", None, "blue", None], "label": ["a", "b", "b", None]})
    frame.to_csv(tmp_path / "own.csv", index=False)
    Schema([Text("note")], "label").save(tmp_path / "own.json")
    data = DataConfig(data=tmp_path / "own.csv", schema=tmp_path / "own.json")
    with pytest.raises(TableError, match=r"drop_unlabelled[^$]*drop_holes[^$]*on-error skip"):
        data.load()
    # What is dropped for one reason need not be whole otherwise.
    for options, kept in (({"drop_holes": True}, [0, 2]), ({"on_error": "skip"}, [0, 2])):
        own = {"drop_unlabelled": "drop_holes" in options} | options
        on_error = own.pop("on_error", "raise")
        table = dataclasses.replace(data, **own).load(on_error)[0]
        assert table.index.tolist() == kept
    with pytest.raises(TableError) as refused:
        dataclasses.replace(data, drop_unlabelled=True).load()
    assert len(refused.value.problems) == 1, "the fourth row is dropped anyway"


def test_skipping_is_not_advised_where_no_row_would_be_left(tmp_path):
    schema = Schema([Text("note")], "label")
    frame = pd.DataFrame({"note": ["red", "blue"], "label": [None, None]})
    for on_error in ("raise", "skip"):
        with pytest.raises(TableError) as refused:
            read_table(frame, schema, on_error=on_error)
        assert "skip" not in str(refused.value)
