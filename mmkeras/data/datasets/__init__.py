"""Public data sets by name. Each module documents its source, licence, rows and classes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mmkeras.schema import Schema

DATASETS = {
    "emoji": "mmkeras.data.datasets.emoji",
    "glyphs": "mmkeras.data.datasets.glyphs",
}


def load_dataset(name: str, **options: Any) -> tuple[pd.DataFrame, Schema]:
    """Loads a public data set.

    Args:
        name: One of `DATASETS`.
        **options: The arguments of the data set's own `load`.

    Returns:
        A table and its schema, as `read_table` takes them.

    Raises:
        ValueError: There is no data set of that name.

    Example:

    >>> table, schema = load_dataset("glyphs", size=32)
    >>> schema.names, schema.target.column
    (('image', 'name'), 'script')
    """
    if name not in DATASETS:
        raise ValueError(f"No data set {name!r}. There are: {', '.join(sorted(DATASETS))}.")
    return importlib.import_module(DATASETS[name]).load(**options)
