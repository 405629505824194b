"""The runs below a folder, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mmkeras.experiment.run_folder import CONFIG, METRICS
from mmkeras.reading import read_json
from mmkeras.reports.run_report import structure_words
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.schema import Schema
from mmkeras.tasks import task_class


def list_runs(folder: str | Path = "runs", tags: Sequence[str] = ()) -> pd.DataFrame:
    """One row for each run folder below a folder, also of those that have not finished.

    Args:
        folder: Where to look; also the folders in it.
        tags: Only runs that have all of these.

    Returns:
        Indexed by the run's folder, as a path below `folder`, in the order of their beginning:
        `name`, `tags`, `inputs`, `model`, `seed`, `figure` (the main one of its target), its
        value on the `test` rows, and when the run was `created`. What is not known, such as the
        figure of a run that has not finished, is missing; so is that of a trial of pre-training,
        which has one for each share of labels.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A run's file is damaged.

    Example:

    ```python
    runs = mmkeras.list_runs("runs", tags=["paper"])
    best = mmkeras.Run(f"runs/{runs['test'].idxmax()}")
    ```
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder.absolute()}.")
    rows = {}
    for path in sorted(folder.rglob(CONFIG)):
        config = read_json(path)
        config = {**config.get("identity", {}), **config}  # where trials of pre-training say it
        # Comparisons have a file of the same name, which says what all their models share.
        if {"schema", "created"} <= set(config) and set(tags) <= set(config.get("tags", ())):
            rows[path.parent.relative_to(folder).as_posix()] = _row(path.parent, config)
    columns = ["name", "tags", "inputs", "model", "seed", "figure", "test", "created"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("run")
    return table.sort_values("created", kind="stable")


def _row(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    schema = Schema.from_dict(config["schema"])
    row = {
        **name_and_tags_words(config),
        "inputs": "+".join(schema.names),
        "model": "generative" if "generation" in config else structure_words(config),
        "seed": config["seed"],
        "created": config["created"],
    }
    if schema.target is not None:
        main = task_class(schema.target).main_of(schema.target)
        row["figure"] = main.key
        if (folder / METRICS).is_file():
            row["test"] = read_json(folder / METRICS).get("test", {}).get(main.key)
    return row
