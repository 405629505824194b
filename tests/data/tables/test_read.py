import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import TableError, read_raw, read_table
from mmkeras.experiment.data_config import DataConfig
from mmkeras.schema import Image, Labels, Number, Schema, Tabular, Text

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
SCHEMA = Schema(
    [Image("photo"), Text("caption"), Tabular("table", numeric=["age"], categorical=["colour"])],
    target="label",
    id="id",
)
HEADER = "id,photo,caption,age,colour,label,note\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PNG)
    return tmp_path


def write(folder, rows, name="data.csv", header=HEADER):
    path = folder / name
    path.write_text(header + rows, encoding="utf-8")
    return path


def problems_of(source, schema=SCHEMA, **options):
    with pytest.raises(TableError) as error:
        read_table(source, schema, **options)
    return error.value.problems


def test_csv_cells_stay_what_they_are_and_paths_become_absolute(folder):
    path = write(folder, '007,a.png,NA,3,None,001,x\n8,b.png,"null, void",NA,red,2,\n')
    frame = read_table(path, SCHEMA)
    assert frame["id"].tolist() == ["007", "8"]
    assert frame["photo"].tolist() == [str(folder / "a.png"), str(folder / "b.png")]
    assert frame["caption"].tolist() == ["NA", "null, void"]
    assert frame["colour"].tolist() == ["None", "red"]
    assert frame["label"].tolist() == ["001", "2"]
    assert frame["age"].dtype == "float64"
    assert frame["age"][0] == 3 and np.isnan(frame["age"][1])
    assert frame["note"][0] == "x" and pd.isna(frame["note"][1])


def test_holes_become_none(folder):
    path = write(folder, "1,,a cat,1,red,cat,\n2,a.png,  ,,,dog,\n3,a.png,text,2\n")
    frame = read_table(path, SCHEMA, require_target=False)
    assert frame["photo"][0] is None
    assert frame["caption"][1] is None
    assert frame["colour"][1] is None and frame["colour"][2] is None
    assert np.isnan(frame["age"][1])


def test_all_problems_are_reported_at_once_with_file_row_and_column(folder):
    path = write(
        folder,
        "1,a.png,one,1,red,cat,\n"
        "2,gone.png,two,abc,red,,\n"
        "1,b.png,three,inf,blue,dog,\n"
        ",b.png,four,1_000,blue,dog,\n"
        "5,,,,,dog,\n",
    )
    assert problems_of(path) == [
        f"data.csv, row 2, column 'photo': file not found: {folder / 'gone.png'}",
        "data.csv, row 2, column 'age': 'abc' is not a number",
        "data.csv, row 3, column 'age': 'inf' is infinite; leave the cell empty or give a finite "
        "number",
        "data.csv, row 4, column 'age': '1_000' is not a number",
        "data.csv, row 2, column 'label': the target is empty",
        "data.csv, row 3, column 'id': the id '1' is already in row 1",
        "data.csv, row 4, column 'id': the id is empty",
        "data.csv, row 5: all inputs are empty ('photo', 'caption', 'age', 'colour')",
    ]


def test_missing_columns_come_with_a_suggestion(folder):
    path = write(folder, "a.png,hello\n", header="Photo,label_\n")
    problems = problems_of(path, Schema([Image("photo")], target="label"))
    assert problems == [
        "data.csv: no column 'photo' (did you mean 'Photo'?). The table has ['Photo', 'label_']",
        "data.csv: no column 'label' (did you mean 'label_'?). The table has ['Photo', 'label_']",
    ]


def test_the_message_shows_twenty_problems_and_counts_the_rest(folder):
    rows = "".join(f"{i},missing{i}.png,text,1,red,cat,\n" for i in range(30))
    with pytest.raises(TableError) as error:
        read_table(write(folder, rows), SCHEMA)
    assert len(error.value.problems) == 31
    assert "none of 30 files is there" in error.value.problems[0]
    message = str(error.value)
    assert "31 problems" in message
    assert len(message.splitlines()) == 22
    assert message.endswith("... and 11 more")
    assert pickle.loads(pickle.dumps(error.value)).problems == error.value.problems


