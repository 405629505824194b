"""A report as Markdown, which GitHub renders and which also reads well as plain text.

All texts of a report are plain text, apart from `code`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.csv_files import write_csv
from mmkeras.files import write_bytes, write_text
from mmkeras.reports.card import Card
from mmkeras.reports.escaping import markdown_text
from mmkeras.reports.parts import Cards, Note, Part, Picture, Report, Table
from mmkeras.reports.wording import format_cell

_MARKS = {True: "✓ ", False: "✗ ", None: ""}


def write_markdown(report: Report, path: str | Path) -> str:
    """Writes a report, and its pictures into the folder `pictures` beside it.

    Tables of which the text shows the first rows only are whole in the folder `tables`.

    Args:
        report: What to write.
        path: The Markdown file.

    Returns:
        The file's text.
    """
    path = Path(path)
    if report.pictures:
        (path.parent / "pictures").mkdir(exist_ok=True)
    for picture in report.pictures:
        write_bytes(path.parent / "pictures" / f"{picture.name}.png", picture.png)
    cut = [table for table in report.tables if table.is_cut]
    if cut:
        (path.parent / "tables").mkdir(exist_ok=True)
    for table in cut:
        write_csv(path.parent / "tables" / f"{table.name}.csv", table.frame, index=True)
    text = report_markdown(report)
    write_text(path, text)
    return text


def report_markdown(report: Report) -> str:
    """The text; pictures are expected as `pictures/NAME.png`.

    Example:

    >>> from mmkeras.reports.parts import Section
    >>> sections = [Section("noise", "Does noise hurt?", "Little.", [Note("Ten rows only.")])]
    >>> print(report_markdown(Report("Audit", "of a toy", ["Sound."], {"rows": "10"}, sections)))
    # Audit
    <BLANKLINE>
    of a toy
    <BLANKLINE>
    - Sound.
    <BLANKLINE>
    ## Does noise hurt?
    <BLANKLINE>
    Little.
    <BLANKLINE>
    - Ten rows only.
    <BLANKLINE>
    ## Facts
    <BLANKLINE>
    - rows: 10
    <BLANKLINE>
    """
    blocks = [f"# {markdown_text(report.title)}", markdown_text(report.subtitle)]
    blocks.append(markdown_list(report.verdict))
    for section in report.sections:
        blocks += [f"## {markdown_text(section.title)}", markdown_text(section.conclusion)]
        blocks += _blocks(section.parts)
    if report.facts:
        facts = (f"{name}: {fact}" for name, fact in report.facts.items())
        blocks += ["## Facts", markdown_list(facts)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def format_table(table: pd.DataFrame, digits: int = 3) -> str:
    """A table as GitHub Markdown.

    Args:
        table: The rows. The index is the first column.
        digits: How many decimals a number below 10 gets; a larger one gets one.
    """

    def cell(value: Any) -> str:
        large = isinstance(value, (float, np.floating)) and abs(value) >= 10
        return f"{value:,.1f}" if large else markdown_text(format_cell(value, digits))

    header = [markdown_text(str(name)) for name in (table.index.name or "", *table.columns)]
    body = [[cell(str(row[0])), *map(cell, row[1:])] for row in table.itertuples(name=None)]
    widths = [max(len(row[place]) for row in [header, *body]) for place in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [row[0].ljust(widths[0])]
        + [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        for row in (header, rule, *body)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def table_markdown(table: Table) -> str:
    """A table below its caption; of one that is cut the first rows, and where the others are."""
    rows = format_table(table.frame[: table.shown], table.digits)
    text = f"{markdown_text(table.caption)}\n\n{rows}"
    if not table.is_cut:
        return text
    rows = f"The first {table.shown} of {len(table.frame):,} rows"
    return (
        f"{text}\n\n{rows}; all of them are in [tables/{table.name}.csv](tables/{table.name}.csv)."
    )


def markdown_list(lines: Iterable[str]) -> str:
    """Plain texts as a list."""
    return "\n".join(f"- {markdown_text(line)}" for line in lines)


def _blocks(parts: Sequence[Part]) -> Iterator[str]:
    for kind, alike in groupby(parts, type):
        if kind is Note:
            yield markdown_list(note.text for note in alike)
            continue
        for part in alike:
            if isinstance(part, Table):
                yield table_markdown(part)
            elif isinstance(part, Picture):
                yield f"![{part.name.replace('_', ' ')}](pictures/{part.name}.png)"
                yield markdown_text(part.caption)
            elif isinstance(part, Cards):
                yield markdown_text(part.caption)
                yield markdown_list(_card(card) for card in part.cards)


def _card(card: Card) -> str:
    """What a card says in words; its pictures and sounds are left out."""
    said = [
        (label, text if isinstance(text, str) else " ".join(word for word, _ in text))
        for label, text in card.texts
    ]
    said += (card.table or {}).items()
    cells = [f"{label}: {text}" if label else text for label, text in said]
    return "; ".join([f"{_MARKS[card.right]}{card.title}", *cells, *card.notes])
