"""Boxes in cells: all their forms are read to one, and what is wrong is named by row."""

import json

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.tables.read import TableError, read_table
from mmkeras.data.tables.written.boxes import parse_boxes, read_boxes, written_boxes
from mmkeras.schema import Boxes, Image, Schema

PIXELS = np.zeros((20, 30, 3), np.uint8)
ONE = "[[1, 2.5, 3, 4]]"


def schema(several=True):
    return Schema([Image("picture")], target=Boxes("where", several=several))


def table(cells):
    frame = pd.DataFrame({"picture": [PIXELS] * len(cells)})
    frame["where"] = pd.Series(cells, dtype=object)
    return frame


@pytest.mark.parametrize(
    "cell",
    [
        [1, 2.5, 3, 4],
        (1, np.float32(2.5), np.int64(3), 4),
        [[1, 2.5, 3, 4]],
        [{"box": [1, 2.5, 3, 4]}],
        {"box": np.array([1, 2.5, 3, 4]), "label": None},
        np.array([1, 2.5, 3, 4]),
        np.array([[1, 2.5, 3, 4]]),
        np.array([np.array([1, 2.5, 3, 4]), None], dtype=object)[:1],
        "[1, 2.5, 3, 4]",
        "[[1.0, 2.5, 3.0, 4.0]]",
        " [{'box': [1, 2.5, 3, 4]}] ",
        "[[1.  2.5 3.  4. ]]",
    ],
)
def test_all_forms_of_a_box_are_read_to_one_text(cell):
    assert written_boxes(parse_boxes(cell)) == ONE
    for several in (False, True):
        assert read_table(table([cell]), schema(several))["where"].tolist() == [ONE]


def test_labels_and_empty_lists_survive_files(tmp_path):
    cells = [[{"box": [1, 2, 3, 4], "label": "7"}, {"box": [5, 6, 7, 8], "label": "cät"}], [], "[]"]
    read = read_table(table(cells), schema())
    assert [len(json.loads(cell)) for cell in read["where"]] == [2, 0, 0]
    assert [box.label for box in parse_boxes(read["where"][0])] == ["7", "cät"]
    again = read_table(read, schema())
    assert again["where"].tolist() == read["where"].tolist()
    for name, write in (("t.csv", "to_csv"), ("t.parquet", "to_parquet")):
        stored = pd.DataFrame({"picture": ["a.png"] * 3, "where": cells[:2] + [[]]})
        (tmp_path / "a.png").write_bytes(b"not looked at")
        getattr(stored, write)(tmp_path / name, index=False)
        assert read_table(tmp_path / name, schema())["where"].tolist() == read["where"].tolist()


@pytest.mark.parametrize(
    "cell, why",
    [
        ("left", "is not a list of boxes"),
        (7, "is not a list of boxes"),
        ([1, 2, 3], "is not a box of four numbers"),
        ([[1, 2, 3, "4"]], "is not a box of four numbers"),
        ([[1, 2, 3, True]], "is not a box of four numbers"),
        ([[1, 2, 3, 4], [1, 2]], "box 2 of 2"),
        ([{"bbox": [1, 2, 3, 4]}], "unknown keys"),
        ([1, 2, float("nan"), 4], "NaN or infinite"),
        ("[1, 2, Infinity, 4]", "NaN or infinite"),
        ([1, 2, -3, 4], "width and height"),
        ([1, 2, 3, 0], "width and height"),
        (None, "the target is empty"),
        (" ", "the target is empty"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(cell, why):
    with pytest.raises(TableError, match=f"row 2, column 'where'.*{why}"):
        read_table(table([ONE, cell]), schema())


def test_one_box_means_exactly_one():
    for cell in ("[]", [[1, 2, 3, 4], [5, 6, 7, 8]]):
        with pytest.raises(TableError, match=r"row 2, .*boxes; give one.*several=True"):
            read_table(table([ONE, cell]), schema(several=False))


def test_either_all_boxes_have_labels_or_none():
    labelled = {"box": [1, 2, 3, 4], "label": "cat"}
    _, problems = read_boxes(pd.Series([[labelled], [labelled, [1, 2, 3, 4]], []]), "boxes")
    assert [row for row, _ in problems] == [2] and "row 1 has one with" in problems[0][1]
