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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import NA_WORDS
from mmkeras.data.tables.errors import TableError, check_repeated
from mmkeras.data.tables.written.numbers import decimal_points

_SEPARATORS = (",", ";", "\t", "|")
_LOOKED_AT = 1 << 18  # characters, to find the separator
_CHUNK = 1 << 22
_RECORDS = 200
_NUMBER = re.compile(r"\s*([+-]?[\d.,]+)?\s*")
_NUMERIC_NAME = re.compile(r"\s*[+-]?0\d")


def load_text(path: Path, suffix: str, roles: Mapping[str, str] | None) -> pd.DataFrame:
    """The cells of a text file, whose quotes are checked; see `files.load_file`.

    Args:
        path: The file.
        suffix: Its suffix in lower case, without that of compression: `.tsv` has tabs.
        roles: How columns will be read, or `None`.
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
    with warnings.catch_warnings(), opened(path) as file:
        # Rows longer than the header would lose cells, or shift them into an index.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            file,
            dtype=dict.fromkeys(as_they_stand, str),
            keep_default_na=False,
            na_values=na_words,
            **options,
        )
    if roles is None:
        frame = _with_padded_names(path, frame, options)
    if separator == ";":
        frame = _with_decimal_points(frame, path.name, roles)
    return frame


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
    with opened(path) as file:
        texts = pd.read_csv(file, usecols=places, dtype=str, keep_default_na=False, **options)
    names = {}
    for _, column in numeric:
        text = texts[column]
        if any(_NUMERIC_NAME.match(cell) for cell in text.unique()):
            names[column] = text.mask(text.isin(NA_WORDS))
    return frame.assign(**names) if names else frame


def _is_whole(cells: pd.Series) -> bool:
    """Whether a column holds whole numbers only, as integers or, with holes, as floats."""
    if cells.dtype.kind != "f":
        return cells.dtype.kind in "iu"
    values = cells.to_numpy()
    known = values[~np.isnan(values)]
    return len(known) < len(values) and bool((known == np.floor(known)).all())


def _with_decimal_points(
    frame: pd.DataFrame, name: str, roles: Mapping[str, str] | None
) -> pd.DataFrame:
    """Numbers with decimal commas, which is why a file has semicolons, as others write them."""
    changed = {}
    for column in frame.columns:
        role = None if roles is None else roles.get(column)
        if frame[column].dtype.kind not in "OT" and not isinstance(
            frame[column].dtype, pd.StringDtype
        ):
            continue
        if role not in (None, "number"):
            continue
        points, unsure = decimal_points(frame[column].dropna().unique())
        if points:
            changed[column] = frame[column].map(lambda cell, to=points: to.get(cell, cell))
            changed[column] = changed[column].astype(object).where(frame[column].notna(), np.nan)
            if role is None:
                changed[column] = _typed(changed[column])
        if points and unsure:
            warnings.warn(
                f"{name}, column {column!r}: commas are read as decimal commas, since the file is "
                f"separated by semicolons: {unsure!r} is {points[unsure]}.",
                UserWarning,
                stacklevel=5,
            )
    return frame.assign(**changed) if changed else frame


def _typed(cells: pd.Series) -> pd.Series:
    """A column of texts as numbers, where all of them are."""
    try:
        return pd.to_numeric(cells)
    except (ValueError, TypeError):
        return cells
