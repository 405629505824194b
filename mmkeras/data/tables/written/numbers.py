"""Numbers as people write them: thousands separators, currency signs, percent, placeholders.

One rule for all columns of numbers. Of a cell count

- what Python reads as a number;
- groups of three digits: `1,234`, `1,234,567.5`, `1 234`, `1'234`, `1.234.567,5`;
- a decimal comma: `3,5`, `0,125` (`1,234` is 1234, as groups of three are);
- one currency sign before or after: `$3.50`, `3,50 €`, `-$2`;
- percent: `12%` is 0.12.

A cell is refused where others of its column show that it may mean two things: `1,234` or `1.5`
beside decimal commas, plain numbers beside percentages, two currencies. Placeholders such as `?`
and `unknown` are empty cells, which are counted and said.

Where the training rows have shown the decimal mark of a column, all later cells are read by it:
with a comma, `1,234` is 1.234 and `1.234` is 1234; what contradicts it is refused.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

PLACEHOLDERS = frozenset(
    ["?", "??", "???", "-", "--", "---", "–", "—", ".", "..", "...", "…", "*", "unknown", "unk"]
    + ["missing", "not available", "not known", "not applicable", "n.a.", "n. a.", "n.d."]
    + ["unspecified", "undefined", "tbd", "no data", "nodata", "not a number"]
)
_CURRENCIES = "$€£¥₹"
_WRITTEN = re.compile(
    rf"(?P<sign>[+-]?)\s*(?P<before>[{_CURRENCIES}]?)\s*(?P<inner>[+-]?)"
    rf"(?P<digits>(?:\d|[.,]\d)[\d.,' \u00a0\u202f’]*?)\s*(?P<after>[{_CURRENCIES}%]?)",
    re.ASCII,
)
_GROUPED = re.compile(r"(\d{1,3})(?:([,.' ])\d{3})(?:\2\d{3})*(?:([.,])(\d+))?", re.ASCII)
_WITH_COMMA = re.compile(
    r"(?P<before>[^\d,.]*)(?P<whole>[1-9]\d{0,2}(?:[.' \u00a0\u202f’]\d{3})+|\d*)"
    r"(?P<comma>(?:,\d*)?)(?P<after>(?:[eE][+-]?\d+)?[^\d,.]*)"
)
_CONTRADICTS = {
    mark: f"cannot be read with a decimal {name}, as the numbers of this column are written "
    f"elsewhere: in the training rows, or in the rest of the file"
    for mark, name in ((",", "comma"), (".", "point"))
}
_DECIMAL_COMMA = re.compile(r"\d*,\d+", re.ASCII)


@dataclass
class _Written:
    """One cell: its number, how it is written, and what that shows of its column's commas."""

    value: float
    unit: str = ""  # a currency sign or "%"
    decimal: str = ""  # what is certainly the decimal mark
    either: bool = False  # a comma or point that may be a decimal mark or not
    point: bool = False  # a decimal point, unless points separate thousands


@dataclass
class ReadTexts:
    """What texts of a column of numbers say.

    Args:
        values: The number of each text that has one; NaN for a placeholder.
        wrong: Why the others are no numbers.
        placeholders: Which texts are placeholders.
        mark: The decimal mark that they were read by, or "" where none has commas or points.
    """

    values: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    placeholders: set[str] = field(default_factory=set)
    mark: str = ""


def read_written(texts: Iterable[str], mark: str = "") -> ReadTexts:
    """Reads the different texts of a column as numbers.

    Args:
        texts: The texts.
        mark: The decimal mark, "," or ".", where it is known.

    Example:

    >>> read_written(["$1,234.50", "$3", "?"]).values
    {'$1,234.50': 1234.5, '$3': 3.0, '?': nan}
    >>> sorted(read_written(["0,5", "1,234"]).wrong)
    ['1,234']
    """
    read = ReadTexts(mark=mark)
    written: dict[str, _Written] = {}
    for text in texts:
        bare = text.strip()
        if bare.lower() in PLACEHOLDERS:
            read.values[text] = math.nan
            read.placeholders.add(text)
        elif (cell := _parse(bare)) is None:
            read.wrong[text] = "is not a number"
        elif mark == "," and (cell := _parse(with_decimal_point(bare))) is None:
            read.wrong[text] = _CONTRADICTS[","]
        elif mark == "." and cell.decimal == ",":
            read.wrong[text] = _CONTRADICTS["."]
        else:
            written[text] = cell
            read.values[text] = cell.value
    if not mark:
        commas = any(cell.decimal == "," for cell in written.values())
        marked = any("." in text or "," in text for text in written)
        read.mark = "," if commas else "." if marked else ""
    _refuse_two_meanings(written, read, commas=read.mark == "," and not mark)
    return read


def with_decimal_point(text: str) -> str:
    """A number whose decimal mark is a comma, as others write it; what is no such number is "".

    >>> [with_decimal_point(text) for text in ("1.234,5", "1,234", "1.234", "-7", "1.5", "1,2,3")]
    ['1234.5', '1.234', '1234', '-7', '', '']
    """
    match = _WITH_COMMA.fullmatch(text)
    if match is None:
        return ""
    whole = re.sub("[.' \u00a0\u202f’]", "", match["whole"])
    return f"{match['before']}{whole}{match['comma'].replace(',', '.')}{match['after']}"


