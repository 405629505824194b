import json

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.cells import label_names
from mmkeras.data.tables.names import KnownNames, canonical_names
from mmkeras.data.tables.read import read_table
from mmkeras.schema import Image, Label, Labels, Schema, Tabular, Text

# What a CSV file says in its cells; the other side is what pandas.read_csv makes of the same file.
COLUMNS = {
    "booleans": ["true", "false", "TRUE", "true", "false", "false"],
    "booleans with holes": ["true", "", "false", "true", "", "false"],
    "postcodes": ["01234", "20095", "01234", "20095", "01234", "20095"],
    "whole floats": ["3.0", "4.0", "3.0", "5", "4.0", "3.0"],
    "integers with holes": ["3", "", "4", "3", "", "4"],
    "large integers with holes": [f"{10**19}", "", "99", f"{10**19}", "", "9"],
    "powers": ["1e3", "2e3", "1e3", "2e3", "1e3", "2e3"],
    "words with numbers": ["3.0", "x", "3.0", "x", "7", "7"],
    "negative": ["-1", "-2.0", "-1", "-2.0", "-1", "3"],
    "missing words": ["a", "NA", "a", "b", "b", "a"],
}


def doors(tmp_path, cells):
    """The same table from a CSV file and as pandas reads that, on several backends of pandas."""
    path = tmp_path / "table.csv"
    frame = pd.DataFrame({"flag": cells, "size": 1.5, "label": list("xyxyxy")})
    frame.to_csv(path, index=False)
    frame = pd.read_csv(path)
    yield path
    yield frame
    yield frame.convert_dtypes()
    yield pd.read_csv(path, dtype_backend="pyarrow")
    yield frame.assign(flag=frame["flag"].astype("category"))


@pytest.mark.parametrize("cells", COLUMNS.values(), ids=COLUMNS)
def test_a_category_means_the_same_from_a_file_and_a_frame_in_training_and_prediction(
    tmp_path, cells
):
    columns = Tabular("table", numeric=("size",), categorical=("flag",))
    schema = Schema([columns], target="label")
    tables = [read_table(source, schema) for source in doors(tmp_path, cells)]
    expected = None
    for trained in tables:
        fitted = fit_preprocessing(trained, schema)
        fitted = Preprocessing.from_dict(fitted.to_dict())
        for table in tables:
            vectors = fitted.modalities["table"].vectors(table)
            assert not fitted.modalities["table"].unprepared(table)
            # The place for the unknown is left out: a hole in a frame may be a word in a file.
            known = vectors[:, 2:]
            same = (known[:, None] == known[None]).all(axis=-1)
            expected = same if expected is None else expected
            np.testing.assert_array_equal(same, expected)


@pytest.mark.parametrize("name", ["booleans", "postcodes", "whole floats", "powers", "negative"])
def test_a_class_means_the_same_from_a_file_and_a_frame(tmp_path, name):
    path = tmp_path / "table.csv"
    pd.DataFrame({"size": range(6), "label": COLUMNS[name]}).to_csv(path, index=False)
    schema = Schema([Tabular("table", numeric=("size",))], target=Label("label"))
    tables = [read_table(path, schema), read_table(pd.read_csv(path), schema)]
    for trained in tables:
        task = fit_preprocessing(trained, schema).task
        encoded = [task.encode(table) for table in tables]
        np.testing.assert_array_equal(encoded[0], encoded[1])
        assert task.true(tables[0]).tolist() == task.true(tables[1]).tolist()
        assert set(task.true(tables[0])) == set(task.classes)


def test_names_of_one_meaning_stay_apart_where_training_tells_them_apart():
    assert list(canonical_names(pd.Series(["007", "7"]))) == ["007", "7"]
    known = KnownNames(["007", "7", "x"])
    assert known.places(["7", "007", "7.0", "x", "y"]).tolist() == [1, 0, -1, 2, -1]


def test_numbers_too_large_for_floats_keep_all_their_digits():
    names = ["12345678901234567890", "12345678901234567891"]
    assert list(canonical_names(pd.Series(names))) == names
    assert KnownNames(names).place("1.2345678901234567e+19") == -1


