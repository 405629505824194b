"""Categories and dates inside a graph mean what they mean in a table."""

import random

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mmkeras.data.tables.cells import label_name
from mmkeras.data.tables.names import KnownNames
from mmkeras.data.tables.written.dates import date_parts as parts_by_pandas
from mmkeras.data.tables.written.dates import read_dates
from mmkeras.serving.rows.dates import date_parts
from mmkeras.serving.rows.names import NameFinder

KNOWN = [
    ["red", "blue", "NA"],
    ["01234", "20095", "7"],
    ["3.0", "x", "é"],
    ["True", "False"],
    ["0.5", "1.10", "2"],
    ["9007199254740993", "5", "1e5"],
    ["-1", "+2", "-0"],
    ["01", "1", "2"],
]
ASKED = (
    *("red", " red ", "Red", "NA", "null", "", "\u3000", "20095.0", "1234", "01234", "1234.0"),
    *("7", "+7", "7.", "3", "03", "true", "TRUE", "fAlse", "0.5", ".5", "0.50", "1.1", "1.10"),
    *("9007199254740993", "9007199254740992", "9.007199254740993e15", "100000", "1e400", "-1.0"),
    *("-0", "0", "0.0", "2", "+2", "é", "É", "1_000", "inf", "nan", "1e-400", "-", "+", "1", "01"),
)


def test_a_category_is_found_as_it_is_or_by_what_it_means():
    draw = random.Random(0)
    texts = ["".join(draw.choices("0123456789.eE+-", k=draw.randrange(1, 7))) for _ in range(300)]
    texts += ASKED
    for names in KNOWN:
        for missing_is_known in (False, True):
            known, find = KnownNames(names, missing_is_known), NameFinder(names, missing_is_known)
            expected = [known.place(label_name(text)) for text in texts]
            found = find(tf.constant(texts)).numpy().tolist()
            wrong = [t for t, a, b in zip(texts, expected, found, strict=True) if a != b]
            assert not wrong, (names, missing_is_known)


DATES = ["2020-12-31", "2020-02-29T18:30", "1999-01-01 00:00:59.5", " 2000-02-29 ", "", "1900-3-1"]
DATES += ["0001-03-01", "9999-12-31T23:59:59", "1969-12-31T01:02:03"]
ZONED = [
    "2020-01-01T00:30:00+02:00",
    "2019-12-31T23:30-0530",
    "2020-02-29Z",
    "",
    "1970-01-01 00:00Z",
]


@pytest.mark.parametrize("texts, zoned", [(DATES, False), (ZONED, True)])
def test_dates_have_the_same_parts(texts, zoned):
    dates, problems = read_dates(pd.Series(texts, dtype=object), None)
    assert not problems
    found = date_parts(tf.constant(texts), zoned)
    for part, expected in parts_by_pandas(dates).items():
        np.testing.assert_array_equal(found[part], expected, part)


@pytest.mark.parametrize(
    "text, zoned",
    [
        ("2020-13-01", False),
        ("2020-02-30", False),
        ("31.12.2020", False),
        ("soon", False),
        ("2020-01-01T25:00", False),
        ("2020-01-01T10:00Z", False),
        ("2020-01-01", True),
    ],
)
def test_what_is_no_date_of_the_column_ends_in_an_error(text, zoned):
    with pytest.raises(tf.errors.InvalidArgumentError, match="written as 2020-12-31"):
        date_parts(tf.constant([text]), zoned)
