"""What a column of a table looks like, by its name and its values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import NA_WORDS, NUMBERS, is_empty, read_numbers
from mmkeras.data.tables.errors import listed
from mmkeras.data.tables.guess.media import guess_array, guess_medium, guess_paths
from mmkeras.data.tables.guess.names import (
    SAMPLE_KEY,
    is_unnamed,
    names_kinds,
    names_rows,
    splits_rows,
)
from mmkeras.data.tables.written.dates import date_order
from mmkeras.data.tables.written.lists import is_written_list, written_array, written_list
from mmkeras.data.tables.written.numbers import PLACEHOLDERS, ReadTexts, read_written

FEW = 20
LOOKED_AT = 1000  # cells of a column, where a part of them tells
_NUMBERS_SHARE = 0.9  # of the cells are numbers in a column of numbers with a few words
_NO_NUMBER = {word.lower() for word in NA_WORDS}
_NUMBER = re.compile(r"\d[\d.,]*")
_FORMS = 3  # in which a quantity is written in a column, such as "3 kg" and "7 lb"
_QUANTITY = re.compile(r"\W*0.{,20}$")  # a form that is no sentence
_PADDED = re.compile(r"\s*[+-]?0\d")
_LEFT_OUT = "left out"


@dataclass(frozen=True)
class Guess:
    """What a column looks like.

    Args:
        use: A kind of input, `"images"` (several a cell), `"number"`, `"category"`, `"date"`,
            `"id"`, `"row number"` or `"left out"`.
        why: The reason, in words.
        warning: What to look at.
        day_first: Of dates, whether the day is before the month.
    """

    use: str
    why: str
    warning: str = ""
    day_first: bool | None = None


def sample_of(values: Sequence[Any]) -> list[Any]:
    """At most about a thousand of the values, evenly."""
    return list(values[:: max(1, len(values) // LOOKED_AT)])


def are_few(distinct: int, rows: int) -> bool:
    """At most 20 different values, each in two rows or more on average."""
    return distinct <= FEW and (2 * distinct <= rows or distinct <= 2 < rows)


def guess_column(series: pd.Series, base_dir: str | Path | None) -> Guess:
    """Guesses what an input column holds.

    Args:
        series: The column.
        base_dir: The folder that paths are relative to; `None` not to look at files.
    """
    series = plain(series)
    if series.name == SAMPLE_KEY:
        return _guess_id(int(series.nunique()), len(series))
    guess = _guess_values(series, base_dir)
    if guess.use == _LEFT_OUT:
        return guess
    if splits_rows(series.name, _distinct_if_few(series)):
        return Guess(_LEFT_OUT, "says which rows are for training (split_column)")
    if is_unnamed(series.name) and guess.use != "row number":
        return Guess(_LEFT_OUT, "an index, or a column without a name; rename it if it is an input")
    return guess


def plain(series: pd.Series) -> pd.Series:
    """A column of categories as their values, and of texts as Python's."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.dtype.categories.dtype)
    if isinstance(series.dtype, pd.StringDtype):
        series = series.astype(object)  # Arrow's would be copied by each of many looks at them
    return series


def _distinct_if_few(series: pd.Series) -> list[Any] | None:
    try:
        distinct = series.dropna().unique()
    except TypeError:  # lists and other cells that cannot be compared
        return None
    return list(distinct) if len(distinct) <= FEW else None


def _guess_values(series: pd.Series, base_dir: str | Path | None) -> Guess:
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        known = series.dropna()
        if known.nunique() <= 1:
            return constant(known)
        return Guess("date", f"dates from {known.min():%Y-%m-%d} to {known.max():%Y-%m-%d}")
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _guess_numbers(series)
    looks = pd.api.types.infer_dtype(series, skipna=True)
    if looks in ("string", "empty"):
        return _guess_texts(series, base_dir)
    return _guess_objects(series, looks, base_dir)


def constant(known: Sequence[Any] | pd.Series) -> Guess:
    return Guess(_LEFT_OUT, "the same in every row" if len(known) else "empty in every row")


def _guess_numbers(series: pd.Series) -> Guess:
    """Of a column of booleans or numbers."""
    known = series.dropna()
    if pd.api.types.is_complex_dtype(series.dtype):
        return Guess(_LEFT_OUT, "complex numbers")
    distinct = int(known.nunique())
    if distinct <= 1:
        return constant(known)
    if pd.api.types.is_bool_dtype(series.dtype):
        return Guess("category", "true or false")
    values = known.to_numpy(np.float64)
    # A column of floats counts as whole numbers only where holes have made it one.
    is_float = pd.api.types.is_float_dtype(series.dtype) and len(known) == len(series)
    whole = not is_float and bool((values == np.floor(values)).all())
    return _guess_read_numbers(series, values, distinct, whole)


