"""Text files that hold tables: CSV and its kin, with the separator and the encoding found."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import itertools
import lzma
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import NA_WORDS
from mmkeras.data.tables.errors import TableError, check_repeated
from mmkeras.data.tables.notes import DECIMAL_MARKS, note
from mmkeras.data.tables.written.numbers import decimal_marks, with_decimal_point

_SEPARATORS = (",", ";", "\t", "|")
_LOOKED_AT = 1 << 18  # characters, to find the separator
_CHUNK = 1 << 22
_RECORDS = 200
_NUMBER = re.compile(r"\s*([+-]?[\d.,]+)?\s*")
_NUMERIC_NAME = re.compile(r"\s*[+-]?0\d")


def load_text(
    path: Path, suffix: str, roles: Mapping[str, str] | None, marks: Mapping[str, str]
) -> pd.DataFrame:
    """The cells of a text file, whose quotes are checked; see `files.load_file`.

    Args:
        path: The file.
        suffix: Its suffix in lower case, without that of compression: `.tsv` has tabs.
        roles: How columns will be read, or `None`.
        marks: The decimal marks of columns, where they are known.
    """
    encoding = encoding_of(path)
    quoted = _has_quotes(path, encoding)
    with io.TextIOWrapper(opened(path), encoding=encoding, newline="") as file:
        separator = "\t" if suffix == ".tsv" else _find_separator(file.read(_LOOKED_AT))
    options = {"sep": separator, "encoding": encoding, "index_col": False, "low_memory": False}
    # pandas would quietly rename the second of two columns with one name.
    with opened(path) as file:
        header = pd.read_csv(file, header=None, nrows=1, dtype=str, na_filter=False, **options)
    names = header.iloc[0].tolist()
    if names[0].strip().lower().startswith("sep="):
        raise TableError(
            [f"{path.name}: the first line, {names[0]!r}, is a hint for Excel; remove it"]
        )
    check_repeated(
        path.name, names, dict.fromkeys(n for n in names if n) if roles is None else roles
    )
    if quoted:
        _check_quotes(path, encoding, separator, len(names))
    as_they_stand = [column for column, role in (roles or {}).items() if role != "number"]
    na_words: Any = NA_WORDS
    if as_they_stand:
        na_words = {column: NA_WORDS for column in names if column not in as_they_stand}
    # Where commas separate cells, numbers that pandas can read have points.
    with_commas = [c for c, mark in marks.items() if mark == "," and separator != ","]
    with warnings.catch_warnings(), opened(path) as file:
        # Rows longer than the header would lose cells, or shift them into an index.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            file,
            dtype=dict.fromkeys([*as_they_stand, *with_commas], str),
            keep_default_na=False,
            na_values=na_words,
            **options,
        )
    if roles is None:
        frame = _with_padded_names(path, frame, options)
    numbers = [c for c in frame.columns if (roles or {}).get(c, "number") == "number"]
    if roles is None:
        numbers = [column for column in numbers if not _are_padded(frame[column])]
    else:
        numbers = [column for column in numbers if column in roles]
    found: dict[str, str] = {}
    if separator == ";":

        def as_text(columns: list[str]) -> pd.DataFrame:
            places = [names.index(column) for column in columns]
            return _read_as_text(path, places, options)

        unknown = [column for column in numbers if column not in marks]
        frame, found = _with_decimal_commas(frame, path.name, unknown, as_text)
    if roles is None:
        points = {c: _with_points(frame[c]) for c, mark in found.items() if mark == ","}
        return frame.assign(**points) if points else frame
    fractions = [column for column in numbers if _has_fractions(frame[column])]
    for column in fractions:
        if separator == "," and marks.get(column) == ",":
            warnings.warn(
                f"{path.name}, column {column!r}: points are read as decimal points, since commas "
                "separate the file's cells; those of the training rows were written with commas.",
                UserWarning,
                stacklevel=4,
            )
    note(frame, DECIMAL_MARKS, dict.fromkeys(fractions, ".") | found | dict(marks))
    return frame


def _has_fractions(cells: pd.Series) -> bool:
    """Whether pandas has read numbers with decimal points."""
    if cells.dtype.kind != "f":
        return False
    values = cells.to_numpy()
    return bool((np.isfinite(values) & (values != np.floor(values))).any())


def _read_as_text(path: Path, places: Sequence[int], options: Mapping[str, Any]) -> pd.DataFrame:
    """Columns of a file as they stand."""
    with opened(path) as file:
        return pd.read_csv(file, usecols=list(places), dtype=str, keep_default_na=False, **options)


def opened(path: Path) -> BinaryIO:
    """A file's content, decompressed."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        archive = zipfile.ZipFile(path)
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise TableError([f"{path.name}: holds {len(members)} files, not one table"])
        return archive.open(members[0])
    opener = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(suffix, open)
    return opener(path, "rb")


