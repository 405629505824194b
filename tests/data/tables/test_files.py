"""Files of tables of every kind, made here, read to the same cells."""

import datetime
import gzip
import io
import json
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.infer import infer_schema
from mmkeras.data.tables.read import TableError, read_raw, read_table
from mmkeras.schema import Label, Schema, Tabular, Text

FRAME = pd.DataFrame(
    {
        "note": ["a cat; black", "two, or\nthree", 'a "dog"', "NA", "x|y", "ä\tb"],
        "size": [1.5, -2.25, 1234.5, np.nan, 0.001, 7.0],
        "code": ["007", "08", "1", "2", "007", "3"],
        "label": list("xyxyxy"),
    }
)
SCHEMA = Schema([Text("note"), Tabular("t", ["size"], ["code"])], Label("label"))


def text(**options):
    return FRAME.to_csv(index=False, **options)


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", content)
    return buffer.getvalue()


def rows_of_json():
    return "\n\n".join(row.to_json(force_ascii=False) for _, row in FRAME.iterrows())


TEXTS = {
    "comma.csv": text().encode(),
    "bom.csv": text().encode("utf-8-sig"),
    "utf16.csv": text().encode("utf-16"),
    "utf16.tsv": text(sep="\t").encode("utf-16"),
    "semicolon.csv": text(sep=";").encode(),
    "decimal_commas.csv": text(sep=";", decimal=",").encode(),
    "tab.csv": text(sep="\t").encode(),
    "tab.TSV": text(sep="\t").encode(),
    "pipe.txt": text(sep="|").encode(),
    "windows.csv": text(lineterminator="\r\n").encode(),
    "packed.csv.gz": gzip.compress(text().encode()),
    "packed.csv.bz2": __import__("bz2").compress(text().encode()),
    "packed.csv.xz": __import__("lzma").compress(text().encode()),
    "packed.tsv.zip": zipped(text(sep="\t")),
    "rows.jsonl": rows_of_json().encode(),
    "rows.ndjson.gz": gzip.compress(rows_of_json().encode()),
}


@pytest.fixture(scope="module")
def expected():
    return read_table(FRAME, SCHEMA)


@pytest.mark.parametrize("name", TEXTS)
def test_text_files_of_every_kind_hold_the_same(name, tmp_path, expected):
    path = tmp_path / name
    path.write_bytes(TEXTS[name])
    table = read_table(path, SCHEMA)
    if name == "windows.csv":
        table["note"] = table["note"].str.replace("\r\n", "\n")
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    raw = read_raw(path)
    assert raw["code"].tolist() == FRAME["code"].tolist()
    np.testing.assert_array_equal(raw["size"].astype(float), FRAME["size"])


def test_parquet_files_folders_and_arrow_files_hold_the_same(tmp_path, expected):
    FRAME.to_parquet(tmp_path / "t.parquet")
    FRAME.to_feather(tmp_path / "t.feather")
    folder = tmp_path / "parts"
    folder.mkdir()
    FRAME[:4].to_parquet(folder / "0.parquet")
    FRAME[4:].to_parquet(folder / "1.parquet")
    for path in (tmp_path / "t.parquet", tmp_path / "t.feather", folder):
        table = read_table(path, SCHEMA).reset_index(drop=True)
        pd.testing.assert_frame_equal(table, expected, check_dtype=False)


