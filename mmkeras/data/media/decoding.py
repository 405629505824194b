"""From the cells of a column to what a kind of media decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import is_empty, row_name
from mmkeras.data.tables.errors import first_of

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import MediaKind


def media_cells(column: pd.Series, kind: MediaKind, settings: Any) -> list[bytes | str | None]:
    """Turns a column's cells into those that `kind.decode` takes.

    Args:
        column: Cells as `read_table` returns them: paths, encoded bytes, arrays or `None`.
        kind: Of which kind they are.
        settings: Of that kind, too.

    Returns:
        For each row the bytes of a medium, the path of one, or `None` for an empty cell.

    Raises:
        ValueError: Cells that are not such media, which `read_table` would have found.
    """
    cells: list[bytes | str | None] = []
    problems: list[str] = []
    for row, value in enumerate(column):
        cell, problem = None, None
        if is_empty(value):
            pass
        elif isinstance(value, (bytes, bytearray)):
            cell = bytes(value)
        elif isinstance(value, np.ndarray):
            problem = kind.array_problem(value)
            cell = None if problem else kind.encode(value, settings)
        elif isinstance(value, str) or hasattr(value, "__fspath__"):
            cell = str(value)
        else:
            problem = f"{kind.a_noun} is {kind.forms}, not {value!r:.60}"
        if problem:
            problems.append(f"{row_name(column.to_frame(), row)}: {problem}")
        cells.append(cell)
    if problems:
        shown = "\n  ".join(first_of(problems))
        raise ValueError(
            f"Column {column.name!r}: {len(problems)} cell(s) are not {kind.plural}:\n  {shown}"
        )
    return cells
