import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.tables.clean import clean_table, group_equal_rows
from mmkeras.schema import Image, Number, Schema, Tabular, Text


def test_cleaning_drops_holes_and_exact_duplicates_and_says_so():
    schema = Schema([Image("photo"), Text("caption")], target="label")
    grey, white = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    frame = pd.DataFrame(
        {
            "photo": [grey, grey.copy(), white, grey, None, None],
            "caption": ["x", "x", "x", "x", "x", "x"],
            "label": [1, 1, 1, 2, 1, 1],
            "note": list("abcdef"),
        },
        index=list("uvwxyz"),
    )
    clean, report = clean_table(frame, schema, drop_duplicates=True)
    assert clean.index.tolist() == ["u", "w", "x", "y"]
    assert (report.rows, report.kept, report.duplicates) == (6, 4, ("v", "z"))
    assert str(report) == "Kept 4 of 6 rows. Dropped rows equal to an earlier row: 2 (index v, z)."

    clean, report = clean_table(frame, schema, drop_holes=True, drop_duplicates=True)
    assert clean.index.tolist() == ["u", "w", "x"]
    assert report.holes == ("y", "z")
    assert "Dropped rows with an empty input: 2 (index y, z)" in str(report)

    clean, report = clean_table(frame, schema)
    assert len(clean) == 6
    assert str(report).startswith(
        "Kept 6 of 6 rows. Rows equal to an earlier row, which are kept: 2 (index v, z)."
    )
    with pytest.raises(ValueError, match="All 2 rows have holes"):
        clean_table(frame.loc[["y", "z"]], schema, drop_holes=True)


def test_rows_without_a_target_are_dropped_on_demand_and_counted():
    schema = Schema([Text("caption")], target=Number("price"))
    frame = pd.DataFrame({"caption": ["a", "b", "c"], "price": [1.0, np.nan, 2.0]})
    clean, report = clean_table(frame, schema, drop_unlabelled=True)
    assert clean.index.tolist() == [0, 2]
    assert str(report) == "Kept 2 of 3 rows. Dropped rows without a target: 1 (index 1)."


def test_equal_rows_and_those_of_a_group_stay_together():
    frame = pd.DataFrame(
        {"size": [1.0, 2.0, 1.0, 3.0, 2.0], "site": list("aabbc"), "label": list("xyyxx")}
    )
    schema = Schema([Tabular("table", numeric=("size",))], target="label")
    table, grouped = group_equal_rows(frame, schema)
    assert table[grouped.group].tolist() == ["0", "1", "0", "2", "1"]
    table, grouped = group_equal_rows(frame, dataclasses.replace(schema, group="site"))
    # 1.0 links the sites a and b, 2.0 the sites a and c.
    assert table[grouped.group].nunique() == 1
