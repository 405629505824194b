import numpy as np
import pandas as pd
import pytest

from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.schema import Schema, Tabular


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
