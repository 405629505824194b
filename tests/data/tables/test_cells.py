import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import label_names, label_sets, missing_cells
from mmkeras.schema import Image, Schema, Tabular, Text


def test_label_names_survive_upcasting_and_are_idempotent():
    names = label_names(pd.Series([3, None, 4.0], index=[5, 6, 7]))
    assert names.tolist() == ["3", None, "4"]
    assert names.index.tolist() == [5, 6, 7]
    assert label_names(names).tolist() == names.tolist()
    assert label_names(pd.Series([0.5, 2], dtype="float32")).tolist() == ["0.5", "2"]
    assert label_names(pd.Series(["007", "NA", "3.0"])).tolist() == ["007", "NA", "3.0"]
    assert label_names(pd.Series(["b", "a"], dtype="category")).tolist() == ["b", "a"]
    assert label_names(pd.Series([True, None], dtype="boolean")).tolist() == ["True", None]


def test_label_sets_are_split_at_the_separator():
    assert label_sets(pd.Series(["red|round", None])) == [("red", "round"), ()]


def test_missing_cells_are_counted_per_modality():
    schema = Schema(
        [Image("photo"), Text("caption"), Tabular("table", ["age"], ["colour"])], target="label"
    )
    frame = pd.DataFrame(
        {
            "photo": [b"x", None, b"y"],
            "caption": ["x", "y", ""],
            "age": [1, np.nan, np.nan],
            "colour": ["red", None, "blue"],
            "label": list("aba"),
        },
        index=[3, 4, 5],
    )
    expected = pd.DataFrame(
        {
            "photo": [False, True, False],
            "caption": [False, False, True],
            "table": [False, True, False],
        },
        index=[3, 4, 5],
    )
    pd.testing.assert_frame_equal(missing_cells(frame, schema), expected)
