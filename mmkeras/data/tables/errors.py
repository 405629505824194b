"""What is wrong with a table, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN_PROBLEMS = 20


class TableError(ValueError):
    """A table does not fit its schema.

    Args:
        problems: Every problem found, one sentence each. The message shows the first 20.
        of_rows: Whether each is one of a single row, so that the others could be used.
    """

    def __init__(self, problems: Iterable[str], of_rows: bool = False):
        self.problems = list(problems)
        self.of_rows = of_rows
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        lines = self.problems[:_SHOWN_PROBLEMS]
        if count > _SHOWN_PROBLEMS:
            lines = lines + [f"... and {count - _SHOWN_PROBLEMS} more"]
        heading = "The table has 1 problem:" if count == 1 else f"The table has {count} problems:"
        if any(problem.endswith(": the target is empty") for problem in self.problems):
            lines.append("(To leave rows without a target out: drop_unlabelled.)")
        if self.of_rows:
            lines.append("(To leave such rows out: on_error='skip', or --on-error skip.)")
        return "\n".join([heading, *(f"  {line}" for line in lines)])
