"""Tables as HTML: numbers in line, a long table folded, a wide one scrolled in its own box."""

from __future__ import annotations

import re
from html import escape

import pandas as pd

from mmkeras.reports.escaping import html_prose
from mmkeras.reports.parts import Table
from mmkeras.reports.wording import MISSING, format_cell

_ROWS_OPEN = 20
_MOST_ROWS = 500
# Set in smaller type.
_MANY_COLUMNS = 8
# A text with more letters may be wrapped, though not to a word a line.
_LONG = 30
_NUMERIC = ' class="number"'
# A number, a range, an interval: "0.81 ± 0.02", "+1.3 (0.4 to 2.1)", "12 %".
_NUMBER = re.compile(r"(?=.*\d)(?:to|[\d\s.,:+\-−–±%×/()\[\]<>≤≥≈])+")


def table_html(table: Table) -> str:
    """A table with its caption; of a long one the first rows, and the others folded away.

    Args:
        table: The table.
    """
    rows = len(table.frame)
    first = rows if rows <= _ROWS_OPEN else _ROWS_OPEN // 2
    blocks = _scroll_box(table, slice(first))
    if rows > first:
        summary = f"{min(rows, _MOST_ROWS) - first:,} more of {rows:,} rows"
        if rows > _MOST_ROWS:
            summary += f"; the others are in tables/{escape(table.name)}.csv"
        folded = _scroll_box(table, slice(first, _MOST_ROWS))
        blocks += f"<details><summary>{summary}</summary>{folded}</details>"
    return (
        f'<figure class="table" id="table-{escape(table.name)}">'
        f'<figcaption dir="auto">{html_prose(table.caption)}</figcaption>{blocks}</figure>'
    )


def _scroll_box(table: Table, rows: slice) -> str:
    frame = table.frame
    names = [frame.index.name or "", *frame.columns]
    # As in the whole table, so that its folded part stands as the open one does.
    held = frame[:_MOST_ROWS]
    numeric = [_is_numeric(held.index)]
    numeric += [_is_numeric(held.iloc[:, place]) for place in range(held.shape[1])]
    head = "".join(
        f'<th scope="col" dir="auto"{_NUMERIC * is_number}>{escape(str(name))}</th>'
        for name, is_number in zip(names, numeric, strict=True)
    )
    lines = []
    for values in frame[rows].itertuples(name=None):
        label, *cells = (format_cell(value, table.digits) for value in values)
        line = f'<th scope="row" dir="auto"{_NUMERIC * numeric[0]}>{escape(label)}</th>'
        for cell, is_number in zip(cells, numeric[1:], strict=True):
            kind = _NUMERIC if is_number else ' class="long"' if len(cell) > _LONG else ""
            line += f'<td dir="auto"{kind}>{escape(cell)}</td>'
        lines.append(f"<tr>{line}</tr>")
    many = ' class="many"' if len(names) > _MANY_COLUMNS else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="table {escape(table.name)}">'
        f"<table{many}><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _is_numeric(values: pd.Series | pd.Index) -> bool:
    """Whether all cells that hold anything are numbers, or texts that read as numbers."""
    cells = [format_cell(value, 3) for value in values]
    held = [cell for cell in cells if cell not in (MISSING, "")]
    return bool(held) and all(
        _NUMBER.fullmatch(cell) or re.fullmatch(r"-?\d.*e[+-]\d+|-?inf", cell) for cell in held
    )
