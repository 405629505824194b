"""Boxes in cells: `[left, top, width, height]`, lists of them, and such lists as JSON text."""

from __future__ import annotations

import ast
import json
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import (
    NUMBERS,
    Problem,
    is_empty,
    label_name,
    object_series,
    shown_cell,
)
from mmkeras.data.tables.written.lists import written_array

# The roles of columns with one box in a cell, and with any number of them.
BOX_ROLES = ("box", "boxes")

_FORM = (
    "give [left, top, width, height] in pixels, or "
    '{"box": [left, top, width, height], "label": "circle"}, or a list of such boxes'
)


class Box(NamedTuple):
    """A box in a picture, in pixels from the upper left corner, and what is in it, if that is told.

    Example:

    >>> Box(2, 3, 10, 20, "cat").label
    'cat'
    """

    left: float
    top: float
    width: float
    height: float
    label: str | None = None


def parse_boxes(cell: Any) -> list[Box]:
    """The boxes of a cell that is not empty.

    Args:
        cell: A box, a list of boxes, or either as JSON text; a box is a list of four numbers, or
            a dict of such a list (`box`) and a `label`.

    Raises:
        ValueError: Why it holds no boxes.

    Example:

    >>> parse_boxes('[[1, 2, 3, 4]]')
    [Box(left=1.0, top=2.0, width=3.0, height=4.0, label=None)]
    >>> [box.label for box in parse_boxes({"box": [0, 0, 9, 9], "label": "cat"})]
    ['cat']
    """
    found = _from_text(cell) if isinstance(cell, str) else cell
    if isinstance(found, np.ndarray):
        found = found.tolist()
    if isinstance(found, dict) or (_is_list(found) and len(found) and _is_number(found[0])):
        found = [found]
    if not _is_list(found):
        raise ValueError(f"{shown_cell(cell)} is not a list of boxes; {_FORM}")
    return [_box(each, number, len(found)) for number, each in enumerate(found, start=1)]


def written_boxes(boxes: list[Box]) -> str:
    """The one text that says these boxes, as `read_table` gives it.

    >>> written_boxes([Box(1.0, 2.5, 3.0, 4.0, "cat")])
    '[{"box": [1, 2.5, 3, 4], "label": "cat"}]'
    """
    listed = []
    for box in boxes:
        numbers = [int(x) if float(x).is_integer() else float(x) for x in box[:4]]
        labelled = {"box": numbers, "label": box.label}
        listed.append(numbers if box.label is None else labelled)
    return json.dumps(listed, ensure_ascii=False)


def read_boxes(cells: pd.Series, role: str) -> tuple[pd.Series, list[Problem]]:
    """Reads a column of boxes, and finds what is wrong with its cells.

    Args:
        cells: The cells as they came.
        role: One of `BOX_ROLES`.

    Returns:
        Each cell as `written_boxes` writes it, `None` where it is empty (an empty list is a
        picture without objects, not an empty cell); and the problems.
    """
    read: list[Any] = []
    problems: list[Problem] = []
    labelled: dict[bool, list[int]] = {True: [], False: []}
    for row, cell in enumerate(cells, start=1):
        if not isinstance(cell, np.ndarray) and is_empty(cell):
            read.append(None)
            continue
        try:
            boxes = parse_boxes(cell)
        except ValueError as error:
            read.append(cell)
            problems.append((row, str(error)))
            continue
        read.append(written_boxes(boxes))
        if role == "box" and len(boxes) != 1:
            problems.append(
                (row, f"has {len(boxes)} boxes; give one, or say Boxes(..., several=True)")
            )
        for box in boxes:
            labelled[box.label is not None].append(row)
    if all(labelled.values()):
        first = labelled[True][0]
        why = f"has a box without a label, and row {first} has one with; label all or none"
        problems += [(row, why) for row in dict.fromkeys(labelled[False])]
    return object_series(read, cells), sorted(problems, key=lambda problem: problem[0] or 0)


def _from_text(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval, written_array):
        try:
            found = parse(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if found is not None:
            return found
    return None


def _box(given: Any, number: int, count: int) -> Box:
    """One of `count` boxes of a cell, checked."""
    which = "" if count == 1 else f"box {number} of {count}: "
    label, numbers = None, given
    if isinstance(given, dict):
        if unknown := sorted(set(given) - {"box", "label"}):
            raise ValueError(f"{which}unknown keys {unknown}; {_FORM}")
        numbers, label = given.get("box"), label_name(given.get("label"))
    if isinstance(numbers, np.ndarray):
        numbers = numbers.tolist()
    if not _is_list(numbers) or len(numbers) != 4 or not all(map(_is_number, numbers)):
        raise ValueError(f"{which}{shown_cell(given)} is not a box of four numbers; {_FORM}")
    left, top, width, height = (float(x) for x in numbers)
    if not all(map(math.isfinite, (left, top, width, height))):
        raise ValueError(f"{which}{shown_cell(given)} has a number that is NaN or infinite")
    if width <= 0 or height <= 0:
        raise ValueError(
            f"{which}{shown_cell(given)} has the size {width:g}×{height:g}; width and height are "
            "above 0 (a box is left, top, width, height)"
        )
    return Box(left, top, width, height, label)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool | np.bool_)
