"""Train each modality alone and all of them fused, and compare the models on the same test rows.

    python experiments/train.py                          # glyphs, embedded; under 4 minutes
    python experiments/train.py --dataset emoji          # 1,609 emoji: picture and description
    python experiments/train.py --data my.csv --target label
    python experiments/train.py --data my.csv --schema my.json --fusion attention --epochs 20
    python experiments/train.py --resume runs/train-glyphs/20260102-030405-fused
    python experiments/train.py --resume runs/train-glyphs/20260102-030405-fused --epochs 40
    python experiments/train.py --dataset emoji --devices 2   # one training on two GPUs

Several processes may train one model on the JAX backend (docs/scaling.md).

Each model leaves a run folder; `tensorboard --logdir runs` shows them side by side.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import tyro

from mmkeras.classical.floor.budget import FloorChoice, wants_floor
from mmkeras.cli import given_devices, option, parse, pinned, run_script, spread, without
from mmkeras.data.media.decoded import decoded_once
from mmkeras.experiment.begun import Begun, read_begun
from mmkeras.experiment.data_config import DataConfig, data_config_from_json
from mmkeras.experiment.folders import new_folder, time_stamp
from mmkeras.experiment.name_and_tags import Named, run_details
from mmkeras.experiment.rows import experiment_rows, look_at_rows
from mmkeras.experiment.run_folder import CONFIG, METRICS, Run
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import floor_of, train_run
from mmkeras.interrupts import resume_with
from mmkeras.reading import naming
from mmkeras.reports.markdown import format_table
from mmkeras.reports.run_report import comparison_table
from mmkeras.studies.trainings import FUSED, models_of, schema_of
from mmkeras.tasks import task_class
from mmkeras.threads import pinned_threads
from mmkeras.training.distribution import agreed, leads
from mmkeras.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainConfig(Named):
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
        resume: Continue the experiment that this run folder belongs to, as it was begun. With
            --epochs N, train on instead: a new run of N epochs begins with the weights of this one,
            which has finished. --seed and other settings of training may be given then, too.
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


@dataclass(frozen=True)
class Plan:
    """What is trained, and where.

    Args:
        config: The experiment.
        place: The folder of the run folders.
        stamp: What their names begin with; `None` for the time.
        labels: Which models; `None` for those that the configuration says.
        start_from: The run whose weights they begin with.
        command: The command that began the experiment, if this one does not.
    """

    config: TrainConfig
    place: Path
    stamp: str | None = None
    labels: tuple[str, ...] | None = None
    start_from: Path | None = None
    command: str | None = None


@decoded_once()
def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns the comparison, one row per model."""
    arguments = spread(pinned(sys.argv[1:] if arguments is None else arguments))
    if option(arguments, "--resume") is None:
        config = parse(TrainConfig, arguments, __doc__, by_rows=True)
        return train(Plan(config, config.runs / config.experiment))
    return train(resumed(arguments))


def train(plan: Plan) -> pd.DataFrame:
    """Trains what is planned and not there yet; returns the comparison, one row per model."""
    config = plan.config
    details = run_details(config)
    rows = experiment_rows(config)
    findings = look_at_rows(rows) if leads() else None
    schema, splits = rows.schema, rows.splits
    task = task_class(schema.target)
    counted = ", ".join(f"{len(part):,} {name}" for name, part in splits.items())
    inputs = ", ".join(schema.names)
    print(f"{config.data.name}: {counted} rows; {schema.target.name} from {inputs}")
    if task.single_label:
        counts = task.class_counts(rows.table, schema.target)
        print(f"{len(counts)} classes of {counts.min():,} to {counts.max():,} rows")
    del rows  # the whole table would stay in memory beside its parts

    labels = plan.labels or (models_of(schema) if config.models == "all" else (FUSED,))
    stamp = plan.stamp
    if stamp is None and leads():
        folder = new_folder(plan.place / time_stamp(), f"-{labels[-1]}")
        stamp = folder.name.removesuffix(f"-{labels[-1]}")
    stamp = agreed(stamp)
    floor = None
    wanted = FUSED in labels and not (plan.place / f"{stamp}-{FUSED}" / METRICS).exists()
    if wanted and leads() and wants_floor(config.floor, schema, len(splits.train)):
        floor = floor_of(splits, schema, config.settings)
    details["stamp"] = stamp
    if plan.command is not None:
        details["environment"] = {"command": plan.command}
    before = {} if plan.start_from is None else {f"{labels[-1]} before": Run(plan.start_from)}
    runs = {}
    for name in labels:
        own, folder = schema_of(schema, name), plan.place / f"{stamp}-{name}"
        again = ["--resume", folder, *pinned_threads(), *given_devices()]
        resume_with(again, once=folder / CONFIG)
        runs[name] = train_run(
            splits,
            own,
            folder,
            config.settings.select(own),
            findings=findings,
            start_from=plan.start_from,
            compare_with={**before, **runs},
            floor=floor if name == FUSED else None,
            details=details,
            cache_dir=config.runs / "cache",
            label=name,
        )
    last = runs[labels[-1]]
    runs = {**before, **runs}
    comparison = comparison_table(
        {name: run.metrics for name, run in runs.items()}, last.preprocessing.task
    )
    print(f"\nOn the {len(splits.test):,} test rows:\n\n{format_table(comparison)}\n")
    for name, run in runs.items():
        for remark in run.metrics.get("remarks", ()):
            print(f"{name}: {remark}")
    if "floor" in last.metrics:
        print(last.metrics["floor"]["sentence"])
    print(f"report:  {last.path / 'report.md'}")
    print(f"look:    tensorboard --logdir {config.runs}")
    print(f"predict: python experiments/predict.py {last.path} new_rows.csv")
    return comparison


