"""CSV files: texts are no formulas, numbers stay numbers, and what was written is read."""

import csv

import pandas as pd
import pytest

from mmkeras import Label, Schema, Text, read_table
from mmkeras.csv_files import read_csv, write_csv

FORMULAS = ["=cmd|' /C calc'!A0", "+A1", "-A1+B2", "@SUM(A1)", "\t=A1", "\r=A1", "'=A1", "-"]
TEXTS = ["a=b", "one\rtwo\nthree", "'tis", "", "it's -1", "c"]
TEXTS += ["-3.5", "+0.5 (-0.1 to +0.9) *", "-1e-05", "+1.0 ± 0.2"]


@pytest.fixture
def frame():
    texts = pd.Series([*FORMULAS, *TEXTS], dtype=object).where(lambda s: s != "", float("nan"))
    numbers = [-1.5, 2.0] * (len(texts) // 2)
    table = pd.DataFrame({"=name": texts, "number": numbers, "kind": texts.astype("category")})
    return table.set_index(pd.Index([f"-row {row}" for row in range(len(table))], name="@id"))


def test_no_cell_of_a_file_begins_a_formula_apart_from_numbers(frame, tmp_path):
    write_csv(tmp_path / "t.csv", frame, index=True)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["'@id", "'=name", "number", "kind"]
    assert [row[1] for row in rows[: len(FORMULAS)]] == [f"'{text}" for text in FORMULAS]
    assert [row[1] for row in rows[len(FORMULAS) :]] == TEXTS
    assert [row[2] for row in rows[:2]] == ["-1.5", "2.0"] and rows[0][0] == "'-row 0"


def test_what_was_written_is_read_again(frame, tmp_path):
    write_csv(tmp_path / "t.csv", frame, index=True)
    back = read_csv(tmp_path / "t.csv", index_col=0)
    pd.testing.assert_frame_equal(back.astype({"kind": "category"}), frame, check_dtype=False)
    twice = pd.DataFrame([["=a", -1], ["b", 2]], columns=["x", "x"])
    write_csv(tmp_path / "t.csv", twice)
    assert (tmp_path / "t.csv").read_text() == "x,x\n'=a,-1\nb,2\n"
    write_csv(tmp_path / "t.csv", frame[:0])
    assert list(read_csv(tmp_path / "t.csv")) == ["=name", "number", "kind"]


def test_predictions_are_rows_again_and_a_table_of_someone_elses_is_as_it_is(tmp_path):
    said = pd.DataFrame({"predicted": ["=A1", "b"], "confidence": [0.5, 1.0], "p(=A1)": [0.5, 0.0]})
    write_csv(tmp_path / "said.csv", said.rename_axis("index"), index=True)
    schema = Schema([Text("predicted")], target=None)
    assert read_table(tmp_path / "said.csv", schema)["predicted"].tolist() == ["=A1", "b"]
    (tmp_path / "own.csv").write_text("note,kind\n'=A1,'-x\nb,y\n")
    own = read_table(tmp_path / "own.csv", Schema([Text("note")], Label("kind")))
    assert own["note"].tolist() == ["'=A1", "b"] and own["kind"].tolist() == ["'-x", "y"]
