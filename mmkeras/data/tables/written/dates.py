"""Dates as people write them, and the numbers that a model gets of them."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import NA_WORDS, Problem, is_empty, shown_cell
from mmkeras.data.tables.written.numbers import PLACEHOLDERS, warn_of_placeholders

# The roles of columns of dates, and which number is first in 03/04/2020.
DATE_ROLES: dict[str, bool | None] = {
    "date": None,
    "date, day first": True,
    "date, month first": False,
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = (
    r"(?:[T\s,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?)?(?:\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_YEAR_FIRST = re.compile(rf"(?P<y>\d{{4}})([-/.])(?P<m>\d{{1,2}})\2(?P<d>\d{{1,2}}){_TIME}")
_YEAR_LAST = re.compile(rf"(?P<a>\d{{1,2}})([-/.])(?P<b>\d{{1,2}})\2(?P<y>\d{{4}}){_TIME}")
_NAMED = [
    re.compile(rf"{_WEEKDAY}{form}{_TIME}", re.IGNORECASE)
    for form in (
        r"(?P<d>\d{1,2})(?:st|nd|rd|th)?[\s.-]*(?P<m>[a-z]{3,9})\.?[\s,-]*(?P<y>\d{4})",
        r"(?P<m>[a-z]{3,9})\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>\d{4})",
    )
]
_NO_DATE = {word.lower() for word in NA_WORDS} | PLACEHOLDERS
_UTC = datetime.timezone.utc
_NO_ZONE = "has no time zone, and other dates of this column have one; write it: 18:30+00:00"
_UNSURE = "may be day or month first; write 2020-12-31, or say `day_first` in the schema"


def read_dates(cells: pd.Series, day_first: bool | None) -> tuple[pd.Series, list[Problem]]:
    """Reads a column of dates.

    A cell is a date, a timestamp, or a text such as `2020-12-31`, `31.12.2020 18:30` or
    `Dec 31, 2020`. Where cells have a time zone (`18:30+02:00`), all of them must, and dates are
    those of UTC.

    Args:
        cells: The cells as they came.
        day_first: Whether `03/04/2020` is the 3rd of April; `None` refuses such cells.

    Returns:
        The cells as datetime64 (with the time zone UTC, where cells have one), NaT where there is
        none, and what is wrong with them.
    """
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return cells.dt.tz_convert("UTC").astype("datetime64[us, UTC]"), []
    if pd.api.types.is_datetime64_dtype(cells.dtype):
        return cells.astype("datetime64[us]"), []
    known: dict[Any, datetime.datetime | str | None] = {}
    problems: list[Problem] = []
    values: list[Any] = []
    for row, cell in enumerate(cells.to_numpy(object), start=1):
        key = cell if isinstance(cell, str) else row
        if key not in known:
            known[key] = _read(cell, day_first)
        value = known[key]
        if isinstance(value, str):
            problems.append((row, f"{shown_cell(cell)} {value}"))
            value = None
        values.append(value)
    zoned = any(_has_zone(value) for value in values)
    if zoned and not problems:
        bare = (row for row, v in enumerate(values, 1) if v is not None and not _has_zone(v))
        problems = [(row, f"{shown_cell(cells.iloc[row - 1])} {_NO_ZONE}") for row in bare]
    if problems:
        return cells, problems
    texts = (cell for cell in cells if isinstance(cell, str))
    counts = Counter(text for text in texts if text.strip().lower() in PLACEHOLDERS)
    warn_of_placeholders(cells.name, counts, len(cells))
    if zoned:
        values = [v if v is None else v.astimezone(_UTC).replace(tzinfo=None) for v in values]
    dates = np.array([np.datetime64("NaT") if v is None else v for v in values], "datetime64[us]")
    series = pd.Series(dates, index=cells.index, name=cells.name)
    return series.dt.tz_localize("UTC") if zoned else series, []


def have_zone(dates: pd.Series) -> bool | None:
    """Whether dates that `read_dates` returned have a time zone; `None` where there is no date."""
    return isinstance(dates.dtype, pd.DatetimeTZDtype) if dates.notna().any() else None


def _has_zone(value: Any) -> bool:
    return isinstance(value, datetime.datetime) and value.tzinfo is not None


def _read(cell: Any, day_first: bool | None) -> datetime.datetime | str | None:
    """One cell's date, or what is wrong with it."""
    if is_empty(cell):
        return None
    if isinstance(cell, np.datetime64):
        cell = pd.Timestamp(cell)
    if isinstance(cell, datetime.datetime):
        zone = cell.utcoffset()
        zone = None if zone is None else datetime.timezone(zone)
        return datetime.datetime(*cell.timetuple()[:6], tzinfo=zone)
    if isinstance(cell, datetime.date):
        return datetime.datetime(cell.year, cell.month, cell.day)
    if not isinstance(cell, str):
        return "is not a date"
    bare = cell.strip()
    if bare.lower() in _NO_DATE:
        return None
    match = _YEAR_LAST.fullmatch(bare)
    if match:
        first, second = int(match["a"]), int(match["b"])
        if match[2] == ".":
            day_first = True
        if day_first is None and first != second and max(first, second) <= 12:
            return _UNSURE
        if day_first is None:
            day_first = first > 12
        day, month = (first, second) if day_first else (second, first)
        return _date(match, month, day)
    if match := _YEAR_FIRST.fullmatch(bare):
        return _date(match, int(match["m"]), int(match["d"]))
    for form in _NAMED:
        if (match := form.fullmatch(bare)) and match["m"][:3].lower() in _MONTHS:
            return _date(match, 1 + _MONTHS.index(match["m"][:3].lower()), int(match["d"]))
    return "is not a date; write it as 2020-12-31"


