"""A finding of the leakage checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One way in which the table gives the answer away.

    Args:
        severity: `"error"` (scores will mean nothing) or `"warning"` (look at it).
        check: Which check it is, in a few words.
        column: The column at fault.
        message: What was found, with an example, and what to do.
        rows: How many rows it concerns.
    """

    severity: str
    check: str
    column: str
    message: str
    rows: int


def count_of(number: int, noun: str = "row") -> str:
    """The number with its noun: "1 row", "2 rows"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
