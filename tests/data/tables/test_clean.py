import numpy as np
import pandas as pd
import pytest

from mmkeras.data.tables.clean import clean_table
from mmkeras.schema import Image, Schema, Text


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
    clean, report = clean_table(frame, schema)
    assert clean.index.tolist() == ["u", "w", "x", "y"]
    assert (report.rows, report.kept, report.duplicates) == (6, 4, ("v", "z"))
    assert str(report) == "Kept 4 of 6 rows. Dropped rows equal to an earlier row: 2 (index v, z)."

    clean, report = clean_table(frame, schema, drop_holes=True)
    assert clean.index.tolist() == ["u", "w", "x"]
    assert report.holes == ("y", "z")
    assert "Dropped rows with an empty input: 2 (index y, z)" in str(report)

    clean, report = clean_table(frame, schema, drop_duplicates=False)
    assert len(clean) == 6
    assert str(report) == "Kept 6 of 6 rows."
    with pytest.raises(ValueError, match="All 2 rows have holes"):
        clean_table(frame.loc[["y", "z"]], schema, drop_holes=True)
