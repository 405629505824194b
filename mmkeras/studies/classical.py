"""What classical models reach on a table: each modality alone, all together, and late fusion."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import tyro

from mmkeras.classical.features import ModalityFeatures
from mmkeras.classical.floor.compete import best, compete, count
from mmkeras.classical.floor.floor import features_of, inner_folds
from mmkeras.classical.floor.methods import METHODS
from mmkeras.csv_files import write_csv
from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.bootstrap import bootstrap_interval, compare_paired
from mmkeras.experiment.data_config import DataConfig, to_json
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.rows import Rows, look_at_rows, open_table, save_findings
from mmkeras.experiment.settings import Settings
from mmkeras.files import write_json, write_text, written
from mmkeras.progress import ProgressBar
from mmkeras.reports.markdown import report_markdown, write_markdown
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import subset_name
from mmkeras.schema import Schema
from mmkeras.studies.classical_folds import Answers, KeptFold, Said, fold_identity
from mmkeras.studies.jobs import Job, refuse_missing, run_jobs, used_engine
from mmkeras.tasks import task_class

RESULTS, PREDICTIONS = "results.csv", "predictions.parquet"
# The one whose method was chosen inside the training rows: what a user would deploy.
CHOSEN = "the one chosen in training"


@dataclass(frozen=True)
class ClassicalConfig:
    """The experiment.

    Args:
        data: Which rows.
        methods: Which models; by default all that suit the target and the number of rows.
        folds: How many parts the rows are cut into, each tested once. 0 is one split. By default
            the data's own split where they have one, otherwise 5.
        test: Share of the rows for testing, with one split, where the data have no test rows.
        split_seed: Decides which rows are which.
        inner: In how many parts the training rows are cut to choose settings.
        seed: Of methods that draw.
        workers: Folds at a time, each in a process of its own; 0 does them in this process.
        out: The experiment's folder; by default runs/classical-NAME/TIME. The same folder again
            does only the folds that are missing.
        results: A folder to which the table is copied, under the data set's name.
        settings: How cells are read.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    methods: tuple[Literal[tuple(METHODS)], ...] = ()
    folds: int | None = None
    test: float = 0.2
    split_seed: int = 0
    inner: int = 3
    seed: int = 0
    workers: int = 0
    out: Path | None = None
    results: Path | None = None
    settings: Annotated[Settings, tyro.conf.Suppress] = field(default_factory=Settings)


