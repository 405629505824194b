"""Read a table of one's own data, and check all of it against its schema.

A table is a `pandas.DataFrame` with one row per sample. `read_table` is the door: behind it

- image cells are absolute path strings (of a file, or of a member of a tar file, written as
  `/data/train-0.tar::n01/7.jpg`), encoded bytes or arrays,
- text, categories, class labels, ids and groups are `str`,
- numbers, regression targets and labels with a column each are `float64`, dates `datetime64`,
- an empty cell of an input (a "hole") is `None`, and NaN among numbers.

Rows are counted as a spreadsheet without its header counts them: the first data row is row 1
(blank lines of a CSV file are not counted).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import Problem, empty_cells, missing_cells, weight_problem
from mmkeras.data.tables.columns import column_roles, did_you_mean, names_may_differ, read_column
from mmkeras.data.tables.errors import ALL_EMPTY, TARGET_EMPTY, TableError, check_repeated
from mmkeras.data.tables.files import load_file
from mmkeras.data.tables.names import are_numbers, without_na_words
from mmkeras.data.tables.notes import DECIMAL_MARKS, NUMBERS_AS_NAMES, note, noted
from mmkeras.schema import Schema
from mmkeras.tasks import task_class


def read_table(
    source: str | Path | pd.DataFrame,
    schema: Schema,
    *,
    base_dir: str | Path | None = None,
    require_target: bool = True,
    allow_unlabelled: bool = False,
    allow_holes: bool = False,
    on_error: str = "raise",
    decimal_marks: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Reads a table and checks all of it against its schema at once.

    Holes, i.e. empty cells of inputs, are allowed, but not a row without any input. An empty
    multi-label cell means that none of the labels applies. In a CSV file, texts, categories, paths,
    ids and groups are read as they stand ("007", "NA" and "None" too); numeric columns and targets
    take the usual words for "no value" as such, unless the target says `na_is_class`. Names have
    one form wherever the table comes from: see `canonical_names`.

    Args:
        source: A file or folder of files (CSV and the like, Parquet, JSON lines, Feather, Excel,
            tar), or a DataFrame, which is not changed.
        schema: Which column is what.
        base_dir: The folder that image paths are relative to. Defaults to the file's own folder,
            and to the working directory for a DataFrame.
        require_target: With `False`, for prediction on new rows, only the input columns have to be
            there. The target may be anything, and ids may repeat.
        allow_unlabelled: Whether the target may be empty, for `clean_table(...,
            drop_unlabelled=True)`.
        allow_holes: Whether a row may lack all inputs, for `clean_table(..., drop_holes=True)`.
        on_error: `"raise"`, or `"skip"` to leave rows out that have a problem; what was wrong with
            them is in the result's `attrs`, as `"skipped"`.
        decimal_marks: For new rows, `Preprocessing.decimal_marks`: "," or "." by column, by which
            numbers were read in training. Otherwise those that this table shows.

    Returns:
        A DataFrame with the rows and columns of the source (columns that the schema does not name
        included), its cells as the module's docstring says.

    Raises:
        TableError: The table does not fit the schema; `problems` has everything that was found.
        FileNotFoundError: There is no such file.
        ValueError: The file's kind is not known.

    Example:

    ```python
    schema = Schema([Image("photo"), Text("caption")], target="label")
    frame = read_table("pets/pets.csv", schema)
    ```
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"`on_error` is 'raise' or 'skip'. Received: {on_error!r}.")
    roles = column_roles(schema)
    if isinstance(source, pd.DataFrame):
        raw, name, folder = source.copy(), "DataFrame", Path()
    else:
        if not isinstance(source, str | os.PathLike):
            raise ValueError(
                "A table is a file or a pandas.DataFrame. Received: "
                f"{type(source).__module__}.{type(source).__name__}."
            )
        path = Path(source).expanduser()
        raw, name = load_file(path, roles, decimal_marks), path.name
        folder = path if path.is_dir() else path.parent
    folder = (folder if base_dir is None else Path(base_dir).expanduser()).absolute()
    if isinstance(raw.columns, pd.MultiIndex):
        raise TableError([f"{name}: columns have names of several levels; give each one name"])
    check_repeated(name, list(raw.columns), roles)

    required = list(roles) if require_target else schema.columns
    problems: list[tuple[int | None, str]] = [
        (
            None,
            f"{name}: no column {column!r}{did_you_mean(column, raw.columns)}. "
            f"The table has {list(raw.columns)}",
        )
        for column in required
        if column not in raw.columns
    ]
    if not len(raw):
        problems.append((None, f"{name}: the table has no rows"))
    marks = {**(noted(raw, DECIMAL_MARKS) or {}), **(decimal_marks or {})}
    frame, found = _read_cells(raw, schema, roles, folder, require_target, allow_unlabelled, marks)
    for column, row, problem in found:
        place = f"row {row}, column" if row else "column"
        problems.append((row, f"{name}, {place} {column!r}: {problem}"))
    if not allow_holes and all(column in frame.columns for column in schema.columns):
        absent = missing_cells(frame, schema).to_numpy().all(axis=1)
        for column in schema.target_columns if allow_unlabelled else ():
            if column in frame.columns:
                absent &= ~empty_cells(frame[column])  # such a row is dropped as it is
        inputs = ", ".join(map(repr, schema.columns))
        for row in 1 + np.flatnonzero(absent):
            problems.append((int(row), f"{name}, row {row}: {ALL_EMPTY} ({inputs})"))
    if not problems:
        return frame
    of_rows = {row for row, _ in problems}
    if on_error == "raise" or None in of_rows or len(of_rows) == len(raw):
        left = None not in of_rows and len(of_rows) < len(raw)
        raise TableError([text for _, text in problems], of_rows=left)
    frame = read_table(
        raw[~np.isin(np.arange(1, len(raw) + 1), list(of_rows))],
        schema,
        base_dir=folder,
        require_target=require_target,
        allow_unlabelled=allow_unlabelled,
        allow_holes=allow_holes,
        decimal_marks=marks,
    )
    frame.attrs["skipped"] = [text for _, text in problems]
    return frame


def _read_cells(
    raw: pd.DataFrame,
    schema: Schema,
    roles: dict[str, str],
    folder: Path,
    require_target: bool,
    allow_unlabelled: bool,
    marks: dict[str, str],
) -> tuple[pd.DataFrame, list[tuple[str, int | None, str]]]:
    """The table with its columns read by their roles, and the problems: column, row and what."""
    read: dict[str, pd.Series] = {}
    problems, numbers = [], []
    for column, role in roles.items():
        if column not in raw.columns:
            continue
        cells, is_target = raw[column], column in schema.target_columns
        if is_target and not schema.na_is_class(column):
            cells = without_na_words(cells)
        came = cells
        cells, found = read_column(cells, role, folder, schema.separator(column), marks)
        if are_numbers(raw, column) or (
            not found and names_may_differ(came, cells, role, schema.separator(column))
        ):
            numbers.append(column)
        if require_target:
            found += _check_keys(column, cells, schema, allow_unlabelled)
        elif (is_target or column == schema.weight) and found:
            continue  # not asked for: as it came
        read[column] = cells
        problems += [(column, *each) for each in sorted(found, key=lambda item: item[0] or 0)]
    if not read:
        return raw, problems
    # All columns at once: one by one, wide tables take minutes.
    cells = [read.get(c, raw.iloc[:, place]) for place, c in enumerate(raw.columns)]
    frame = pd.concat(cells, axis=1)
    note(frame, NUMBERS_AS_NAMES, numbers)
    note(frame, DECIMAL_MARKS, marks)
    return frame, problems


def read_raw(path: str | Path) -> pd.DataFrame:
    """Reads a file without a schema, its columns of the types that pandas gives them.

    This is what `infer_schema` looks at; `read_table` then reads the file by the schema.

    Args:
        path: A file or folder, as for `read_table`.

    Raises:
        TableError: The file is not a well-formed table.
        FileNotFoundError: There is no such file.
        ValueError: The file's kind is not known.
    """
    return load_file(Path(path), None)


def _check_keys(
    column: str, cells: pd.Series, schema: Schema, allow_unlabelled: bool
) -> list[Problem]:
    """What must not be empty or repeat: the cells of target, group, id and weight."""
    problems: list[Problem] = []
    if column == schema.weight and cells.dtype == np.float64:  # otherwise found already
        problems += [(row, why) for row, why in enumerate(map(weight_problem, cells), 1) if why]
        if not problems and not cells.any():
            problems.append((None, "no row has a weight above 0"))
    if column == schema.id:
        first: dict[Any, int] = {}
        for row, value in enumerate(cells, start=1):
            if value is None:
                problems.append((row, "the id is empty"))
            elif first.setdefault(value, row) != row:
                problems.append((row, f"the id {value!r} is already in row {first[value]}"))
    is_target, target = column in schema.target_columns, schema.target_of(column)
    if (is_target and not allow_unlabelled) or column == schema.group:
        empty = np.flatnonzero(empty_cells(cells))
        if not (is_target and task_class(target).empty_says(target)):
            why = TARGET_EMPTY if is_target else "the group is empty"
            problems += [(int(position) + 1, why) for position in empty]
        elif len(empty) == len(cells):
            problems.append((None, "no row has a label"))
    return problems
