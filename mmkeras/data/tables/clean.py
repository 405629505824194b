"""Clean a table: drop rows with holes, without an answer, or repeated, and say which."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmkeras.data.tables.cells import empty_cells, label_names, missing_cells
from mmkeras.data.tables.fingerprint import row_codes
from mmkeras.schema import Schema

EQUAL_ROWS = "equal rows"  # the column that `group_equal_rows` adds; with a group of its own:
_OR_GROUP = f"{EQUAL_ROWS} or "  # and that group's name


@dataclass(frozen=True)
class CleaningReport:
    """What `clean_table` did. `print(report)` says it in words.

    Args:
        rows: Rows before.
        holes: Row labels of the rows dropped because an input was absent.
        unlabelled: Row labels of the rows dropped because the target is empty.
        duplicates: Row labels of the rows that equal an earlier one, inputs and target.
        dropped_duplicates: Whether those were dropped.
    """

    rows: int
    holes: tuple[Any, ...] = ()
    unlabelled: tuple[Any, ...] = ()
    duplicates: tuple[Any, ...] = ()
    dropped_duplicates: bool = False

    @property
    def kept(self) -> int:
        repeated = len(self.duplicates) if self.dropped_duplicates else 0
        return self.rows - len(self.holes) - len(self.unlabelled) - repeated

    def __str__(self) -> str:
        lines = [f"Kept {self.kept:,} of {self.rows:,} rows."]
        for labels, why in (
            (self.holes, "with an empty input"),
            (self.unlabelled, "without a target"),
            (self.duplicates if self.dropped_duplicates else (), "equal to an earlier row"),
        ):
            if labels:
                lines.append(f"Dropped rows {why}: {_counted(labels)}.")
        if self.duplicates and not self.dropped_duplicates:
            lines.append(
                f"Rows equal to an earlier row, which are kept: {_counted(self.duplicates)}. If "
                "they are copies of one observation, drop them (drop_duplicates) or keep them on "
                "one side of every split (group_equal_rows)."
            )
        return " ".join(lines)


def _counted(labels: tuple[Any, ...]) -> str:
    shown = ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")
    return f"{len(labels):,} (index {shown})"


def clean_table(
    frame: pd.DataFrame,
    schema: Schema,
    *,
    drop_holes: bool = False,
    drop_unlabelled: bool = False,
    drop_duplicates: bool = False,
) -> tuple[pd.DataFrame, CleaningReport]:
    """Drops rows with holes, rows without a target, and repeated rows, each if asked to.

    Rows are observations, and equal ones are kept unless you know that they are copies; the report
    counts them.

    Args:
        frame: A table as `read_table` returns it. It is not changed.
        schema: Which column is what.
        drop_holes: Drop rows in which any modality is absent.
        drop_unlabelled: Drop rows whose target is empty.
        drop_duplicates: Drop rows whose inputs and target equal those of an earlier row. Images
            are compared by path, or by content where they are bytes or arrays.

    Returns:
        The rows that are left, with their row labels, and a `CleaningReport`.

    Raises:
        ValueError: No row would be left.
    """
    holes = np.zeros(len(frame), dtype=bool)
    if drop_holes:
        holes = missing_cells(frame, schema).to_numpy().any(axis=1)
    unlabelled = np.zeros(len(frame), dtype=bool)
    if drop_unlabelled:
        for column in schema.target_columns:
            unlabelled |= empty_cells(frame[column]) & ~holes
    codes = pd.Series(row_codes(frame, schema))
    duplicates = np.zeros(len(frame), dtype=bool)
    used = ~(holes | unlabelled)
    duplicates[used] = codes[used].duplicated()
    keep = used & ~duplicates if drop_duplicates else used
    if len(frame) and not keep.any():
        why = "have holes" if holes.all() else "have holes or no target"
        raise ValueError(
            f"All {len(frame)} rows {why}: drop_holes={drop_holes}, "
            f"drop_unlabelled={drop_unlabelled} would leave none."
        )
    report = CleaningReport(
        rows=len(frame),
        holes=tuple(frame.index[holes].tolist()),
        unlabelled=tuple(frame.index[unlabelled].tolist()),
        duplicates=tuple(frame.index[duplicates].tolist()),
        dropped_duplicates=drop_duplicates,
    )
    return frame.copy() if keep.all() else frame[keep], report


def group_equal_rows(frame: pd.DataFrame, schema: Schema) -> tuple[pd.DataFrame, Schema]:
    """Gives rows with equal inputs one group, so that splits never put them on two sides.

    Rows that the schema's own group holds together stay together, too.

    Args:
        frame: A table as `read_table` returns it. It is not changed.
        schema: Which column is what.

    Returns:
        The table with one more column, `"equal rows"` (`"equal rows or who"` where the schema has
        the group `who`), and the schema with it as its group.

    Example:

    >>> from mmkeras.schema import Text
    >>> frame = pd.DataFrame({"note": ["a", "b", "a"], "label": [0, 1, 1]})
    >>> table, schema = group_equal_rows(frame, Schema([Text("note")], "label"))
    >>> table[schema.group].tolist()
    ['0', '1', '0']
    """
    column = EQUAL_ROWS if schema.group is None else f"{_OR_GROUP}{schema.group}"
    if column in frame.columns:
        raise ValueError(f"The table already has a column {column!r}. Rename it.")
    codes = row_codes(frame, schema, target=False)
    if schema.group is not None:
        groups = pd.factorize(label_names(frame[schema.group]))[0] + codes.max() + 1
        links = coo_array((np.ones(len(frame)), (codes, groups)), (groups.max() + 1,) * 2)
        codes = connected_components(links, directed=False)[1][codes]
    table = frame.assign(**{column: codes.astype(str).astype(object)})
    return table, dataclasses.replace(schema, group=column)


def ungrouped(schema: Schema) -> Schema:
    """The schema that `group_equal_rows` made this one of; or this one, if it did not.

    >>> from mmkeras.schema import Text
    >>> ungrouped(Schema([Text("note")], "label", group="equal rows or who")).group
    'who'
    """
    if schema.group == EQUAL_ROWS:
        return dataclasses.replace(schema, group=None)
    own = None if schema.group is None else schema.group.removeprefix(_OR_GROUP)
    return schema if own == schema.group else dataclasses.replace(schema, group=own)