def test_wrong_types_are_named(folder):
    frame = pd.DataFrame(
        {
            "photo": ["a.png", 3, np.zeros((3, 8, 9)), np.zeros(4), np.array([["x"]]), PNG],
            "caption": ["fine", True, 1.5, b"bytes", "fine", None],
            "label": ["a", b"b", ["c"], "d", "e", "f"],
        }
    )
    schema = Schema([Image("photo"), Text("caption")], target="label")
    text = "\n".join(problems_of(frame, schema, base_dir=folder))
    for expected in (
        "DataFrame, row 2, column 'photo': 3 is not an image",
        "row 3, column 'photo': an array of shape (3, 8, 9) has its channels first",
        "row 4, column 'photo': an array of shape (4,)",
        "row 5, column 'photo': an array of shape (1, 1)",
        "row 2, column 'caption': True is a number, not a text",
        "row 3, column 'caption': 1.5 is a number, not a text",
        "row 4, column 'caption': b'bytes' (bytes) is not a text",
        "row 2, column 'label': b'b' (bytes) is not a label",
        "row 3, column 'label': ['c'] (list) is not a label",
    ):
        assert expected in text
    assert len(text.splitlines()) == 9


def test_arrays_that_are_no_images_are_all_found():
    odd = np.zeros((2, 2))
    odd[0, 0] = np.nan
    arrays = [np.zeros((2, 2), bool), np.full((2, 2), 200.0), np.zeros((4, 4, 2)), odd]
    arrays += [np.full((2, 2), -1), np.full((2, 2), 255), np.ones((2, 2, 4), np.float16)]
    frame = pd.DataFrame({"photo": arrays, "label": list("ababaab")})
    assert problems_of(frame, Schema([Image("photo")], target="label")) == [
        "DataFrame, row 2, column 'photo': an array of floats from 200 to 200 is not an image; "
        "floats are in [0, 1]: divide by 255, or convert to uint8",
        "DataFrame, row 3, column 'photo': an array of shape (4, 4, 2) has 2 channels; give 1 "
        "(grey), 3 (colour) or 4 (colour and transparency)",
        "DataFrame, row 4, column 'photo': an array with NaN or infinite pixels is not an image; "
        "fill or drop them",
        "DataFrame, row 5, column 'photo': an array of integers from -1 to -1 is not an image; "
        "integers are in [0, 255]",
    ]


def test_image_files_that_cannot_be_decoded_are_named(folder):
    (folder / "c.HEIC").write_bytes(b"RIFF")
    frame = pd.DataFrame({"photo": ["a.png", "c.HEIC"], "label": ["a", "b"]})
    assert problems_of(frame, Schema([Image("photo")], target="label"), base_dir=folder) == [
        "DataFrame, row 2, column 'photo': .heic is not read; convert to PNG or JPEG: c.HEIC"
    ]


def test_texts_that_pandas_read_as_numbers_are_those_of_the_file_where_it_has_one_form(tmp_path):
    schema = Schema([Text("caption")], target="label")
    for cells in (
        ["12", "7", "3"],
        ["12", "", "3"],
        ["a", "7", "12"],
        ["12345678901234567890"] * 3,
    ):
        frame = pd.DataFrame({"caption": cells, "extra": "z", "label": list("xyx")})
        frame.to_csv(tmp_path / "t.csv", index=False)
        expected = read_table(tmp_path / "t.csv", schema, allow_holes=True)["caption"].tolist()
        for options in ({}, {"dtype_backend": "pyarrow"}, {"dtype_backend": "numpy_nullable"}):
            frame = pd.read_csv(tmp_path / "t.csv", **options)
            if cells[0] == "a":
                assert read_table(frame, schema)["caption"].tolist() == expected
                continue
            with pytest.warns(UserWarning, match="cells are whole numbers and read as texts"):
                table = read_table(frame, schema, allow_holes=True)
            assert table["caption"].tolist() == expected