@decoded_once()
def classical(config: ClassicalConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its tables; returns one row per model.

    Leaves `results.csv`, `predictions.parquet`, `summary.md`, and what each fold found, so that
    after an interruption only folds without that are done.

    Raises:
        ValueError: The schema has no target, or one that is more than classes or numbers; the
            folder holds folds of other rows or settings.
        JobsMissing: A fold failed, or its process died; those that ended well are kept.
    """
    table, schema, messages = open_table(config.data, config.settings)
    task = task_class(schema.target)
    if not task.suits_classical:
        raise ValueError(
            "Classical models answer with one class, labels or numbers for each row. This target "
            f"is one of {task.words}."
        )
    if config.workers < 0:
        raise ValueError(f"`workers` must not be negative. Received: {config.workers}.")
    splits = _splits(config, table, schema)
    findings = look_at_rows(Rows(table, schema, splits[0], messages))
    out = experiment_folder(config.out, Path("runs") / f"classical-{config.data.name}")
    with locked(out):
        save_findings(out, findings)
        write_json(out / "config.json", to_json(config))
        judged = _Judged(schema, splits, _all_folds(config, splits, schema, out))
        results = judged.table()
        write_csv(out / RESULTS, results)
        with written(out / PREDICTIONS) as temporary:
            judged.predictions().to_parquet(temporary)
        report = _report(config, results, judged, splits)
        print("\n" + write_markdown(report, out / "summary.md"))
    if config.results is not None:
        config.results.mkdir(parents=True, exist_ok=True)
        name = config.data.name
        kept = results.drop(columns=["seconds"]).round(5)
        write_csv(config.results / f"{name}.csv", kept)
        facts = {"one row per model": f"{name}.csv"}
        text = report_markdown(dataclasses.replace(report, facts=facts))
        write_text(config.results / f"{name}.md", text)
    return results


def _splits(config: ClassicalConfig, table: pd.DataFrame, schema: Schema) -> list[Splits]:
    """The folds, or the one split."""
    data, folds = config.data, config.folds
    official = data.split_column or (data.data is None and "split" in table)
    if folds is None:
        folds = 0 if official else 5
    if folds or data.fold_column:
        pairs = data.folds(table, schema, folds=folds, seed=config.split_seed)
        return [Splits(table.iloc[a], table.iloc[a][:0], table.iloc[b]) for a, b in pairs]
    return [data.split(table, schema, validation=0.0, test=config.test, seed=config.split_seed)]


def _all_folds(
    config: ClassicalConfig, splits: list[Splits], schema: Schema, out: Path
) -> list[Answers]:
    """The folds' answers: those that the folder keeps, and the missing ones, which it then keeps.

    Raises:
        JobsMissing: A fold has none.
    """
    how = {"methods": _methods(config), "inner": config.inner, "seed": config.seed}
    settings = config.settings.preprocessing(schema)
    kept = [
        KeptFold(out, number, fold_identity(split, schema, settings, how))
        for number, split in enumerate(splits, start=1)
    ]
    found = {fold: answers for fold, each in enumerate(kept) if (answers := each.read())}
    missing = [fold for fold in range(len(splits)) if fold not in found]
    if found:
        print(f"{len(missing)} of {len(splits)} folds are to be done")
    as_jobs = config.workers or used_engine() is not None
    done = _folds_as_jobs(config, missing) if as_jobs else _here(config, splits, schema, missing)
    for fold, answers in done:
        kept[fold].save(answers)
        found[fold] = answers
    return [found[fold] for fold in range(len(splits))]


def _here(
    config: ClassicalConfig, splits: list[Splits], schema: Schema, folds: list[int]
) -> Iterator[tuple[int, Answers]]:
    """The answers of folds, one after the other in this process."""
    task, methods = task_class(schema.target)(schema.target), _methods(config)
    many = [count(schema.names, methods, task, len(splits[fold].train)) for fold in folds]
    with ProgressBar("training classical models", sum(many)) as progress:
        for fold in folds:
            yield fold, _fold(config, splits[fold], schema, progress)


def _folds_as_jobs(config: ClassicalConfig, folds: list[int]) -> Iterator[tuple[int, Answers]]:
    """The answers of folds as they end, each of a process of its own or of a cluster.

    Raises:
        JobsMissing: A fold has none; the others have been yielded.
    """
    jobs = [Job(f"fold {fold + 1}", _fold_job, (config, fold)) for fold in folds]
    failed = []
    for outcome in run_jobs(jobs, workers=max(1, config.workers)):
        if outcome.error is not None:
            failed.append(outcome)
        else:
            yield folds[jobs.index(outcome.job)], outcome.result
    refuse_missing(failed, len(jobs))


def _fold_job(config: ClassicalConfig, fold: int) -> Answers:
    """One fold's answers, of rows that this process opens itself."""
    table, schema, _ = open_table(config.data, config.settings)
    return _fold(config, _splits(config, table, schema)[fold], schema)


def _methods(config: ClassicalConfig) -> tuple[str, ...]:
    return config.methods or tuple(METHODS)


def _fold(
    config: ClassicalConfig,
    splits: Splits,
    schema: Schema,
    progress: ProgressBar | None = None,
) -> Answers:
    """What one split's models say of its test rows."""
    task = task_class(schema.target).fit(splits.train, schema.target)
    features = ModalityFeatures(schema, config.settings.preprocessing(schema))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The features do not take")  # each fold would say it
        train, test = features_of(features, splits.train, splits.test)
    targets = task.encode(splits.train, schema.id)
    folds = inner_folds(splits.train, schema, config.inner, config.seed)
    found = compete(
        train,
        {"test": test},
        targets,
        task,
        folds,
        methods=_methods(config),
        seed=config.seed,
        progress=progress,
    )
    named = {(each.method, each.views): each for each in found}
    named[CHOSEN, tuple(schema.names)] = best(found, targets, task)
    return {
        key: Said(each.method, each.setting, each.outputs["test"], each.seconds)
        for key, each in named.items()
    }


class _Judged:
    """All models' answers for all test rows, in the target's own unit.

    Args:
        schema: Of the table.
        splits: The folds.
        answers: By fold.
    """

    def __init__(self, schema: Schema, splits: list[Splits], answers: list[Answers]):
        self.frame = pd.concat([split.test for split in splits])
        tasks = [task_class(schema.target).fit(split.train, schema.target) for split in splits]
        self.schema, self.task = schema, tasks[0]
        own = [
            task.own_unit(task.encode(split.test, schema.id))
            for task, split in zip(tasks, splits, strict=True)
        ]
        self.targets = np.concatenate(own)
        self.outputs: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}
        self.about: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
        for key in answers[0]:
            found = [fold[key] for fold in answers]
            self.outputs[key] = np.concatenate(
                [task.own_unit(each.outputs) for task, each in zip(tasks, found, strict=True)]
            )
            settings = [f"{each.method} {each.setting}" if key[0] == CHOSEN else each.setting
                        for each in found]  # fmt: skip
            self.about[key] = {
                "setting": " | ".join(dict.fromkeys(settings)),
                "seconds": float(np.sum([each.seconds for each in found])),
            }
        group = schema.group
        self.groups = None if group is None else self.frame[group].astype(str).to_numpy()

    def scores(self, key: tuple[str, tuple[str, ...]]) -> np.ndarray:
        return self.task.row_scores(self.targets, self.outputs[key])

    def table(self) -> pd.DataFrame:
        """One row per model, with its figures and the interval of the main one."""
        rows = []
        for key, outputs in self.outputs.items():
            _, low, high = bootstrap_interval(self.scores(key), groups=self.groups, draws=2000)
            figures = self.task.figures(self.targets, outputs)
            name, views = key
            rows.append(
                {"method": name, "views": subset_name(views), **figures, "low": low, "high": high,
                 **self.about[key]}
            )  # fmt: skip
        return pd.DataFrame(rows)

    def predictions(self) -> pd.DataFrame:
        """The rows, their truth, and what every model says."""
        columns = {"true": self.task.texts(self.targets)}
        columns |= {
            f"{name} ({subset_name(views)})": self.task.texts(outputs)
            for (name, views), outputs in self.outputs.items()
        }
        return pd.DataFrame(columns, index=self.frame.index.rename("row"))