def encoding_of(path: Path) -> str:
    """UTF-16 where a byte order mark says so, else UTF-8 with or without one."""
    with opened(path) as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise TableError([f"{path.name}: UTF-32. Save it as UTF-8"])
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _has_quotes(path: Path, encoding: str) -> bool:
    """Whether a file has quotes. Refuses NUL characters."""
    quoted, lines = False, 0
    with opened(path) as file:
        texts = file if encoding != "utf-16" else io.TextIOWrapper(file, encoding=encoding)
        while chunk := texts.read(_CHUNK):
            part = chunk.encode() if isinstance(chunk, str) else chunk
            if b"\0" in part:
                line = 1 + lines + part[: part.index(b"\0")].count(b"\n")
                raise TableError([
                    f"{path.name}, line {line}: a NUL character, which would cut the cell. Remove "
                    "it; or is this a file of another kind, or UTF-16 without a byte order mark?"
                ])  # fmt: skip
            lines += part.count(b"\n")
            quoted = quoted or b'"' in part
    return quoted


def _find_separator(start: str) -> str:
    """The character that most evenly cuts the first rows, a comma where none does.

    >>> _find_separator("name;price\\n\\"a;b\\";1,5\\n")
    ';'
    """
    complete = start.rpartition("\n")[0] if len(start) >= _LOOKED_AT else start
    scores = {}
    for place, separator in enumerate(_SEPARATORS):
        reader = csv.reader(io.StringIO(complete, newline=""), delimiter=separator)
        try:
            widths = [len(row) for row in itertools.islice(reader, _RECORDS) if row]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            even = sum(width == widths[0] for width in widths) / len(widths)
            scores[separator] = (even, widths[0], -place)
    return max(scores, key=scores.__getitem__, default=",")


def _check_quotes(path: Path, encoding: str, separator: str, columns: int) -> None:
    """Refuses a quote that is not closed where its cell ends: it would swallow cells and rows."""
    limit = csv.field_size_limit(1 << 31 - 1)
    row, suspects, others = 0, [], []
    advice = (
        "A cell that begins with a quote ends with one; a quote inside it is written twice. Does a "
        "quote stay open?"
    )
    try:
        with io.TextIOWrapper(opened(path), encoding=encoding, newline="") as file:
            for cells in csv.reader(file, delimiter=separator, strict=True):
                if not cells:
                    continue
                if any("\n" in cell and separator in cell for cell in cells):
                    suspects.append((row, cells))
                elif row > 0 and len(others) < _RECORDS and len(cells) == columns:
                    others.append(cells)
                row += 1
    except csv.Error as error:
        raise TableError([f"{path.name}, row {row}: {error}. {advice}"]) from None
    finally:
        csv.field_size_limit(limit)
    for row, cells in suspects:
        if _holds_rows(cells, separator, columns, others):
            raise TableError([f"{path.name}, row {row}: a cell holds whole rows. {advice}"])