REFUSED = {
    "nul.csv": (b"note,label\na\0b,x\nc,y\n", r"line 2: a NUL character"),
    "swallowed.csv": (b'note,label\n"a,x\nb,y\nc,z\n', r"row 1: .*quote"),
    "closed_later.csv": (b'note,label\n1,x\n"a,x\nb,y\nc,"z"\n', r"row 2: .*quote"),
    "closed_at_the_end.csv": (b'note,label\n"a,x\nb,y\nc,z"\n', r"row 1: a cell holds whole rows"),
    "same_column.csv": (
        b'n,note,label\n1,"abc,x\n2,24",y\n' + b"3,d,x\n4,e,y\n" * 9,
        r"row 1: a cell holds whole rows",
    ),
    "excel.csv": (b"sep=;\nnote;label\na;x\n", r"a hint for Excel; remove it"),
    "backslash.csv": (rb"note,label" b'\n"a \\"b\\" c",x\n', r"row 1: .*written twice"),
    "utf32.csv": ("note,label\na,x\n".encode("utf-32"), r"UTF-32. Save it as UTF-8"),
    "latin.csv": ("note,label\nä,x\n".encode("latin-1"), r"not UTF-8.*Save it as UTF-8"),
    "cut.csv.gz": (gzip.compress(b"note,label\na,x\n" * 99)[:-9], r"cannot be decompressed"),
    "two.zip": (b"PK", r"A table is a file that ends in"),
    "broken.csv.zip": (b"PK", r"cannot be decompressed"),
    "list.jsonl": (b'{"note": "a", "label": "x"}\n[1, 2]\n', r"line 2: not an object"),
    "half.jsonl": (b'{"note": "a", "label": "x"}\n{"note": \n', r"line 2: not JSON"),
    "empty.jsonl": (b"\n", r"the file is empty"),
    "old.xls": (b"\xd0\xcf", r"A table is a file that ends in .*\.csv"),
    "model.pkl": (b"\x80", r"A table is a file that ends in .*\.csv"),
    "damaged.parquet": (b"PAR1" + bytes(40), r"not a well-formed table"),
    "damaged.feather": (b"ARROW1" + bytes(40), r"not a well-formed table"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_not_tables_are_refused_with_the_place(name, tmp_path):
    content, expected = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    schema = Schema([Text("note")], "label")
    for read in (lambda path: read_table(path, schema), read_raw):
        with pytest.raises(ValueError, match=expected) as error:
            read(tmp_path / name)
        assert name in str(error.value)


def test_a_zip_of_two_files_an_address_and_an_empty_folder_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a,b\n")
        archive.writestr("b.csv", "a,b\n")
    with pytest.raises(TableError, match="holds 2 files, not one table"):
        read_raw(tmp_path / "t.csv.zip")
    for address in ("https://example.org/t.csv", "s3://bucket/t.parquet"):
        with pytest.raises(ValueError, match="Download it first"):
            read_raw(address)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"holds \.parquet files"):
        read_raw(tmp_path / "none")


@pytest.fixture
def workbook(tmp_path):
    """Two sheets with cells; numbers as text, a hole in each column, dates, an empty row."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.create_sheet("table", 1)
    for row in (
        [None] * 6,
        ["code", "n", "day", "flag", 2020, "label"],
        ["007", 1, datetime.datetime(2020, 1, 2), True, 1.5, "a"],
        ["7", None, datetime.datetime(2020, 3, 2, 12), None, "NA", "b"],
        [None] * 6,
        [None, 3, None, False, "1,234", "a"],
    ):
        book["table"].append(row)
    book.create_sheet("notes").append(["made in March"])
    book.save(tmp_path / "t.xlsx")
    return tmp_path / "t.xlsx"


def test_an_excel_file_is_read_as_the_same_table_in_a_text_file_is(workbook):
    numbers, names = ["n", "2020"], ["code", "flag"]
    schema = Schema([Tabular("t", numbers, names, ["day"])], "label")
    with pytest.warns(UserWarning) as said:
        frame = read_table(workbook, schema)
    words = " ".join(str(warning.message) for warning in said)
    assert "the first is read" in words and "['table', 'notes']" in words
    assert "empty rows do not count: 1, 5 of the sheet" in words
    text = "code,n,day,flag,2020,label\n007,1,2020-01-02,true,1.5,a\n"
    text += '7,,2020-03-02 12:00,,NA,b\n,3,,false,"1,234",a\n'
    workbook.with_suffix(".csv").write_text(text)
    pd.testing.assert_frame_equal(frame, read_table(workbook.with_suffix(".csv"), schema))
    with pytest.warns(UserWarning):
        inferred = infer_schema(workbook)
    assert inferred.schema.target.column == "label" and "day" in inferred.schema.columns


def test_odd_excel_files_are_refused_in_words(tmp_path, monkeypatch):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0 of an old kind")
    with pytest.raises(TableError, match=r"t\.xlsx: not an Excel file.*password"):
        infer_schema(path)
    book = openpyxl.Workbook()
    book.save(path)
    with pytest.raises(TableError, match=r"t\.xlsx: the file is empty"):
        infer_schema(path)
    book.active.append(["x", "x", "label"])
    book.save(path)
    with pytest.raises(TableError, match="several columns are called 'x'"):
        infer_schema(path)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ValueError, match=r"needs openpyxl.*`excel`.*t\.xlsx"):
        infer_schema(path)


def test_a_quoted_text_with_lines_and_separators_is_one_cell(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        'note,label\n"first, line\nsecond, one\nthe, end",x\n"a ""b"", c\n",y\n5" screen,x\n'
    )
    raw = read_raw(path)
    assert raw["note"].tolist() == [
        "first, line\nsecond, one\nthe, end",
        'a "b", c\n',
        '5" screen',
    ]


def test_a_comma_that_may_mean_two_things_is_said(tmp_path):
    path = tmp_path / "t.csv"
    schema = Schema([Tabular("t", ["a", "b"])], "label")
    path.write_text("a;b;label\n1,234;7;x\n2,500;8;y\n")
    with pytest.warns(UserWarning, match=r"column 'a': commas are read as decimal commas.*1\.234"):
        assert read_table(path, schema)["a"].tolist() == [1.234, 2.5]
    path.write_text("a;b;label\n1,234;0,5;x\n2,500;1,234;y\n")
    table = read_table(path, schema)  # what is said by column 'b'
    assert table["a"].tolist() == [1.234, 2.5] and table["b"].tolist() == [0.5, 1.234]
    path.write_text('a;label\n"1,234.5";x\n"2,500";y\n')
    assert read_table(path, Schema([Tabular("t", ["a"])], "label"))["a"].tolist() == [1234.5, 2500]


def test_a_column_shows_how_the_numbers_of_its_file_are_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("price;people;label\n12,50;1.234;x\n1.999,5;700;y\n")
    schema = Schema([Tabular("t", ["price", "people"])], "label")
    table = read_table(path, schema)
    assert table["price"].tolist() == [12.5, 1999.5] and table["people"].tolist() == [1234, 700]
    assert read_raw(path)["people"].tolist() == [1234, 700]
    path.write_text("price;people;label\n12,50;1.5;x\n1,5;700;y\n")
    assert read_table(path, schema)["people"].tolist() == [1.5, 700]


def test_new_rows_are_read_by_the_decimal_mark_of_the_training_rows(tmp_path):
    path, schema = tmp_path / "t.csv", Schema([Tabular("t", ["price"])], "label")
    trained = {}
    for mark in ",.":
        path.write_text(f"price;label\n12{mark}50;x\n7{mark}25;y\n8;y\n")
        fitted = fit_preprocessing(read_table(path, schema), schema)
        trained[mark] = Preprocessing.from_dict(json.loads(json.dumps(fitted.to_dict())))
        assert trained[mark].decimal_marks == {"price": mark}

    def read(mark, cells, separator=";", name="price"):
        lines = ["other", *("z" for _ in cells)]
        rows = zip([name, *cells], lines, strict=True)
        path.write_text("\n".join(separator.join(row) for row in rows))
        marks = trained[mark].decimal_marks
        return read_table(path, schema, require_target=False, decimal_marks=marks)

    for separator in ";\t|":
        assert read(",", ["1.234", "2.500"], separator)["price"].tolist() == [1234, 2500]
        assert read(",", ["1,234", "2"], separator)["price"].tolist() == [1.234, 2]
        assert read(".", ["1,234", "2"], separator)["price"].tolist() == [1234, 2]
        assert read(".", ["1.234", "2"], separator)["price"].tolist() == [1.234, 2]
    for mark, cell in (
        (",", "1.5"),
        (",", "0.125"),
        (",", "1,234.5"),
        (".", "3,5"),
        (".", "1.2,5"),
    ):
        with pytest.raises(TableError, match=r"row 2, column 'price': .*(decimal|not a number)"):
            read(mark, ["2", cell])
    frame = pd.DataFrame({"price": ["1.234", "2,5"]})
    marks = trained[","].decimal_marks
    table = read_table(frame, schema, require_target=False, decimal_marks=marks)
    assert table["price"].tolist() == [1234, 2.5], "texts of a frame, too"
    with pytest.warns(UserWarning, match="since commas separate the file's cells"):
        assert read(",", ["1.234", "2"], ",")["price"].tolist() == [1.234, 2]
    # Who reads without it is told.
    path.write_text("price;other\n1.234;z\n")
    with pytest.raises(ValueError, match=r"decimal_marks=preprocessing\.decimal_marks"):
        Pipeline(read_table(path, schema, require_target=False), trained[","])
