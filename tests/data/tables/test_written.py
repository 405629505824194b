"""Numbers, dates and lists as people write them."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.data.tables.written.dates import date_order, date_parts, read_dates
from mmkeras.data.tables.written.lists import written_array, written_list
from mmkeras.data.tables.written.numbers import read_written
from mmkeras.schema import Labels, Number, Schema, Sequence, StepLabels, Tabular, Text


@pytest.mark.parametrize(
    "column, expected",
    [
        (["1,234", "1,234,567.5", "-2", "0.5"], [1234, 1234567.5, -2, 0.5]),
        (["$3.50", "$1,000", "-$2", "$-4"], [3.5, 1000, -2, -4]),
        (["3,50 €", "1.234,5 €", "-2 €"], [3.5, 1234.5, -2]),
        (["12%", "12.3 %", "-5%"], [0.12, 0.123, -0.05]),
        (["1 234", "1\u202f234\u202f567", "1'234.5"], [1234, 1234567, 1234.5]),
        (["3,5", "0,125", ",5", "1.234.567"], [3.5, 0.125, 0.5, 1234567]),
        (["1e3", " 2 ", "+3", "\u22124"], [1000, 2, 3, -4]),
        (["5", "?", "Unknown", "-", "."], [5, math.nan, math.nan, math.nan, math.nan]),
    ],
)
def test_numbers_as_people_write_them(column, expected):
    read = read_written(column)
    assert not read.wrong
    np.testing.assert_allclose([read.values[text] for text in column], expected)


@pytest.mark.parametrize(
    "column, wrong",
    [
        (["3,5", "1,234", "1.5", "7"], ["1,234", "1.5"]),
        (["1.234,5", "1.234"], ["1.234"]),
        (["$3", "€4"], ["$3", "€4"]),
        (["12%", "15%", "0.1"], ["0.1"]),
        (["1_000", "1,23,4", "12,34.5,6", "(3)", "3 kg", "--5", "$3%", "1,2345"], None),
        (["٣", "1,2 3"], None),
    ],
)
def test_what_is_no_number_or_may_be_two_is_refused(column, wrong):
    read = read_written(column)
    if wrong is not None:
        assert sorted(read.wrong) == sorted(wrong)
    else:
        assert set(read.wrong) >= set(column) - {"1,2345", "٣"}
    assert not set(read.wrong) & set(read.values)


def test_the_door_reads_numbers_in_every_role_and_says_what_stands_for_none(tmp_path):
    frame = pd.DataFrame(
        {"a": ["$1,200", "?", "$3"], "b": ["x", "y", "z"], "y": ["10%", "20%", "30%"]}
    )
    schema = Schema([Tabular("t", ["a"], ["b"])], Number("y"))
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, tmp_path / "t.csv", frame.astype("string[pyarrow]")):
        with pytest.warns(UserWarning, match=r"'a': 1 of 3 cells are placeholders.*'\?' \(1\)"):
            table = read_table(source, schema)
        assert table["y"].tolist() == [0.1, 0.2, 0.3]
        np.testing.assert_array_equal(table["a"], [1200, np.nan, 3])
    with pytest.raises(TableError, match=r"row 2, column 'a': '€2' has one of several currencies"):
        read_table(frame.assign(a=["$1", "€2", "$3"]), schema)
    with pytest.raises(TableError, match="row 2, column 'y': the target is empty"), pytest.warns():
        read_table(frame.assign(y=["1", "?", "3"]), schema)


def test_dates_of_every_form_are_one_date():
    cells = ["2020-12-31", "2020/12/31", "31.12.2020", "31/12/2020", "Dec 31, 2020", "31 Dec 2020"]
    cells += ["Thursday, December 31st, 2020", "2020-12-31T18:30:00", "2020-12-31 6:30 pm"]
    cells += [pd.Timestamp(2020, 12, 31), np.datetime64("2020-12-31"), None, "NA"]
    dates, problems = read_dates(pd.Series(cells, dtype=object), None)
    assert not problems
    assert dates.dt.normalize().dropna().unique().tolist() == [pd.Timestamp(2020, 12, 31)]
    assert dates.isna().sum() == 2 and dates[7].hour == dates[8].hour == 18


def test_dates_with_a_time_zone_are_those_of_utc_and_stand_alone():
    instant = pd.Timestamp("2020-12-31 23:30", tz="UTC")
    cells = ["2021-01-01T00:30+01:00", "2020-12-31 18:30 -0500", "31.12.2020 23:30 UTC", None]
    cells += [instant.tz_convert("Asia/Tokyo"), instant.to_pydatetime()]
    for column in (pd.Series(cells), pd.Series([instant.tz_convert("Europe/Paris")])):
        dates, problems = read_dates(column, None)
        assert not problems and dates.dropna().unique().tolist() == [instant]
        assert date_parts(dates)["hour"][0] == 23.5 and date_parts(dates)["year"][0] == 2020
    mixed = read_dates(pd.Series([*cells, "2020-12-31 23:30"]), None)[1]
    assert [row for row, why in mixed] == [7] and "has no time zone" in mixed[0][1]
    (early,) = read_dates(pd.Series(["0001-01-01T00:00+02:00"]), None)[1]
    assert "is not a date" in early[1]

    schema = Schema([Tabular("t", ["n"], dates=["d"])], "label")
    frame = pd.DataFrame({"d": cells, "n": range(6), "label": list("xyxyxy")})
    plain = frame.assign(d=[f"2020-12-0{day} 12:00" for day in range(1, 7)])
    for trained, other in ((frame, plain), (plain, frame)):
        fitted = fit_preprocessing(read_table(trained, schema), schema)
        fitted = Preprocessing.from_dict(json.loads(json.dumps(fitted.to_dict()))).modalities["t"]
        assert np.isfinite(fitted.vectors(read_table(trained, schema))).all()
        with pytest.raises(ValueError, match=r"'d': the dates of the training rows have .* zone"):
            fitted.vectors(read_table(other, schema))


def test_dates_that_may_be_two_are_refused():
    assert date_order(["13/01/2020", "01/02/2020"]) == (True, True)
    assert date_order(["01/13/2020", "01/02/2020"]) == (True, False)
    assert date_order(["2020-13-01", "2020-01-01"]) == (False, None)
    with pytest.raises(ValueError, match="day or month first"):
        date_order(["01/02/2020", "03/04/2020"])
    cells = pd.Series(["01/02/2020", "2020-02-30", "soon", 7], dtype=object)
    problems = read_dates(cells, None)[1]
    assert [row for row, _ in problems] == [1, 2, 3, 4]
    assert read_dates(cells[:1], True)[0][0] == pd.Timestamp(2020, 2, 1)
    assert read_dates(cells[:1], False)[0][0] == pd.Timestamp(2020, 1, 2)


def test_placeholders_among_dates_are_said():
    with pytest.warns(UserWarning, match=r"'when': 2 of 3 cells are placeholders.*'\?' \(2\)"):
        dates, problems = read_dates(pd.Series(["?", "2020-01-31", "?"], name="when"), None)
    assert not problems and dates.isna().tolist() == [True, False, True]


def test_a_model_gets_the_numbers_of_dates(tmp_path):
    days = pd.date_range("2020-01-01", periods=40, freq="11D")
    frame = pd.DataFrame({"when": days.strftime("%d/%m/%Y"), "label": ["x", "y"] * 20})
    schema = Schema([Tabular("t", dates=["when"], day_first=True)], "label")
    assert Schema.from_json(schema.to_json()) == schema
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", schema)
    pd.testing.assert_frame_equal(read_table(table, schema), table)
    fitted = Preprocessing.from_dict(fit_preprocessing(table, schema).to_dict())
    own = fitted.modalities["t"]
    vectors = own.vectors(table)
    parts = np.stack([days.year, days.month, days.day, days.day_of_week], axis=1)
    np.testing.assert_allclose(vectors, (parts - parts.mean(0)) / parts.std(0), atol=1e-5)
    assert own.spec.groups == (4,) and fitted.inputs["t"].shape == (4,)
    new = read_table(pd.DataFrame({"when": ["01/01/9999", None], "label": ["x", "y"]}),
                     Schema([*schema.modalities, Text("label")]))  # fmt: skip
    assert np.isfinite(own.vectors(new)).all()
    assert [each.cells for each in own.unprepared(new)] == [1, 1]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("['a', 'b c']", ["a", "b c"]),
        ("['a' 'b']", ["a", "b"]),  # how NumPy's arrays are written
        ('["a", "it\'s"]', ["a", "it's"]),
        ("[1 2]", ["1", "2"]),
        ("[a cat, b]", ["a cat", "b"]),
        ("('a',)", ["a"]),
        ("[]", []),
        ("set()", []),
        ("['a' ... 'b']", None),
        ("['a', ['b']]", None),
        ("{'a': 1}", None),
    ],
)
def test_lists_that_are_written_as_text(text, expected):
    assert written_list(text) == expected


def test_lists_of_labels_mean_the_same_from_a_file(tmp_path):
    frame = pd.DataFrame({"note": list("wxyz"), "tags": [["red", "round"], [], ["red"], ["a b"]]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    schema = Schema([Text("note")], Labels("tags"))
    expected = ["red|round", "", "red", "a b"]
    assert read_table(frame, schema)["tags"].tolist() == expected
    assert read_table(tmp_path / "t.csv", schema)["tags"].tolist() == expected
    for broken in ("['a|b']", "['a', ['b']]"):
        with pytest.raises(TableError, match="row 1, column 'tags'"):
            read_table(frame.assign(tags=broken), schema)
    steps = Schema([Sequence("s")], StepLabels("moods"))
    frame = pd.DataFrame({"s": ["[[0.1], [2]]"], "moods": ["['up', 'down']"]})
    table = read_table(frame, steps)
    assert table["moods"].tolist() == ["up|down"] and table["s"][0].shape == (2, 1)


def test_lists_of_numbers_are_sequences(tmp_path):
    assert written_array("[1, [2]]") is None and written_array("[]") is None
    assert written_array("[0.1 2.]").tolist() == [0.1, 2.0]
    assert written_array("[[1 2]\n [3 4]]").tolist() == [[1, 2], [3, 4]]
    arrays = list(np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32))
    frame = pd.DataFrame({"s": arrays, "label": list("aba")})
    schema = Schema([Sequence("s")], "label")
    frame.to_csv(tmp_path / "numpy.csv", index=False)
    frame.assign(s=[a.tolist() for a in arrays]).to_csv(tmp_path / "lists.csv", index=False)
    for name in ("numpy.csv", "lists.csv"):
        for own, read in zip(arrays, read_table(tmp_path / name, schema)["s"], strict=True):
            np.testing.assert_allclose(read, own, rtol=1e-6)
    with pytest.raises(TableError, match="row 1, column 's'"):
        read_table(frame.assign(s="[1, x]"), schema)


def test_a_column_a_label(tmp_path):
    columns = {"red": [1, 0, 1, 0], "round": [True, False, False, True], "big": ["no", "yes"] * 2}
    frame = pd.DataFrame({"note": list("abab"), **columns})
    frame.to_csv(tmp_path / "t.csv", index=False)
    schema = Schema([Text("note")], Labels(("red", "round", "big")))
    assert Schema.from_json(schema.to_json()) == schema
    tables = [read_table(frame, schema), read_table(tmp_path / "t.csv", schema)]
    pd.testing.assert_frame_equal(*tables, check_dtype=False)
    fitted = Preprocessing.from_dict(fit_preprocessing(tables[0], schema).to_dict())
    task = fitted.task
    assert task.classes == ("big", "red", "round") and task.num_outputs == 3
    encoded = task.encode(tables[1])
    np.testing.assert_array_equal(encoded, [[0, 1, 1], [1, 0, 0], [0, 1, 0], [1, 0, 1]])
    assert task.true(tables[0]).tolist() == ["red|round", "big", "red", "big|round"]
    assert task.decode(encoded).tolist() == task.true(tables[0]).tolist()
    with pytest.raises(TableError, match="row 2, column 'red': 2 does not say"):
        read_table(frame.assign(red=[1, 2, 1, 0]), schema)
    with pytest.raises(TableError, match="row 3, column 'red': the target is empty"):
        read_table(frame.assign(red=[1, 0, None, 0]), schema)
    with pytest.raises(ValueError, match=r"'a\|b' has the separator"):
        Labels(("a|b", "c"))
