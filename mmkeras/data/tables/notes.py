"""What is noted of a table beside its cells, in `DataFrame.attrs`: how they were written."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

NUMBERS_AS_NAMES = "numbers as names"  # columns in which names may have been written otherwise
DECIMAL_MARKS = "decimal marks"  # by column, "," or "."


def note(frame: pd.DataFrame, key: str, value: list[str] | dict[str, str]) -> None:
    """Notes something of a table, which its copies and parts then know, too.

    As one text, since pandas copies attrs deeply with every column that is looked at.
    """
    if value:
        frame.attrs[key] = json.dumps(value)


def noted(frame: pd.DataFrame, key: str) -> Any:
    """What was noted of a table; an empty list where nothing was.

    >>> frame = pd.DataFrame({"a": [1, 2]})
    >>> note(frame, DECIMAL_MARKS, {"a": ","})
    >>> noted(frame.iloc[:1].copy(), DECIMAL_MARKS)
    {'a': ','}
    """
    return json.loads(frame.attrs.get(key, "[]"))
