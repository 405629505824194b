"""What was inferred of a table: the schema, and column by column what was chosen and why."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from mmkeras.schema import Schema

_WIDTH = 100
_MOST_LINES = 60


@dataclass(frozen=True)
class ColumnChoice:
    """What a column was taken for.

    Args:
        column: Its name.
        use: `"target"`, `"id"`, `"group"`, a kind of input, `"images"` (several a cell),
            `"number"`, `"category"`, `"date"`, or `"left out"`.
        why: The reason, in words.
        warning: What to look at, where the choice may be wrong.
    """

    column: str
    use: str
    why: str
    warning: str = ""


@dataclass(frozen=True)
class InferredSchema:
    """A schema that was guessed, and the reasons. `print(inferred)` shows both as a table.

    Args:
        schema: Which column is what.
        columns: Of each column of the table, in its order, what it was taken for.

    Example:

    >>> import mmkeras, pandas as pd
    >>> frame = pd.DataFrame({"note": ["a cat", "a dog"], "size": [1.5, 2.5], "label": ["x", "y"]})
    >>> inferred = mmkeras.infer_schema(frame)
    >>> print(inferred)
    column  used as  because
    note    text     2 different texts
    size    number   numbers from 1.5 to 2.5
    label   target   2 classes
    >>> inferred.schema.names
    ('note', 'table')
    """

    schema: Schema
    columns: tuple[ColumnChoice, ...]

    def __getitem__(self, column: str) -> ColumnChoice:
        for choice in self.columns:
            if choice.column == column:
                return choice
        raise KeyError(f"No column {column!r}. The table has {[c.column for c in self.columns]}.")

    @property
    def left_out(self) -> tuple[str, ...]:
        """The columns that the schema does not name."""
        return tuple(choice.column for choice in self.columns if choice.use == "left out")

    @property
    def warnings(self) -> list[str]:
        """What to look at, a sentence for each column where the choice may be wrong."""
        return [f"{c.column!r}: {c.warning}." for c in self.columns if c.warning]

    def __str__(self) -> str:
        shown = self.columns
        if len(shown) > _MOST_LINES:
            # Of many alike, those that need a look.
            alike = {"number", "category"}
            shown = tuple(c for c in shown if c.use not in alike or c.warning)[:_MOST_LINES]
        lines = [("column", "used as", "because"), *((c.column, c.use, c.why) for c in shown)]
        first = min(max(len(line[0]) for line in lines), 32)
        second = max(len(line[1]) for line in lines)
        indent = " " * (first + second + 4)
        text = []
        for name, use, why in lines:
            name = name if len(name) <= first else name[: first - 1] + "…"
            whole = f"{name:<{first}}  {use:<{second}}  {why}"
            text += textwrap.wrap(whole, _WIDTH, subsequent_indent=indent, drop_whitespace=True)
        if len(shown) < len(self.columns):
            hidden = [c.use for c in self.columns if c not in shown]
            counts = ", ".join(f"{hidden.count(use):,} as {use}" for use in dict.fromkeys(hidden))
            text.append(f"... and {len(hidden):,} more columns: {counts}")
        text += [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join(text)
