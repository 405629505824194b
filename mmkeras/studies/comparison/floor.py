"""The classical floor as one more model of a comparison, on its very rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mmkeras.experiment.rows import Rows
from mmkeras.experiment.train import floor_of
from mmkeras.files import write_json
from mmkeras.studies.comparison.comparison_config import (
    CLASSICAL,
    ComparisonConfig,
    with_encoders,
)
from mmkeras.studies.comparison.shared_rows import fewer_rows, model_folder, save_model


def floor_rows(
    config: ComparisonConfig, out: Path, variants: tuple[str, ...], rows: Rows
) -> list[dict[str, Any]]:
    """Trains the floor and saves what it predicts; returns its figures for each choice of encoders.

    Args:
        config: The comparison.
        out: Its folder.
        variants: The choices of encoders.
        rows: The comparison's rows.
    """
    splits = rows.splits
    if config.rows is not None:
        train = fewer_rows(splits.train, rows.schema, config.rows, config.split_seed)
        splits = dataclasses.replace(splits, train=train)
    found = []
    for variant in variants:
        folder = model_folder(out, variant, CLASSICAL)
        floor = floor_of(splits, rows.schema, with_encoders(config.settings, variant))
        scores = floor.task.row_scores(floor.targets["test"], floor.outputs["test"])
        save_model(folder, 0, scores, floor.outputs)
        write_json(folder / "floor.json", {"method": floor.method, **floor.figures})
        key = floor.task.main.key
        row = {"encoders": variant, "model": CLASSICAL, "seed": 0}
        row |= {"score": floor.figures["test"][key], **floor.figures["test"]}
        if "validation" in floor.figures:
            row["validation"] = floor.figures["validation"][key]
        found.append({**row, "seconds": round(floor.seconds, 2)})
    return found