def resumed(arguments: list[str]) -> Plan:
    """What `--resume FOLDER` continues, or with `--epochs N` trains on."""
    more, folders = without(arguments, "--resume")
    if len(folders) != 1:
        raise ValueError("--resume takes one run folder: --resume FOLDER.")
    known = [field.name for field in fields(TrainConfig)]
    begun = read_begun(Path(folders[0]), Path(__file__).name, _RECORDED, known)
    with naming(begun.folder / CONFIG):
        config = TrainConfig(
            data=data_config_from_json(begun.experiment["data"]),
            models=begun.experiment["models"],
            validation=begun.experiment["validation"],
            test=begun.experiment["test"],
            split_seed=begun.experiment["split_seed"],
            floor=begun.experiment.get("floor", "off"),
            runs=begun.folder.parents[1],
            name=begun.experiment.get("name", ""),
            tags=tuple(begun.experiment.get("tags", ())),
            settings=Settings.from_dict(begun.experiment["settings"]),
        )
    if more:
        return trained_on(begun, config, more)
    labels = (begun.label,) if begun.started_from else None
    if begun.finished:
        print(
            f"{begun.folder} has finished; what is missing of its experiment is trained. To train "
            f"on from its weights: --resume {folders[0]} --epochs N."
        )
    place, command = begun.folder.parent, begun.command
    return Plan(config, place, begun.stamp, labels, begun.started_from, command)


def trained_on(begun: Begun, config: TrainConfig, arguments: list[str]) -> Plan:
    """A new run, of more epochs, that begins with the weights of a finished one."""
    given = {word.split("=", 1)[0].replace("_", "-") for word in arguments if word[:2] == "--"}
    known = {f"--{field.name.replace('_', '-')}" for field in fields(TrainingSettings)} | {"--seed"}
    if refused := sorted(given - known - {"--help"}):
        raise ValueError(
            f"{', '.join(refused)} beside --resume: rows, inputs and model are those of the run. "
            "Give --resume FOLDER alone, which continues it as it was begun, or with --epochs N "
            "(and other settings of training, and --seed), which trains on in a new run. With "
            "--config FOLDER/config.json a new run of the same settings begins from the beginning."
        )
    if not given & {"--epochs", "--help"}:
        raise ValueError(
            f"{', '.join(sorted(given)) or arguments[0]} beside --resume changes a training only "
            "with --epochs N: for how many epochs it trains on."
        )
    old = OnwardConfig(config.settings.training, config.settings.seed)
    new = tyro.cli(OnwardConfig, args=arguments, default=old, description=__doc__)
    if not begun.finished:
        raise ValueError(
            f"{begun.folder} has not finished, so that there are no weights to train on from. "
            "First continue it as it was begun: give --resume FOLDER alone."
        )
    run = Run(begun.folder)
    epochs, best = run.metrics["epochs"], run.metrics["best_epoch"]
    print(
        f"{begun.label}: a new run of {new.training.epochs} epochs begins with the weights of "
        f"epoch {best} of {epochs} in {begun.folder}"
    )
    settings = replace(config.settings, training=new.training, seed=new.seed)
    config = replace(config, settings=settings)
    return Plan(config, begun.folder.parent, labels=(begun.label,), start_from=begun.folder)


@dataclass(frozen=True)
class OnwardConfig:
    """How a run is trained on.

    Args:
        training: Epochs, batches, optimizer.
        seed: Decides dropout, order and augmentation.
    """

    training: Annotated[TrainingSettings, tyro.conf.arg(name="")]
    seed: int


# What a run of this script records of the experiment, besides what later versions added.
_RECORDED = {
    "data": Mapping[str, Any],
    "models": Literal["all", "fused"],
    "validation": float,
    "test": float,
    "split_seed": int,
    "settings": Mapping[str, Any],
}


if __name__ == "__main__":
    run_script(main, resumes=True)
