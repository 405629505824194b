"""What the names in a column mean: one canonical form, and finding a name among known ones.

A CSV file says `true`, `01234` or `3.0` where pandas makes `True`, `1234` and `3` of it. Both mean
the same, in any column of categories, classes, ids or groups.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import EXACT, NA_WORDS, label_names
from mmkeras.data.tables.errors import listed
from mmkeras.data.tables.notes import NUMBERS_AS_NAMES, noted

_BOOLEANS = {"true": "True", "false": "False"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# What no number is written like: postcodes such as 01234, versions such as 1.10.
_PADDED = re.compile(r"[+-]?0\d.*|[+-]?\d*\.\d+0", re.ASCII)
_MISSING = frozenset(word for word in NA_WORDS if word)


def canonical_names(column: pd.Series) -> pd.Series:
    """The names in a column, in the form that its table gets wherever it comes from.

    A column of nothing but `true` and `false`, in any case, holds `"True"` and `"False"`; one of
    nothing but numbers holds them as pandas would write them (`"3.0"` is `"3"`), unless one of them
    begins with a zero, as postcodes do (`"01234"`), or ends with one, as versions do (`"1.10"`).
    Any other column keeps its names as they are.

    Args:
        column: Categories, classes, ids or groups, as they came.

    Returns:
        A Series of `str` with the same index; an empty cell is `None`.

    Example:

    >>> list(canonical_names(pd.Series(["true", "FALSE", None])))
    ['True', 'False', None]
    >>> [list(canonical_names(pd.Series(["3.0", other]))) for other in ("10", "x")]
    [['3', '10'], ['3.0', 'x']]
    """
    names = label_names(column)
    distinct = [name for name in names.unique() if name is not None]
    form = _common_form(distinct)
    new = {name: form(name) for name in distinct} if form else {}
    if all(old == name for old, name in new.items()):
        return names
    return names.map(new).astype(object).where(names.notna(), None)


def _common_form(names: Sequence[str]) -> Any:
    if all(name.lower() in _BOOLEANS for name in names):
        return lambda name: _BOOLEANS[name.lower()]
    if all(_NUMBER.fullmatch(name) and not _PADDED.fullmatch(name) for name in names):
        return _number_name
    return None


def _number_name(name: str) -> str:
    if name.removeprefix("-").isdigit():  # exact, however large
        return str(int(name))
    value = float(name)
    if not math.isfinite(value):
        return name
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)


def stand_for_numbers(cells: pd.Series, names: pd.Series) -> bool:
    """Whether names may have been written otherwise: 1 as 01 or 1.0.

    They may where cells came as numbers, or names have got the form of numbers.

    Args:
        cells: The cells as they came.
        names: Their names, as `canonical_names` returns them.
    """
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = cells.astype(object)
    if pd.api.types.infer_dtype(cells, skipna=True) not in ("string", "empty"):
        return True
    written = {cell.strip() for cell in cells.dropna().unique()}
    return not written <= {"", *names.unique()}


def are_numbers(frame: pd.DataFrame, column: str) -> bool:
    """Whether the names in a column of a table that `read_table` has read stand for numbers."""
    return column in noted(frame, NUMBERS_AS_NAMES)


def warn_of_one_meaning(column: str, names: Sequence[str]) -> None:
    """Says which names of the training rows only their writing tells apart, if any."""
    if pairs := KnownNames(names).of_one_meaning:
        shown = listed([" and ".join(map(repr, pair)) for pair in pairs], 3)
        warnings.warn(
            f"column {column!r}: {shown} are the same to pandas, which reads them as one number or "
            "truth value. A text file tells them apart, and so does a DataFrame of texts "
            f"(pandas.read_csv(..., dtype={{{column!r}: str}})); cells of other DataFrames that "
            "may be either are unknown to the model.",
            UserWarning,
            stacklevel=4,
        )


class KnownNames:
    """Finds names among those of the training rows: as they are, or else by what they mean.

    A name that is not known is looked up as a truth value, a number or a word for "missing", where
    exactly one known name means that: `"1234"`, as pandas reads the postcode, finds `"01234"`.

    Args:
        names: The known names.
        missing_is_known: Whether training rows had empty cells, which are then not looked up.

    Example:

    >>> known = KnownNames(["01234", "20095", "NA"])
    >>> known.places(["20095.0", "1234", "7", None]).tolist()
    [1, 0, -1, 2]
    >>> [KnownNames(["01", "1"]).place("1", numbers=each) for each in (False, True)]
    [1, -1]
    """

    def __init__(self, names: Sequence[str], missing_is_known: bool = False):
        self._exact = {name: place for place, name in enumerate(names)}
        by_meaning = defaultdict(list)
        for place, name in enumerate(names):
            meaning = _meaning(name)
            by_meaning[meaning].append(place)
            if isinstance(meaning, int) and abs(meaning) >= EXACT:
                # pandas makes a float of it where the column has holes.
                by_meaning[("float", float(meaning))].append(place)
        self._by_meaning = {
            meaning: places[0]
            for meaning, places in by_meaning.items()
            if meaning is not None and len(set(places)) == 1
        }
        self._shared = {
            meaning: tuple(names[place] for place in dict.fromkeys(places))
            for meaning, places in by_meaning.items()
            if meaning not in (None, "missing") and len(set(places)) > 1
        }
        if missing_is_known:
            self._by_meaning.pop("missing", None)

    @property
    def of_one_meaning(self) -> list[tuple[str, ...]]:
        """The known names that are the same number or truth value, as 01 and 1 are."""
        return list(self._shared.values())

    @property
    def meanings(self) -> dict[Any, int]:
        """By what exactly one known name means, its place.

        That is a whole number, another number, `("float", number)` of one too large to be exact,
        `"True"`, `"False"` or `"missing"`.
        """
        return dict(self._by_meaning)

    def candidates(self, name: str | None) -> tuple[str, ...]:
        """The known names that a number with this name may be, where they are several."""
        return self._shared.get(_meaning(name), ()) if self._shared else ()

    def place(self, name: str | None, numbers: bool = False) -> int:
        """The place of a name among the known ones; -1 where it is not among them.

        Args:
            name: The name.
            numbers: Whether it stands for a number, see `stand_for_numbers`. It then is none of
                several known names that are this number.
        """
        if numbers and self.candidates(name):
            return -1
        found = self._exact.get(name) if name is not None else None
        return self._by_meaning.get(_meaning(name), -1) if found is None else found

    def places(self, names: Iterable[str | None], numbers: bool = False) -> np.ndarray:
        """The place of each name, int64 `(names,)`; -1 where it is not among the known ones."""
        codes, distinct = pd.factorize(np.array([*names, None], dtype=object), use_na_sentinel=True)
        places = [self.place(name, numbers) for name in distinct] + [self.place(None)]
        return np.array(places, np.int64)[codes[:-1]]


def without_na_words(cells: pd.Series) -> pd.Series:
    """The cells, with `None` for the words for "no value" such as NA, as `pandas.read_csv` reads.

    Example:

    >>> list(without_na_words(pd.Series(["cat", "NA", "null"])))
    ['cat', None, None]
    """
    missing = np.array([isinstance(cell, str) and cell.strip() in _MISSING for cell in cells], bool)
    return cells.astype(object).mask(missing, None) if missing.any() else cells


def means_missing(name: str | None) -> bool:
    """Whether a name is empty, or one of the words for "no value" such as NA."""
    return name is None or name in _MISSING


def _meaning(name: str | None) -> Any:
    if means_missing(name):
        return "missing"
    if name.lower() in _BOOLEANS:
        return _BOOLEANS[name.lower()]
    if not _NUMBER.fullmatch(name):
        return None
    if name.lstrip("+-").isdigit():
        return int(name)  # exact: floats cannot tell long numbers apart
    value = float(name)
    return ("float", value) if abs(value) >= EXACT else value