def _date(match: re.Match[str], month: int, day: int) -> datetime.datetime | str:
    hour = int(match["hour"] or 0)
    if match["half"]:
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    clock = (hour, int(match["minute"] or 0), int(match["second"] or 0))
    try:
        date = datetime.datetime(int(match["y"]), month, day, *clock, tzinfo=_zone(match["zone"]))
        # Here it may leave the calendar: 0001-01-01T00:00+02:00.
        return date if date.tzinfo is None else date.astimezone(_UTC)
    except (ValueError, OverflowError) as error:
        return f"is not a date: {error}"


def _zone(text: str | None) -> datetime.timezone | None:
    if text is None:
        return None
    if text[0] not in "+-":
        return _UTC
    offset = datetime.timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return datetime.timezone(-offset if text[0] == "-" else offset)


def date_order(texts: Iterable[str]) -> tuple[bool, bool | None]:
    """Whether texts are dates, and whether those such as `31/12/2020` have the day first.

    Raises:
        ValueError: All are dates, but nothing shows what is first.

    Example:

    >>> date_order(["31/12/2020", "01/02/2020"])
    (True, True)
    >>> date_order(["2020-12-31"]), date_order(["soon"])
    ((True, None), (False, None))
    """
    texts = [text for text in texts if text.strip().lower() not in _NO_DATE]
    if not texts or not all(sum(c.isdigit() for c in text) > 4 for text in texts[:20]):
        return False, None
    slashed = [t for t in texts if (m := _YEAR_LAST.fullmatch(t.strip())) and m[2] != "."]
    if any(isinstance(_read(text, None), str) for text in set(texts) - set(slashed)):
        return False, None
    if not slashed:
        return True, None
    fits = [not any(isinstance(_read(t, first), str) for t in slashed) for first in (True, False)]
    if all(fits):
        example = next((text for text in slashed if _read(text, None) == _UNSURE), None)
        if example is not None:
            raise ValueError(f"dates such as {example!r}, which {_UNSURE}")
        return True, None
    return any(fits), fits[0] if any(fits) else None


DATE_PARTS = ("year", "month", "day", "weekday", "hour")


def date_parts(dates: pd.Series) -> dict[str, np.ndarray]:
    """The numbers of dates: year, month, day, weekday (0 is Monday) and hour, float64 `(rows,)`.

    Args:
        dates: datetime64, as `read_dates` returns them; NaN where there is none.
    """
    known = read_dates(dates, None)[0].dt
    hour = known.hour + known.minute / 60 + known.second / 3600
    parts = (known.year, known.month, known.day, known.day_of_week, hour)
    return {
        name: values.to_numpy(np.float64, na_value=np.nan)
        for name, values in zip(DATE_PARTS, parts, strict=True)
    }
