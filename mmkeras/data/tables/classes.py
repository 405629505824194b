"""Rare classes: leave them out, or make them one."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pandas as pd

from mmkeras.data.tables.cells import object_series
from mmkeras.data.tables.errors import listed
from mmkeras.schema import Schema
from mmkeras.tasks import task_class

OTHER = "other"


def limit_classes(
    frame: pd.DataFrame,
    schema: Schema,
    min_rows: int,
    rare: Literal["drop", "other"] = "drop",
) -> tuple[pd.DataFrame, list[str]]:
    """Leaves classes with few rows out, or makes them the class `"other"`.

    Of several labels in one row, only the rare ones are taken out; the row stays.

    Args:
        frame: A table as `read_table` returns it. It is not changed.
        schema: Which column is what; its target names classes.
        min_rows: Rows that a class has to have.
        rare: `"drop"` or `"other"`.

    Returns:
        The table, and what was done, in words.

    Raises:
        ValueError: The target has no classes for each row, or there already is a class `"other"`.

    Example:

    >>> from mmkeras.schema import Text
    >>> frame = pd.DataFrame({"note": list("abc"), "label": ["x", "x", "y"]})
    >>> limit_classes(frame, Schema([Text("note")], "label"), 2)[1]
    ["Dropped 1 rows of 1 classes with fewer than 2 rows: 'y' (1)."]
    """
    task = None if schema.target is None else task_class(schema.target)
    if task is None or not task.has_classes or task.per_step:
        raise ValueError(f"Rare classes need a target with classes. Received: {schema.target}.")
    if len(schema.target_columns) > 1:
        raise ValueError(
            f"The target has a column for each label, {list(schema.target_columns)}: leave the "
            "columns of rare labels out of it."
        )
    sets = task.label_sets(frame, schema.target)
    counts = Counter(name for labels in sets for name in labels if name is not None)
    few = {name: count for name, count in counts.items() if count < min_rows}
    if not few:
        return frame, []
    if rare == "other" and OTHER in counts:
        raise ValueError(f"There already is a class {OTHER!r}; rename it, or drop rare classes.")
    ranked = sorted(few, key=lambda name: (-few[name], name))
    shown = listed([f"{name!r} ({few[name]})" for name in ranked])
    which = f"of {len(few):,} classes with fewer than {min_rows} rows: {shown}."
    column = schema.target_columns[0]
    new = dict.fromkeys(few, OTHER if rare == "other" else None)
    changed = [
        tuple(dict.fromkeys(new.get(name, name) for name in labels if new.get(name, name)))
        for labels in sets
    ]
    joined = [schema.separator(column).join(labels) for labels in changed]
    table = frame.assign(**{column: object_series(joined, frame[column])})
    if rare == "other":
        return table, [f"Made {sum(few.values()):,} labels {OTHER!r}, {which}"]
    if not task.single_label:
        return table, [f"Left {sum(few.values()):,} labels out, {which}"]
    return table[[bool(labels) for labels in changed]], [
        f"Dropped {sum(few.values()):,} rows {which}"
    ]
