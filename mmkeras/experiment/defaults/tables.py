"""Tables: how numbers are scaled, and what reads the columns."""

from __future__ import annotations

import pandas as pd

from mmkeras.experiment.defaults.choice import Choice
from mmkeras.schema import Schema, Tabular

_MANY_ROWS = 1000  # from so many on, thresholds can be learnt


def choose_tabular(frame: pd.DataFrame, modality: Tabular, schema: Schema) -> Choice:
    """Ranks over bins where there are rows enough to fill them, otherwise plain z-scores."""
    count = len(modality.columns)
    columns = f"{count} column{'s' * (count > 1)}"
    said = f"tabular {modality.name!r}: {columns}, {len(frame):,} rows"
    numbers = len(modality.numeric) + len(modality.dates)
    if len(frame) < _MANY_ROWS or not numbers:
        options = {"units": (64, 64), "dropout": 0.2}
        return Choice(f"{said} -> scaled numbers, dense layers", {}, "mlp", options)
    reason = f"{said} -> ranks of numbers spread over bins, dense layers"
    options = {"units": (128, 128), "bins": 16, "dropout": 0.1}
    return Choice(reason, {"scaling": "quantile"}, "piecewise", options)