def test_words_for_no_value_are_no_classes_unless_the_target_says_so(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({"size": range(4), "label": ["a", "NA", "b", "null"]}).to_csv(path, index=False)
    table = Tabular("table", numeric=("size",))
    with pytest.raises(ValueError, match=r"row 2, column 'label': the target is empty"):
        read_table(path, Schema([table], target="label"))
    with pytest.raises(ValueError, match=r"leave rows without a target out: drop_unlabelled"):
        read_table(pd.read_csv(path, keep_default_na=False), Schema([table], target="label"))
    schema = Schema([table], target=Label("label", na_is_class=True))
    assert read_table(path, schema)["label"].tolist() == ["a", "NA", "b", "null"]
    assert Schema.from_json(schema.to_json()) == schema


def test_long_numbers_are_told_apart_by_each_digit_and_found_as_floats():
    known = KnownNames(["12345678901234567", "5"])
    assert known.places(["12345678901234568", "12345678901234567", "5.0"]).tolist() == [-1, 0, 1]
    (name,) = label_names(pd.Series([12345678901234567.0]))
    assert known.place(name) == 0, "as pandas reads it in a column with holes"


def test_names_with_a_nul_are_refused_by_row():
    frame = pd.DataFrame({"c": ["a", "a\0b", "a\0c"], "label": list("xyx")})
    for kind in (Tabular("t", categorical=("c",)), Text("c")):
        with pytest.raises(ValueError, match=r"row 2, column 'c': .*NUL"):
            read_table(frame, Schema([kind], "label"))


def test_labels_have_one_form_and_dates_one_name(tmp_path):
    path = tmp_path / "table.csv"
    frame = pd.DataFrame({"note": list("abc"), "tags": ["1", "2", ""]})
    frame.to_csv(path, index=False)
    schema = Schema([Text("note")], target=Labels("tags"))
    for source in (path, pd.read_csv(path)):
        assert read_table(source, schema)["tags"].tolist() == ["1", "2", ""]
    days = pd.Series([pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01 12:00")])
    assert list(label_names(days)) == ["2020-01-01", "2020-01-01 12:00:00"]


@pytest.mark.parametrize(
    "cells", [["01", "1", "x"], ["1.1", "1.10", "2.0"], ["TRUE", "true", "x"], ["3.0", "3", "07"]]
)
def test_numbers_that_several_known_names_are_written_with_are_unknown_and_said(tmp_path, cells):
    frame = pd.DataFrame({"code": cells * 2, "size": np.arange(6.0), "label": list("xyxyxy")})
    frame.to_csv(tmp_path / "train.csv", index=False)
    schema = Schema([Tabular("t", numeric=("size",), categorical=("code",))], "label")
    of_classes = Schema([Tabular("t", numeric=("size",))], "code")
    trained = read_table(tmp_path / "train.csv", schema)
    assert trained["code"].tolist() == cells * 2, "a text file tells them apart"
    with pytest.warns(UserWarning, match=r"column 'code': .* are the same to pandas"):
        fitted = fit_preprocessing(trained, schema).modalities["t"]
    with pytest.warns(UserWarning, match=r"dtype=\{'code': str\}"):
        task = fit_preprocessing(read_table(tmp_path / "train.csv", of_classes), of_classes).task
    assert len(set(map(tuple, fitted.vectors(trained)[:, 1:]))) == 3
    rows = frame.iloc[:1]
    rows.to_csv(tmp_path / "new.csv", index=False)
    as_text = read_table(tmp_path / "new.csv", schema)
    as_number = read_table(pd.read_csv(tmp_path / "new.csv"), schema)
    for table in (as_number, as_number.iloc[:1].copy(), read_table(as_number, schema)):
        assert fitted.vectors(table)[0, 1:].tolist() == [1, 0, 0, 0]
        (found,) = fitted.unprepared(table)
        assert "may be one of several categories" in str(found) and found.cells == 1
        with pytest.raises(ValueError, match="may be any of the labels"):
            task.encode(read_table(pd.read_csv(tmp_path / "new.csv"), of_classes))
    if cells[0] not in ("3.0", "TRUE"):  # alone, these are a number and a truth value in files, too
        assert fitted.vectors(as_text)[0].tolist() == fitted.vectors(trained)[0].tolist()
        assert not fitted.unprepared(as_text)


def test_labels_that_share_a_number_are_told_apart_in_lists_too():
    schema = Schema([Text("note")], target=Labels("tags"))
    frame = pd.DataFrame({"note": list("ab"), "tags": [["01", "x"], ["1"]]})
    with pytest.warns(UserWarning, match="'01' and '1'"):
        task = fit_preprocessing(read_table(frame, schema), schema).task
    assert task.encode(read_table(frame, schema)).tolist() == [[1, 0, 1], [0, 1, 0]]
    with pytest.raises(ValueError, match=r"index 1, .* 1 may be any of the labels \['01', '1'\]"):
        task.encode(read_table(frame.assign(tags=[["x"], [1]]), schema))


def test_texts_with_half_a_character_are_refused_by_row(tmp_path):
    half = "\ud83d"
    cells = ["x", f"a {half}", "y"]
    tags = [["x"], [half], ["y"]]
    frame = pd.DataFrame({"c": cells, "label": list("xyx"), "tags": tags}, dtype=object)
    for kind in (Image("c"), Text("c"), Tabular("t", ["c"]), Tabular("t", dates=["c"])):
        with pytest.raises(ValueError, match=r"row 2, column 'c': .*has half a character"):
            read_table(frame, Schema([kind], "label"))
    schema = Schema([Text("label")], Labels("tags"))
    with pytest.raises(ValueError, match=r"row 2, column 'tags': .*has half a character"):
        read_table(frame, schema)
    assert read_table(frame, schema, on_error="skip").index.tolist() == [0, 2]
    lines = [json.dumps({"c": cell, "label": cell[0]}) for cell in [*cells, "whole \N{OWL}"]]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"t\.jsonl, row 2, column 'c': .*has half a character"):
        read_table(tmp_path / "t.jsonl", Schema([Text("c")], "label"))
    with pytest.raises(ValueError, match="Rename it"):
        Schema([Text("note", half)])
