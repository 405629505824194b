"""From the cells of a column to what `tf.data` carries and a kind of media decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import is_empty, row_name

if TYPE_CHECKING:
    from mmkeras.data.kinds.base import MediaKind


def media_source(
    column: pd.Series, kind: MediaKind, settings: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Turns a column's cells into something that `tf.data` can carry.

    Args:
        column: Cells as `read_table` returns them: paths, encoded bytes, arrays or `None`.
        kind: Of which kind they are.
        settings: Of that kind, too.

    Returns:
        A pair `(contents, is_path)`: an object array of byte strings, `(rows,)`, each a path or
        an encoded medium (empty for `None`), and booleans, `(rows,)`.

    Raises:
        ValueError: Cells that are not such media, which `read_table` would have found.
    """
    contents = np.empty(len(column), dtype=object)
    is_path = np.zeros(len(column), dtype=bool)
    problems: list[str] = []
    for row, value in enumerate(column):
        problem = None
        if is_empty(value):
            contents[row] = b""
        elif isinstance(value, (bytes, bytearray)):
            contents[row] = bytes(value)
        elif isinstance(value, np.ndarray):
            problem = kind.array_problem(value)
            contents[row] = b"" if problem else kind.encode(value, settings)
        elif isinstance(value, str) or hasattr(value, "__fspath__"):
            contents[row] = str(value).encode("utf-8")
            is_path[row] = True
        else:
            problem = f"{kind.a_noun} is {kind.forms}, not {value!r:.60}"
        if problem:
            problems.append(f"{row_name(column.to_frame(), row)}: {problem}")
    if problems:
        shown = "\n  ".join(problems[:20])
        raise ValueError(
            f"Column {column.name!r}: {len(problems)} cell(s) are not {kind.plural}:\n  {shown}"
        )
    return contents, is_path
