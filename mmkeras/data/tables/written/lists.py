"""Lists that a text file holds as text: `['a', 'b']`, as pandas writes them, and `[0.1, 0.2]`."""

from __future__ import annotations

import ast
import json
import re

import numpy as np

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ITEM = re.compile(rf"{_QUOTED}|[^\s,'\"\[\](){{}}:]+", re.DOTALL)
_ITEMS = re.compile(
    rf"\s*(?:{_ITEM.pattern})(?:(?:\s*,\s*|\s+)(?:{_ITEM.pattern}))*\s*,?\s*", re.DOTALL
)
_PAIRS = {"[": "]", "{": "}", "(": ")"}
_GAP = re.compile(r"(?<=[\d.\]])\s+(?=[-+\d.\[])")  # how NumPy separates numbers


def is_written_list(text: str) -> bool:
    """Whether a text stands in brackets, or in braces or parentheses with quotes inside."""
    bare = text.strip()
    if bare == "set()":
        return True
    if len(bare) < 2 or _PAIRS.get(bare[0]) != bare[-1]:
        return False
    return bare[0] == "[" or "'" in bare or '"' in bare


def written_list(text: str) -> list[str] | None:
    """The items of a list, set or tuple of names that is written as text, or None if it is not one.

    Example:

    >>> written_list("['a', 'b c']"), written_list("['a' 'b']"), written_list("[]")
    (['a', 'b c'], ['a', 'b'], [])
    """
    bare = text.strip()
    inner = "" if bare == "set()" else bare[1:-1]
    if not inner.strip():
        return []
    if "'" not in inner and '"' not in inner:
        if set(inner) & set("[](){}"):
            return None
        numbers = all(re.fullmatch(r"[+-]?[\d.]+", part) for part in inner.split())
        items = [item.strip() for item in (inner.split() if numbers else inner.split(","))]
        return None if "..." in items else items
    if not _ITEMS.fullmatch(inner):
        return None
    items = [ast.literal_eval(item) if item[0] in "'\"" else item for item in _ITEM.findall(inner)]
    return None if "..." in items else items


def written_array(text: str) -> np.ndarray | None:
    """A list of numbers, or of equally long lists of them, that is written as text, or None.

    Example:

    >>> written_array("[[1, 2], [3, 4]]").shape, written_array("[0.5 1.]").tolist()
    ((2, 2), [0.5, 1.0])
    """
    bare = text.strip()
    if not (bare.startswith("[") and bare.endswith("]")):
        return None
    try:
        values = json.loads(bare)
    except (ValueError, RecursionError):
        try:
            values = ast.literal_eval(_GAP.sub(", ", bare))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    try:
        array = np.array(values)
    except ValueError:  # lists of different lengths
        return None
    return array if array.dtype.kind in "iuf" and array.size else None
