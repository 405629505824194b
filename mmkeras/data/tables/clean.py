"""Clean a table: drop rows with holes and repeated rows, and say which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import missing_cells
from mmkeras.data.tables.columns import column_roles
from mmkeras.data.tables.fingerprint import cell_bytes
from mmkeras.schema import Schema


@dataclass(frozen=True)
class CleaningReport:
    """What `clean_table` did. `print(report)` says it in words.

    Args:
        rows: Rows before.
        holes: Row labels of the rows dropped because an input was absent.
        duplicates: Row labels of the rows dropped because an earlier row is the same.
    """

    rows: int
    holes: tuple[Any, ...] = ()
    duplicates: tuple[Any, ...] = ()

    @property
    def kept(self) -> int:
        return self.rows - len(self.holes) - len(self.duplicates)

    def __str__(self) -> str:
        lines = [f"Kept {self.kept} of {self.rows} rows."]
        for labels, why in (
            (self.holes, "with an empty input"),
            (self.duplicates, "equal to an earlier row"),
        ):
            if labels:
                shown = ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")
                lines.append(f"Dropped rows {why}: {len(labels)} (index {shown}).")
        return " ".join(lines)


def clean_table(
    frame: pd.DataFrame,
    schema: Schema,
    *,
    drop_holes: bool = False,
    drop_duplicates: bool = True,
) -> tuple[pd.DataFrame, CleaningReport]:
    """Drops rows with holes and repeated rows.

    Args:
        frame: A table as `read_table` returns it. It is not changed.
        schema: Which column is what.
        drop_holes: Drop rows in which any modality is absent.
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
    duplicates = np.zeros(len(frame), dtype=bool)
    if drop_duplicates:
        columns = [c for c in (*schema.columns, *schema.target_columns) if c in frame.columns]
        roles = column_roles(schema)
        parts = [[cell_bytes(v, roles[c], schema) for v in frame[c]] for c in columns]
        seen: set[tuple[bytes, ...]] = set()
        for position, key in enumerate(zip(*parts, strict=True)):
            if not holes[position]:
                duplicates[position] = key in seen
                seen.add(key)
    keep = ~(holes | duplicates)
    if len(frame) and not keep.any():
        raise ValueError(f"All {len(frame)} rows have holes: drop_holes=True would leave none.")
    report = CleaningReport(
        rows=len(frame),
        holes=tuple(frame.index[holes].tolist()),
        duplicates=tuple(frame.index[duplicates].tolist()),
    )
    return frame[keep].copy(), report