@pytest.mark.parametrize("cells", [[1.5, 2.0], [1.0, 2.0], [True, False]])
def test_a_column_of_numbers_that_a_file_may_write_in_several_ways_is_not_text(cells):
    frame = pd.DataFrame({"caption": cells, "label": ["a", "b"]})
    (problem,) = problems_of(frame, Schema([Text("caption")], target="label"))
    assert "column 'caption': holds numbers" in problem and "dtype={'caption': str}" in problem


def test_folders_addresses_and_long_texts_are_no_image_files(folder):
    cells = [".", "https://example.org/a.png", "word " * 200, "a\0b"]
    frame = pd.DataFrame({"photo": cells, "label": list("abcd")})
    problems = problems_of(frame, Schema([Image("photo")], target="label"), base_dir=folder)
    assert len(problems) == 5
    assert "a web address" in problems[2]


def test_a_dataframe_is_not_changed_and_keeps_its_index(folder):
    pixels = np.zeros((4, 4, 3), np.uint8)
    frame = pd.DataFrame(
        {
            "photo": pd.Series([pixels, folder / "a.png", PNG, None], dtype=object),
            "caption": pd.Series(["x", " ", None, "y"], dtype=object),
            "label": [1, 2, 1, 2],
            "extra": [1, 2, 3, 4],
        }
    ).set_index(pd.Index([7, 7, 8, 9]))
    before = frame.copy()
    result = read_table(frame, Schema([Image("photo"), Text("caption")], target="label"))
    pd.testing.assert_frame_equal(frame, before)
    assert result.index.tolist() == [7, 7, 8, 9]
    assert result["photo"].iloc[0] is pixels
    assert result["photo"].iloc[1] == str(folder / "a.png")
    assert result["photo"].iloc[2:].tolist() == [PNG, None]
    assert result["caption"].tolist() == ["x", None, None, "y"]
    assert result["label"].tolist() == ["1", "2", "1", "2"]
    assert result["extra"].tolist() == [1, 2, 3, 4]


def test_reading_twice_changes_nothing(folder):
    path = write(folder, "1,a.png,a cat,1,red,cat,\n2,,,2,,dog,\n")
    once = read_table(path, SCHEMA)
    pd.testing.assert_frame_equal(read_table(once, SCHEMA), once)


def test_prediction_needs_only_the_inputs(folder):
    path = write(folder, "a.png,hello\n", header="photo,caption\n")
    schema = Schema([Image("photo"), Text("caption")], target="label", id="id", group="who")
    assert len(read_table(path, schema, require_target=False)) == 1
    assert len(problems_of(path, schema)) == 3


def test_empty_group_cells_are_problems(folder):
    path = write(folder, "x,ann,a\ny,,b\n", header="caption,who,label\n")
    schema = Schema([Text("caption")], target="label", group="who")
    assert problems_of(path, schema) == ["data.csv, row 2, column 'who': the group is empty"]
    assert read_table(path, schema, require_target=False)["who"].tolist() == ["ann", None]


def test_regression_targets_are_numbers(folder):
    schema = Schema([Text("caption")], target=Number("price"))
    path = write(folder, "x,1.5\ny,cheap\nz,NA\n", header="caption,price\n")
    assert problems_of(path, schema) == [
        "data.csv, row 2, column 'price': 'cheap' is not a number",
        "data.csv, row 3, column 'price': the target is empty",
    ]
    path = write(folder, "x,1.5\ny, 2 \n", header="caption,price\n")
    assert read_table(path, schema)["price"].tolist() == [1.5, 2.0]