def _guess_read_numbers(
    series: pd.Series, values: np.ndarray, distinct: int, whole: bool, warning: str = ""
) -> Guess:
    few, rows = are_few(distinct, len(values)), len(series)
    low, high = values.min(), values.max()
    if whole and not few:
        if distinct == rows and low in (0, 1) and high - low == rows - 1:
            return Guess("row number", f"the numbers {low:.0f} to {high:.0f}, each once")
        if names_rows(series.name):
            return _guess_id(distinct, rows)
    if whole and few and (distinct == 2 or names_kinds(series.name)):
        return Guess("category", f"{distinct} different whole numbers", warning)
    return Guess("number", f"numbers from {low:g} to {high:g}", warning)


def _guess_id(distinct: int, rows: int) -> Guess:
    if distinct == rows:
        return Guess("id", "called an id, and all values differ")
    hint = "called an id, with many values that repeat; pass it as `group` if its rows belong"
    return Guess(_LEFT_OUT, f"{hint} together")


def _guess_texts(series: pd.Series, base_dir: str | Path | None) -> Guess:
    known = series.dropna()
    different = known.unique()
    distinct = [text for text in different if not is_empty(text)]
    blank = [text for text in different if is_empty(text)]
    filled = len(known) - int(known.isin(blank).sum() if blank else 0)
    if len(distinct) <= 1:
        return constant(distinct)
    some = sample_of(distinct)
    if medium := guess_paths(series.name, some, base_dir):
        return Guess(*medium)
    few = are_few(len(distinct), filled)
    number = guess_written_numbers(series, distinct, few)
    if number is not None:
        return number
    if names_rows(series.name) and not few and not any(" " in t.strip() for t in some):
        return _guess_id(len(distinct), len(series))
    try:
        is_date, day_first = date_order(some)
        if is_date:
            is_date, day_first = date_order(distinct)
    except ValueError as error:
        return Guess(_LEFT_OUT, str(error), str(error))
    if is_date:
        words = {text for text in distinct if text.strip().lower() in PLACEHOLDERS}
        example = next(text for text in distinct if not is_placeholder(text))
        warning = said_of_words(series, ReadTexts(placeholders=words))
        return Guess("date", f"dates such as {example!r}", warning, day_first)
    if all(is_written_list(text) for text in some):
        if all(written_array(text) is not None for text in some):
            return Guess(*guess_array([written_array(text) for text in some]))
        if all(written_list(text) is not None for text in some):
            return Guess("text", "lists of names, read as words")
    return _guess_words(distinct, filled, few)


def _guess_words(distinct: list[str], filled: int, few: bool) -> Guess:
    some = sample_of(distinct)
    words = sum(len(text.split()) for text in some) / len(some)
    repeated = 5 * len(distinct) <= filled and words < 4
    if not few and not repeated and (len(distinct) > filled / 2 or words >= 2):
        return Guess("text", f"{len(distinct):,} different texts", said_of_quantities(some))
    return Guess("category", f"{len(distinct):,} different names in {filled:,} rows")


def said_of_quantities(texts: list[str]) -> str:
    """What to look at where texts differ by their numbers alone: "3 days", "03:15", "10-20"."""
    forms = Counter(_NUMBER.sub("0", text.strip()) for text in texts)
    # What has letters first is a name, such as "shop 7".
    most = sum(n for form, n in forms.most_common(_FORMS) if _QUANTITY.match(form))
    codes = forms["0"] > _NUMBERS_SHARE * len(texts)  # such as postcodes, which are names
    if codes or most < _NUMBERS_SHARE * len(texts) or len(texts) <= _FORMS:
        return ""
    return (
        f"the texts differ by their numbers alone, such as {texts[0]!r}, and to a model each is a "
        "word of its own; if they are quantities, write them as plain numbers of one unit"
    )


