"""What a search is: its rows, its settings, and what makes it the same search again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.experiment.data_config import DataConfig, to_json
from mmkeras.experiment.name_and_tags import Named
from mmkeras.experiment.rows import Rows, experiment_rows, look_at_rows, save_findings
from mmkeras.experiment.settings import Settings
from mmkeras.studies.tuning.space import SearchSpace, first_values, fitting_choices
from mmkeras.tasks import task_class


@dataclass(frozen=True)
class TuneConfig(Named):
    """The search.

    Args:
        data: Which rows.
        space: What is searched.
        trials: Settings tried, with those of earlier calls.
        workers: Trials at a time, each in a process of its own; 0 runs them in this process. With
            two or more, the same search may give another result.
        final_seeds: Train the best settings with this many seeds, and look at the test rows.
        validation: Share of the (training) rows that judge a trial.
        test: Share of the rows that no trial sees, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        search_seed: Decides what is tried.
        out: The search's folder; by default runs/tune/NAME. The same folder again resumes.
        settings: The first trial's, and all that is not searched.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    space: Annotated[SearchSpace, tyro.conf.arg(name="")] = field(default_factory=SearchSpace)
    trials: int = 30
    workers: int = 1
    final_seeds: int = 0
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    search_seed: int = 0
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)

    @property
    def folder(self) -> Path:
        return self.out or Path("runs") / "tune" / self.data.name


def load_rows(config: TuneConfig) -> Rows:
    """The rows without the test rows."""
    rows = experiment_rows(config)
    splits = dataclasses.replace(rows.splits, test=rows.splits.test[:0])
    return dataclasses.replace(rows, splits=splits)


def describe(config: TuneConfig, choices: dict[str, list] | None) -> dict[str, Any]:
    """What makes this search this one, and what it chooses from unless that is known."""
    rows = load_rows(config)
    splits, schema = rows.splits, rows.schema
    save_findings(config.folder, look_at_rows(rows))
    if not len(splits.train) or not len(splits.validation):
        raise ValueError("A search needs training and validation rows. Set --validation above 0.")
    if choices is None:
        choices = fitting_choices(config.space, config.settings, schema, splits.train)
    own = to_json(dataclasses.replace(config, trials=0, workers=0, final_seeds=0, out=None))
    return {
        "config": {name: value for name, value in own.items() if name not in ("name", "tags")},
        "data": {
            "train": fingerprint(splits.train, schema),
            "validation": fingerprint(splits.validation, schema),
        },
        "figure": task_class(schema.target).main_of(schema.target).key,
        "choices": choices,
        "first": first_values(config.space, choices, config.settings, schema),
    }
