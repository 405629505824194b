"""What is wrong with a table, all of it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

# Problems that `clean_table` can mend.
TARGET_EMPTY, ALL_EMPTY = "the target is empty", "all inputs are empty"


def first_of(messages: Sequence[str], most: int = 20) -> list[str]:
    """The first messages, and a line that says how many more there are.

    >>> first_of(["a", "b", "c"], 1)
    ['a', '... and 2 more']
    """
    more = len(messages) - most
    return [*messages[:most], *([f"... and {more:,} more"] if more > 0 else [])]


def listed(names: Sequence[str], most: int = 10) -> str:
    """The first names in one line, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


class TableError(ValueError):
    """A table does not fit its schema.

    Args:
        problems: Every problem found, one sentence each. The message shows the first 20.
        of_rows: Whether each is one of a single row, and there are others that could be used.
    """

    def __init__(self, problems: Iterable[str], of_rows: bool = False):
        self.problems = list(problems)
        self.of_rows = of_rows
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        lines = first_of(self.problems)
        heading = "The table has 1 problem:" if count == 1 else f"The table has {count} problems:"
        if any(problem.endswith(TARGET_EMPTY) for problem in self.problems):
            lines.append("(To leave rows without a target out: drop_unlabelled.)")
        if any(ALL_EMPTY in problem for problem in self.problems):
            lines.append("(To leave rows without an input out: drop_holes.)")
        if self.of_rows:
            lines.append("(To leave such rows out: on_error='skip', or --on-error skip.)")
        return "\n".join([heading, *(f"  {line}" for line in lines)])


def check_repeated(name: str, columns: list[Any], roles: Iterable[str]) -> None:
    """Refuses a table in which one of the columns `roles` occurs twice."""
    counts = Counter(columns)
    repeated = [column for column in roles if counts[column] > 1]
    if repeated:
        raise TableError([f"{name}: several columns are called {c!r}" for c in repeated])