def test_multilabel_cells(folder):
    schema = Schema([Text("caption")], target=Labels("tags"))
    path = write(folder, "w,red| round\nx,\ny,red||round\nz,red|red\n", header="caption,tags\n")
    problems = problems_of(path, schema)
    assert [problem.split(": ")[0] for problem in problems] == [
        "data.csv, row 3, column 'tags'",
        "data.csv, row 4, column 'tags'",
    ]
    frame = pd.DataFrame({"caption": ["w", "x", "y"], "tags": [["red", "round"], [], {"red"}]})
    assert read_table(frame, schema)["tags"].tolist() == ["red|round", "", "red"]
    frame["tags"] = [["a|b"], ["c"], []]
    assert "the label 'a|b' has the separator '|'" in problems_of(frame, schema)[0]


@pytest.mark.parametrize(
    "content, expected",
    [
        ("", "the file is empty"),
        ("caption,label\n", "the table has no rows"),
        ("caption,label\na,b\nc,d,e\n", "not a well-formed table"),
        ("caption,label\na,b,c\nd,e,f\n", "not a well-formed table"),
        ("caption,label,caption\na,b,c\n", "several columns are called 'caption'"),
    ],
)
def test_malformed_files_are_table_errors(tmp_path, content, expected):
    path = write(tmp_path, content, header="")
    problems = problems_of(path, Schema([Text("caption")], target="label"))
    assert len(problems) == 1
    assert expected in problems[0] and problems[0].startswith("data.csv: ")


def test_files_that_are_not_utf8_are_table_errors(tmp_path):
    (tmp_path / "data.csv").write_bytes("caption,label\ncafé,b\n".encode("latin-1"))
    (problem,) = problems_of(tmp_path / "data.csv", Schema([Text("caption")], target="label"))
    assert "Save it as UTF-8" in problem


def test_extra_columns_keep_the_types_that_pandas_gives_them(tmp_path):
    frame = pd.DataFrame(
        {"caption": ["x", "NA"], "label": [1, 2], "n": [1.5, None], "w": ["a", "NA"]}
    )
    frame.to_csv(tmp_path / "data.csv")  # with the index, whose header is empty
    result = read_table(tmp_path / "data.csv", Schema([Text("caption")], target="label"))
    assert result.columns.tolist() == ["Unnamed: 0", "caption", "label", "n", "w"]
    assert result["caption"].tolist() == ["x", "NA"]
    assert result["n"].dtype == "float64" and result["n"][0] == 1.5
    assert result["Unnamed: 0"].tolist() == [0, 1]
    assert result["w"][0] == "a" and pd.isna(result["w"][1])


def test_tsv_byte_order_mark_and_quoted_line_breaks(tmp_path):
    path = tmp_path / "data.TSV"
    path.write_text('caption\tlabel\n"two\nlines"\ta\n\nb\t\n', encoding="utf-8-sig")
    problems = problems_of(path, Schema([Text("caption")], target="label"))
    assert problems == ["data.TSV, row 2, column 'label': the target is empty"]


def test_parquet_gives_what_the_dataframe_gives(folder):
    pytest.importorskip("pyarrow", exc_type=ImportError)
    frame = pd.DataFrame(
        {"photo": ["a.png", "b.png"], "age": [1, None], "label": [1, 2], "raw": [PNG, PNG]}
    )
    frame.to_parquet(folder / "data.parquet")
    schema = Schema([Image("photo"), Image("raw"), Tabular("t", numeric=["age"])], target="label")
    pd.testing.assert_frame_equal(
        read_table(folder / "data.parquet", schema), read_table(frame, schema, base_dir=folder)
    )


@pytest.mark.parametrize("name, separator", [("data.csv", ","), ("data.TSV", "\t")])
def test_schemas_are_inferred_from_files_of_every_kind(tmp_path, name, separator):
    rows = [["note", "size", "label"], ["a cat", "1.5", "x"], ["a, dog", "NA", "y"]]
    path = tmp_path / name
    cells = [[f'"{cell}"' for cell in row] for row in rows]
    path.write_text("\n".join(separator.join(row) for row in cells), encoding="utf-8")
    raw = read_raw(path)
    assert raw["note"].tolist() == ["a cat", "a, dog"]
    assert raw["size"][0] == 1.5 and np.isnan(raw["size"][1])
    table, schema, _ = DataConfig(data=path, target="label").load()
    assert schema.target.column == "label" and "note" in schema.columns
    assert table["note"].tolist() == ["a cat", "a, dog"]


