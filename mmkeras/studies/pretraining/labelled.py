"""Which rows have labels: a few of each class, the same for all who ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import label_names
from mmkeras.schema import Schema


def labelled_rows(
    frame: pd.DataFrame, schema: Schema, shares: Sequence[float], seed: int
) -> dict[float, np.ndarray]:
    """Draws the rows that keep their label, by class.

    Each class keeps its share as nearly as whole rows allow, and a row at least. Rows of one group
    are drawn together; a group counts as one of its most frequent class.

    Args:
        frame: Training rows.
        schema: Its target has one class for each row.
        shares: Of the rows, above 0, at most 1.
        seed: Decides the draw. A smaller share's rows are among those of a larger one.

    Returns:
        By share the positions of its rows in `frame`, sorted.

    Example:

    >>> from mmkeras.schema import Text
    >>> frame = pd.DataFrame({"note": list("abcdefgh"), "kind": ["x"] * 6 + ["y"] * 2})
    >>> chosen = labelled_rows(frame, Schema([Text("note")], "kind"), (0.5, 1.0), seed=0)
    >>> frame["kind"].iloc[chosen[0.5]].tolist(), len(chosen[1.0])
    (['x', 'x', 'x', 'y'], 8)
    """
    (target,) = schema.target_columns
    classes = pd.factorize(label_names(frame[target]))[0]
    names = np.arange(len(frame)) if schema.group is None else label_names(frame[schema.group])
    units = pd.factorize(names)[0]
    sizes = np.bincount(units)
    counts = np.zeros((len(sizes), classes.max() + 1), int)
    np.add.at(counts, (units, classes), 1)
    of_unit = counts.argmax(axis=1)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # Where each stands in its own class, from 0 to 1; one of each class comes first.
    turns = np.zeros(len(sizes))
    firsts = 0
    for kind in np.unique(of_unit):
        own = order[of_unit[order] == kind]
        turns[own] = (np.arange(len(own)) + 0.5) / len(own)
        turns[own[0]] = -1.0
        firsts += 1
    order = order[np.argsort(turns[order], kind="stable")]
    rows_so_far = np.cumsum(sizes[order])
    chosen = {}
    for share in shares:
        wanted = np.searchsorted(rows_so_far, round(share * len(frame)))
        taken = order[: max(firsts, int(wanted) + 1)]
        chosen[share] = np.flatnonzero(np.isin(units, taken))
    return chosen