def _report(
    config: ClassicalConfig, results: pd.DataFrame, judged: _Judged, splits: list[Splits]
) -> Report:
    main = judged.task.main
    words = {key: method.words for key, method in METHODS.items()}
    shown = pd.DataFrame(
        {
            main.words: [main.number(value) for value in results[main.key]],
            "95 % interval": [
                f"{main.number(low)} to {main.number(high)}"
                for low, high in zip(results["low"], results["high"], strict=True)
            ],
            "settings": results["setting"],
            "seconds": results["seconds"].round(1),
        }
    )
    names = results["method"].map(lambda key: words.get(key, key)) + ", " + results["views"]
    shown = shown.set_axis(pd.Index(names, name="model"))
    how = f"{len(splits)} folds" if len(splits) > 1 else f"{len(splits[0].train):,} training rows"
    return Report(
        f"{config.data.name}: classical models",
        f"{len(judged.frame):,} test rows, {how}.",
        [_verdict(judged)],
        {"one row per model": RESULTS, "every answer": PREDICTIONS},
        [
            Section(
                "models",
                "Figures on the test rows",
                _verdict(judged),
                [
                    Table(
                        "models",
                        shown,
                        f"{main.words}{' in percent' if main.percent else ''} on all test rows "
                        f"together; intervals by bootstrap over "
                        f"{'rows' if judged.groups is None else 'whole groups'}. Settings, and "
                        "which method late fusion takes for each modality, were chosen inside the "
                        "training rows; so was the model of the last line.",
                    )
                ],
            )
        ],
    )


def _verdict(judged: _Judged) -> str:
    """The chosen model against the best of a single modality."""
    main = judged.task.main
    every = judged.schema.names
    chosen = judged.scores((CHOSEN, every))
    said = f"The model that was chosen in training has {main.words} {main.shown(chosen.mean())}"
    alone = {key: judged.scores(key) for key in judged.outputs if key[1] != every}
    if not alone:
        return f"{said}."
    key = max(alone, key=lambda each: alone[each].mean())
    result = compare_paired(chosen, alone[key], groups=judged.groups, draws=2000)
    sure = "more than chance" if result.low > 0 or result.high < 0 else "it may be chance"
    return (
        f"{said}, {main.difference(result.difference)} against the best of a single modality "
        f"({key[0]} on {key[1][0]}, chosen by these test rows), 95 % interval "
        f"{main.signed(result.low)} to {main.signed(result.high)}: {sure}."
    )
