"""Train each modality alone and all of them fused, and compare the models on the same test rows.

    python experiments/train.py                          # glyphs, embedded; under 4 minutes
    python experiments/train.py --dataset emoji          # 1,609 emoji: picture and description
    python experiments/train.py --data my.csv --target label
    python experiments/train.py --data my.csv --schema my.json --fusion attention --epochs 20
    python experiments/train.py --resume runs/train-glyphs/20260102-030405-fused

Each model leaves a run folder; `tensorboard --logdir runs` shows them side by side.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import tyro

from mmkeras.classical.floor.budget import FloorChoice, wants_floor
from mmkeras.cli import option, parse, run_script
from mmkeras.data.media.decoded import decoded_once
from mmkeras.experiment.data_config import DataConfig, data_config_from_json, to_json
from mmkeras.experiment.folders import new_folder, time_stamp
from mmkeras.experiment.rows import experiment_rows, look_at_rows
from mmkeras.experiment.run_folder import CONFIG, read_json
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import floor_of, train_run
from mmkeras.reports.markdown import format_table
from mmkeras.reports.run_report import comparison_table
from mmkeras.studies.trainings import FUSED, models_of, schema_of
from mmkeras.tasks import task_class


@dataclass(frozen=True)
class TrainConfig:
    """The experiment.

    Args:
        data: Which rows.
        models: all (each modality alone, and fused) or fused.
        validation: Share of the rows that choose the epoch (of the training rows, where the data
            set has its own test rows).
        test: Share of the rows that are looked at once, at the end.
        split_seed: Decides which rows are which, whatever `seed` is.
        floor: Whether classical models are trained on the same rows, as the line to beat: auto
            where it takes less than a minute.
        runs: Where run folders go.
        resume: Continue the experiment that this run folder belongs to; give it alone.
        settings: Model, training and preprocessing.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    models: Literal["all", "fused"] = "all"
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    floor: FloorChoice = "auto"
    runs: Path = Path("runs")
    resume: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)

    @property
    def experiment(self) -> str:
        return f"train-{self.data.name}"


@decoded_once()
def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns the comparison, one row per model."""
    arguments = sys.argv[1:] if arguments is None else arguments
    resumed = option(arguments, "--resume")
    if resumed is None:
        config, stamp = parse(TrainConfig, arguments, __doc__, by_rows=True), None
    else:
        config, stamp = read_config(Path(resumed), arguments)
    rows = experiment_rows(config)
    findings = look_at_rows(rows)
    table, schema, splits = rows.table, rows.schema, rows.splits
    task = task_class(schema.target)
    counted = ", ".join(f"{len(part):,} {name}" for name, part in splits.items())
    inputs = ", ".join(schema.names)
    print(f"{config.data.name}: {counted} rows; {schema.target.name} from {inputs}")
    if task.single_label:
        counts = task.class_counts(table, schema.target)
        print(f"{len(counts)} classes of {counts.min():,} to {counts.max():,} rows")

    if stamp is None:
        folder = new_folder(config.runs / config.experiment / time_stamp(), f"-{FUSED}")
        stamp = folder.name.removesuffix(f"-{FUSED}")
    floor = None
    if wants_floor(config.floor, schema, len(splits.train)):
        floor = floor_of(splits, schema, config.settings)
    runs = {}
    for name in models_of(schema) if config.models == "all" else (FUSED,):
        own = schema_of(schema, name)
        runs[name] = train_run(
            splits,
            own,
            config.runs / config.experiment / f"{stamp}-{name}",
            config.settings.select(own),
            findings=findings,
            compare_with=dict(runs),
            floor=floor if name == FUSED else None,
            details={"experiment": to_json(config), "stamp": stamp},
            cache_dir=config.runs / "cache",
            label=name,
        )
    comparison = comparison_table(
        {name: run.metrics for name, run in runs.items()}, runs[FUSED].preprocessing.task
    )
    print(f"\nOn the {len(splits.test):,} test rows:\n\n{format_table(comparison)}\n")
    for name, run in runs.items():
        for remark in run.metrics.get("remarks", ()):
            print(f"{name}: {remark}")
    if "floor" in runs[FUSED].metrics:
        print(runs[FUSED].metrics["floor"]["sentence"])
    print(f"report:  {runs[FUSED].path / 'report.md'}")
    print(f"look:    tensorboard --logdir {config.runs}")
    print(f"predict: python experiments/predict.py {runs[FUSED].path} new_rows.csv")
    return comparison


def read_config(folder: Path, arguments: list[str]) -> tuple[TrainConfig, str]:
    """The configuration that a run was started with, and its time stamp."""
    if len(arguments) > 2:
        raise ValueError("--resume takes every setting from the run folder; give it alone.")
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"{folder} is not a run folder: it has no {CONFIG}.")
    stored = read_json(folder / CONFIG)
    values = stored.get("experiment", {})
    if not {"data", "models", "split_seed", "settings"} <= set(values):
        raise ValueError(
            f"{folder} was not made by this script. A cross-validation resumes when it is "
            "called with the same --out, and mmkeras.train_run when it is called again."
        )
    config = TrainConfig(
        data=data_config_from_json(values["data"]),
        models=values["models"],
        validation=values["validation"],
        test=values["test"],
        split_seed=values["split_seed"],
        floor=values.get("floor", "off"),
        runs=folder.resolve().parents[1],
        settings=Settings.from_dict(values["settings"]),
    )
    return config, stored["stamp"]


if __name__ == "__main__":
    run_script(main, "; --resume FOLDER resumes it, with any run folder of this experiment")