def _holds_rows(
    cells: list[str], separator: str, columns: int, others: Sequence[list[str]]
) -> bool:
    """Whether a row with line breaks in a cell is several rows as well, and like the others."""
    rows = [line.split(separator) for line in separator.join(cells).splitlines()]
    if any(len(row) != columns for row in rows):
        return False
    if len(cells) < columns:
        return True
    known = [set(column) for column in zip(*others, strict=True)]
    telling = 0
    for place, values in enumerate(known):
        if "\n" in cells[place]:
            continue
        numbers = all(_NUMBER.fullmatch(value) for value in values)
        if numbers or 2 * len(values) < len(others):
            telling += 1
            fits = _NUMBER.fullmatch if numbers else values.__contains__
            if not all(fits(row[place]) for row in rows):
                return False
    return telling > 0


def _with_padded_names(path: Path, frame: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
    """Columns of numbers that begin with a zero as they stand: those are names."""
    numeric = [(place, c) for place, c in enumerate(frame.columns) if _is_whole(frame[c])]
    if not numeric:
        return frame
    places = [place for place, _ in numeric]
    texts = _read_as_text(path, places, options)
    names = {}
    for _, column in numeric:
        text = texts[column]
        if _are_padded(text):
            names[column] = text.mask(text.isin(NA_WORDS))
    return frame.assign(**names) if names else frame


def _are_padded(cells: pd.Series) -> bool:
    """Whether numbers of a column begin with a zero, as names do."""
    return _are_texts(cells) and any(map(_NUMERIC_NAME.match, cells.dropna().unique()))


def _is_whole(cells: pd.Series) -> bool:
    """Whether a column holds whole numbers only, as integers or, with holes, as floats."""
    if cells.dtype.kind != "f":
        return cells.dtype.kind in "iu"
    values = cells.to_numpy()
    known = values[~np.isnan(values)]
    return len(known) < len(values) and bool((known == np.floor(known)).all())


def _with_decimal_commas(
    frame: pd.DataFrame,
    name: str,
    columns: Sequence[str],
    as_text: Callable[[list[str]], pd.DataFrame],
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Finds columns of numbers with decimal commas, which is why a file has semicolons.

    Args:
        frame: The file's cells.
        name: The file's name.
        columns: The columns that may hold numbers.
        as_text: Gives columns as they stand in the file.

    Returns:
        The cells, those of such columns as they stand, and the decimal marks that columns show.
    """
    parsed = [column for column in columns if frame[column].dtype.kind in "iuf"]
    texts = {c: frame[c] for c in columns if c not in parsed and _are_texts(frame[c])}
    marks, unsure = decimal_marks({c: cells.dropna().unique() for c, cells in texts.items()})
    if parsed and "," in marks.values():
        again = as_text(parsed)
        texts |= {c: again[c].mask(again[c].isin(NA_WORDS)) for c in parsed}
        marks, unsure = decimal_marks({c: cells.dropna().unique() for c, cells in texts.items()})
    for column, text in unsure.items():
        warnings.warn(
            f"{name}, column {column!r}: commas are read as decimal commas, since the file is "
            f"separated by semicolons: {text!r} is {with_decimal_point(text)}.",
            UserWarning,
            stacklevel=5,
        )
    commas = {column: texts[column] for column, mark in marks.items() if mark == ","}
    return frame.assign(**commas) if commas else frame, marks


def _are_texts(cells: pd.Series) -> bool:
    return pd.api.types.infer_dtype(cells, skipna=True) == "string"


def _with_points(cells: pd.Series) -> pd.Series:
    """A column of numbers with decimal commas, as numbers where all of them are."""
    points = cells.map(lambda cell: with_decimal_point(cell.strip()) or cell, na_action="ignore")
    return _typed(points.astype(object).where(cells.notna(), np.nan))


def _typed(cells: pd.Series) -> pd.Series:
    """A column of texts as numbers, where all of them are."""
    try:
        return pd.to_numeric(cells)
    except (ValueError, TypeError):
        return cells
