"""What the names in a column mean: one canonical form, and finding a name among known ones.

A CSV file says `true`, `01234` or `3.0` where pandas makes `True`, `1234` and `3` of it. Both mean
the same, in any column of categories, classes, ids or groups.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import EXACT, NA_WORDS, label_names

_BOOLEANS = {"true": "True", "false": "False"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PADDED = re.compile(r"[+-]?0\d", re.ASCII)
_MISSING = frozenset(word for word in NA_WORDS if word)


def canonical_names(column: pd.Series) -> pd.Series:
    """The names in a column, in the form that its table gets wherever it comes from.

    A column of nothing but `true` and `false`, in any case, holds `"True"` and `"False"`; one of
    nothing but numbers holds them as pandas would write them (`"3.0"` is `"3"`), unless one of them
    begins with a zero, as postcodes do (`"01234"`). Any other column keeps its names as they are.

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
    if all(_NUMBER.fullmatch(name) and not _PADDED.match(name) for name in names):
        return _number_name
    return None


def _number_name(name: str) -> str:
    if name.removeprefix("-").isdigit():  # exact, however large
        return str(int(name))
    value = float(name)
    if not math.isfinite(value):
        return name
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)


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
        if missing_is_known:
            self._by_meaning.pop("missing", None)

    def place(self, name: str | None) -> int:
        """The place of a name among the known ones; -1 where it is not among them."""
        found = self._exact.get(name) if name is not None else None
        return self._by_meaning.get(_meaning(name), -1) if found is None else found

    def places(self, names: Iterable[str | None]) -> np.ndarray:
        """The place of each name, int64 `(names,)`; -1 where it is not among the known ones."""
        codes, distinct = pd.factorize(np.array([*names, None], dtype=object), use_na_sentinel=True)
        places = [self.place(name) for name in distinct] + [self.place(None)]
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
