"""The rows of an experiment, the same for every model, seed and process."""

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.rows import drop_unreadable, open_fold, open_rows
from mmkeras.experiment.settings import Settings
from mmkeras.schema import Schema, Tabular


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
    return DataConfig(data=tmp_path / "own.csv", target="label", split_column="part")


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
