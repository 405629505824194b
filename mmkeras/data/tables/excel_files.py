"""Excel files that hold tables."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import label_name
from mmkeras.data.tables.errors import TableError, check_repeated, listed


def load_excel(path: Path, roles: Iterable[str] | None) -> pd.DataFrame:
    """The cells of the first sheet that has any, of the types that Excel gives them.

    Numbers that are stored as text ("007") stay texts. Empty rows do not count, as in a text file.

    Args:
        path: The file.
        roles: The columns that must not occur twice; `None` for all.

    Raises:
        TableError: The file is no Excel file, or has no cells.
        ValueError: openpyxl is not installed.
    """
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise ValueError(
            "Reading Excel files needs openpyxl: pip install openpyxl (the extra `excel` of "
            f"mmkeras), or save {path.name} as CSV."
        ) from None
    cells = _first_sheet(path)
    blank = np.flatnonzero(cells.isna().all(axis=1))
    if len(blank):
        rows = listed([str(row + 1) for row in blank])
        what = f"{path.name}: empty rows do not count: {rows} of the sheet"
        warnings.warn(what, UserWarning, stacklevel=5)
    cells = cells.dropna(how="all").dropna(how="all", axis=1)
    names = [label_name(name) or f"Unnamed: {place}" for place, name in cells.iloc[0].items()]
    check_repeated(path.name, names, dict.fromkeys(names) if roles is None else roles)
    cells = cells.iloc[1:].reset_index(drop=True)
    cells.columns = pd.Index(names, dtype=object)
    return cells.infer_objects()


def _first_sheet(path: Path) -> pd.DataFrame:
    """The cells as Excel keeps them, with those above the table; the first row has the names."""
    try:
        with warnings.catch_warnings(), pd.ExcelFile(path, engine="openpyxl") as book:
            # Of styles and other things that are no cells.
            warnings.filterwarnings("ignore", module="openpyxl")
            # pandas would make numbers of texts such as "007".
            plain = {"header": None, "dtype": object, "keep_default_na": False, "na_values": [""]}
            sheets = {name: book.parse(name, **plain) for name in book.sheet_names}
    except (zipfile.BadZipFile, KeyError) as error:
        hint = "Is it protected by a password, or of another kind?"
        raise TableError([f"{path.name}: not an Excel file: {error}. {hint}"]) from error
    filled = [name for name, cells in sheets.items() if cells.notna().to_numpy().any()]
    if not filled:
        raise TableError([f"{path.name}: the file is empty"])
    if len(filled) > 1:
        what = f"{path.name}: of the sheets {filled}, the first is read; save others as CSV"
        warnings.warn(what, UserWarning, stacklevel=6)
    return sheets[filled[0]]