def warn_of_placeholders(column: str, counts: Mapping[str, int], rows: int) -> None:
    """Says how many cells of a column are read as empty, if any are."""
    if counts:
        words = ", ".join(f"{word!r} ({count:,})" for word, count in counts.items())
        warnings.warn(
            f"column {column!r}: {sum(counts.values()):,} of {rows:,} cells are placeholders and "
            f"read as empty: {words}.",
            UserWarning,
            stacklevel=5,
        )


def _refuse_two_meanings(written: dict[str, _Written], read: ReadTexts, commas: bool) -> None:
    units = {cell.unit for cell in written.values()}
    if not commas and len(units - {""}) <= 1 and "%" not in units:
        return
    shares = sum(cell.unit == "%" for cell in written.values())
    rarer = "%" if 2 * shares < len(written) else ""
    currencies = sorted(units - {"", "%"})
    for text, cell in written.items():
        if commas and (cell.either or cell.point):
            read.wrong[text] = (
                "may mean two things: elsewhere in this column a comma is the decimal mark; write "
                "the numbers of this column with decimal points and without other marks"
            )
        elif len(currencies) > 1 and cell.unit in currencies:
            read.wrong[text] = f"has one of several currencies ({', '.join(currencies)})"
        elif len(units) > 1 and "%" in units and (cell.unit == "%") == (rarer == "%"):
            read.wrong[text] = "stands in a column in which some numbers have a % and some none"
    for text in read.wrong:
        read.values.pop(text, None)


def _parse(text: str) -> _Written | None:
    if "_" not in text:  # Python reads "1_000" as a number; a table means a name
        try:
            point = "." in text
            return _Written(
                float(text), point=point, either=bool(re.fullmatch(r"[+-]?\d{1,3}\.\d{3}", text))
            )
        except ValueError:
            pass
    match = _WRITTEN.fullmatch(text.replace("−", "-"))
    if not match or (match["before"] and match["after"]) or (match["sign"] and match["inner"]):
        return None
    cell = _digits(match["digits"])
    if cell is None:
        return None
    if "-" in (match["sign"], match["inner"]):
        cell.value = -cell.value
    cell.unit = match["before"] or match["after"]
    if cell.unit == "%":
        cell.value = float(Decimal(repr(cell.value)) / 100)  # so that 12.3% is 0.123
    return cell


def _digits(text: str) -> _Written | None:
    text = re.sub("[\u00a0\u202f]", " ", text).replace("’", "'")
    if re.fullmatch(r"\d+\.?\d*|\.\d+", text, re.ASCII):
        either = bool(re.fullmatch(r"\d{1,3}\.\d{3}", text))
        return _Written(float(text), point="." in text, either=either)
    grouped = _GROUPED.fullmatch(text)
    if grouped and not (grouped[2] == "," and grouped[1] == "0"):
        mark, decimal = grouped[2], grouped[3] or ""
        if decimal == mark:
            return None
        head = text[: grouped.start(3)] if decimal else text
        value = float(f"{re.sub(r'[^0-9]', '', head)}.{grouped[4] or 0}")
        if mark == ".":
            decimal = ","
        once = mark == "," and not decimal and text.count(",") == 1
        return _Written(value, decimal=decimal, either=once, point=mark == "," and not once)
    if _DECIMAL_COMMA.fullmatch(text):
        return _Written(float(text.replace(",", ".")), decimal=",")
    return None


def decimal_marks(columns: Mapping[str, Iterable[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The decimal marks of columns of a file whose cells are separated by semicolons.

    A comma separates no cells there, and so is the decimal mark of a column unless the column shows
    another: it has numbers such as `1.5` or `1,234.5`. Where one column of a file certainly has
    decimal commas and none has decimal points, those that show neither (`1.234`) have commas, too.

    Args:
        columns: By column, its different texts.

    Returns:
        By column of numbers, "," or "." where the column or the file shows it; and by column with
        commas that nothing shows to be decimal marks, one of its numbers.
    """
    marks: dict[str, str] = {}
    unsure, silent = {}, []
    sure_commas = False
    for column, texts in columns.items():
        cells = {t: _parse(t.strip()) for t in texts if t.strip().lower() not in PLACEHOLDERS}
        if not cells or any(cell is None for cell in cells.values()):
            continue
        either = [text for text, cell in cells.items() if cell.either]
        if any((c.point and not c.either) or c.decimal == "." for c in cells.values()):
            marks[column] = "."
        elif any(cell.decimal == "," for cell in cells.values()):
            marks[column], sure_commas = ",", True
        elif commas := [text for text in either if "," in text]:
            marks[column], unsure[column] = ",", commas[0]
        else:
            silent.append(column)
    if sure_commas and "." not in marks.values():
        marks |= dict.fromkeys(silent, ",")
        unsure = {}
    return marks, unsure