def guess_written_numbers(series: pd.Series, distinct: list[str], few: bool) -> Guess | None:
    """Of texts that are numbers, but for a few words; `None` where they are not."""
    distinct = [text for text in distinct if text.strip().lower() not in _NO_NUMBER]
    read = written_numbers(distinct)
    if read is None or (few and read.wrong):
        return None
    values = np.array([v for v in read.values.values() if not np.isnan(v)])
    kinds = len(np.unique(values))
    if kinds <= 1:
        return None
    marked = next((text for text in distinct if re.search(r"[$€£¥₹%,' ]", text.strip())), None)
    warning = said_of_words(series, read)
    whole = marked is None and bool((values == np.floor(values)).all())
    known = values
    if whole and not read.wrong:
        known = read_numbers(series).values
        known = known[~np.isnan(known)]
    guess = _guess_read_numbers(series, known, kinds, whole, warning)
    if marked is not None and guess.use == "number" and marked in read.values:
        why = f"{guess.why}, such as {marked!r} ({read.values[marked]:g})"
        return Guess("number", why, warning)
    return guess


def written_numbers(distinct: list[str]) -> ReadTexts | None:
    """What texts say as numbers; `None` where less than nine in ten are some. "007" is a name."""
    some = sample_of(distinct)[:100]
    if sum(text not in read_written(some).wrong for text in some) < _NUMBERS_SHARE * len(some):
        return None
    read = read_written(distinct)
    known = [value for value in read.values.values() if not np.isnan(value)]
    if not known or len(read.wrong) > (1 - _NUMBERS_SHARE) * len(distinct):
        return None
    return None if any(_PADDED.match(text) and text in read.values for text in distinct) else read


def said_of_words(series: pd.Series, read: ReadTexts) -> str:
    """Which cells of a column of numbers are none."""
    parts = []
    for texts, what in (
        (read.placeholders, "read as empty"),
        (read.wrong, "not numbers: the table cannot be read until they are mended or emptied"),
    ):
        if texts:
            rows = series[series.isin(list(texts))]
            counts = rows.value_counts()
            shown = listed([f"{text!r} ({count:,})" for text, count in counts.items()], 5)
            parts.append(f"{len(rows):,} of {len(series):,} cells are {what}: {shown}")
    return "; ".join(parts)


def is_placeholder(text: str) -> bool:
    return text.strip().lower() in PLACEHOLDERS | _NO_NUMBER


def _guess_objects(series: pd.Series, looks: str, base_dir: str | Path | None) -> Guess:
    """Of a column of Python objects that are not all texts."""
    cells = [cell for cell in series if not is_empty(cell)]
    if not cells:
        return constant(cells)
    some = sample_of(cells)
    if medium := guess_medium(series.name, some, base_dir):
        return constant(cells) if _all_alike(cells) else Guess(*medium)
    if all(isinstance(cell, NUMBERS) for cell in cells):
        booleans = all(isinstance(cell, bool | np.bool_) for cell in cells)
        dtype = "boolean" if booleans else "Float64"
        whole = [None if is_empty(cell) else cell for cell in series]
        numbers = pd.Series(whole, index=series.index, name=series.name, dtype=dtype)
        if not booleans and all(float(cell).is_integer() for cell in cells):
            numbers = numbers.astype("Int64")
        return _guess_numbers(numbers)
    if looks in ("date", "datetime", "datetime64"):
        return _guess_values(pd.to_datetime(series, utc=True), base_dir)
    if all(isinstance(cell, (str, *NUMBERS)) for cell in cells):
        texts = [cell for cell in cells if isinstance(cell, str)]
        read = read_numbers(series)
        if len(read.wrong) <= (1 - _NUMBERS_SHARE) * len(cells):
            words = read_written(dict.fromkeys(t for t in texts if not is_placeholder(t)))
            words.placeholders |= {text for text in texts if text in read.placeholders}
            warning = said_of_words(series.astype(object), words)
            values = read.values[~np.isnan(read.values)]
            return _guess_read_numbers(series, values, len(np.unique(values)), False, warning)
        distinct = list(dict.fromkeys(str(cell).strip() for cell in cells))
        if are_few(len(distinct), len(cells)):
            return Guess("category", f"{len(distinct)} different names and numbers")
        what = "texts and numbers in one column"
        return Guess(_LEFT_OUT, what, f"{what}; make all of them texts, or numbers")
    kinds = ", ".join(sorted({type(cell).__name__ for cell in some})[:3])
    return Guess(_LEFT_OUT, f"cells of type {kinds}, which no kind of input reads")


def _all_alike(cells: list[Any]) -> bool:
    first = cells[0]
    try:
        return all(type(c) is type(first) and np.array_equal(c, first) for c in cells[1:])
    except (TypeError, ValueError):
        return False