def test_an_upper_case_parquet_file_is_read(tmp_path):
    pytest.importorskip("pyarrow", exc_type=ImportError)
    frame = pd.DataFrame({"note": ["a cat", "a dog"], "label": ["x", "y"]})
    frame.to_parquet(tmp_path / "data.PARQUET")
    schema = infer_schema(read_raw(tmp_path / "data.PARQUET")).schema
    assert len(read_table(tmp_path / "data.PARQUET", schema)) == 2


def test_raw_reading_refuses_what_it_cannot_read(tmp_path):
    (tmp_path / "data.json").write_bytes(b"[]")
    with pytest.raises(ValueError, match=r"\.csv, \.tsv, \.txt, \.parquet"):
        DataConfig(data=tmp_path / "data.json", target="label").load()
    with pytest.raises(FileNotFoundError, match=r"data\.csv"):
        read_raw(tmp_path / "data.csv")
    path = write(tmp_path, "note,label,note\na,b,c\n", header="")
    with pytest.raises(TableError, match="several columns are called 'note'"):
        read_raw(path)


def test_unknown_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv, \.tsv, \.txt, \.parquet"):
        read_table(tmp_path / "data.json", SCHEMA)
    with pytest.raises(FileNotFoundError, match=r"data\.csv"):
        read_table(tmp_path / "data.csv", SCHEMA)


def test_a_label_has_one_name_wherever_it_comes_from(folder):
    schema = Schema([Text("caption")], target="label")
    path = write(folder, "x,3\ny,True\n", header="caption,label\n")
    from_csv = read_table(path, schema)["label"].tolist()
    for three in (3, np.int64(3), 3.0, np.float32(3), "3", " 3 "):
        frame = pd.DataFrame({"caption": ["x", "y"], "label": pd.Series([three, True], dtype="O")})
        assert read_table(frame, schema)["label"].tolist() == from_csv == ["3", "True"]


def test_reading_a_table_imports_neither_tensorflow_nor_scikit_learn():
    code = (
        "import sys\n"
        "import mmkeras.data.tables.clean, mmkeras.data.tables.infer, mmkeras.data.tables.read\n"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_with_a_problem_are_left_out_on_demand_with_their_reasons(tmp_path):
    path = tmp_path / "rows.csv"
    (tmp_path / "a.png").write_bytes(b"x")
    rows = [("a.png", "1.5"), ("gone.png", "2"), ("a.png", "much"), ("", ""), ("a.png", "4")]
    pd.DataFrame(rows, columns=["photo", "size"]).to_csv(path, index=False)
    schema = Schema([Image("photo"), Tabular("table", numeric=("size",))], target="label")
    with pytest.raises(TableError, match="--on-error skip") as refused:
        read_table(path, schema, require_target=False)
    frame = read_table(path, schema, require_target=False, on_error="skip")
    assert frame.index.tolist() == [0, 4] and frame["size"].tolist() == [1.5, 4.0]
    assert frame.attrs["skipped"] == refused.value.problems
    assert [re.search(r"row (\d)", problem)[1] for problem in refused.value.problems] == list("234")
    with pytest.raises(TableError, match="no column 'label'") as refused:
        read_table(path, schema, on_error="skip")
    assert "--on-error" not in str(refused.value)


@pytest.mark.parametrize("source", [[1, 2], {"a": [1]}, None])
def test_what_is_no_table_is_refused_in_a_line(source):
    with pytest.raises(ValueError, match=r"A table is a file or a pandas.DataFrame. Received:"):
        read_table(source, SCHEMA)


def test_columns_of_several_levels_are_refused():
    columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    with pytest.raises(TableError, match="several levels"):
        read_table(pd.DataFrame([[1, 2]], columns=columns), SCHEMA)
