"""What classical models reach on a table: each modality alone, all together, and late fusion."""

from __future__ import annotations

import dataclasses
import warnings
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
from mmkeras.studies.jobs import Job, JobsMissing, run_jobs, used_engine
from mmkeras.tasks import Task, task_class

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
        out: The experiment's folder; by default runs/classical-NAME/TIME.
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

    Leaves `results.csv`, `predictions.parquet` and `summary.md`.

    Raises:
        ValueError: The schema has no target, or one that is more than classes or numbers.
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
    methods = config.methods or tuple(METHODS)
    out = experiment_folder(config.out, Path("runs") / f"classical-{config.data.name}")
    with locked(out):
        save_findings(out, findings)
        write_json(out / "config.json", to_json(config))
        if config.workers or used_engine() is not None:
            parts = _folds_as_jobs(config, len(splits))
        else:
            many = [count(schema.names, methods, task(schema.target), len(s.train)) for s in splits]
            with ProgressBar("training classical models", sum(many)) as progress:
                parts = [_fold(config, split, schema, methods, progress) for split in splits]
        judged = _Judged(task(schema.target), schema, splits, parts)
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


def _splits(config: ClassicalConfig, table: pd.DataFrame, schema: Any) -> list[Splits]:
    """The folds, or the one split."""
    data, folds = config.data, config.folds
    official = data.split_column or (data.data is None and "split" in table)
    if folds is None:
        folds = 0 if official else 5
    if folds or data.fold_column:
        pairs = data.folds(table, schema, folds=folds, seed=config.split_seed)
        return [Splits(table.iloc[a], table.iloc[a][:0], table.iloc[b]) for a, b in pairs]
    return [data.split(table, schema, validation=0.0, test=config.test, seed=config.split_seed)]


def _folds_as_jobs(config: ClassicalConfig, folds: int) -> list[Any]:
    """The folds' models, each of a process of its own or of a cluster, as `_fold` returns them.

    Raises:
        JobsMissing: A fold has none.
    """
    jobs = [Job(f"fold {fold + 1}", _fold_job, (config, fold)) for fold in range(folds)]
    outcomes = list(run_jobs(jobs, workers=max(1, config.workers)))
    if failed := [each for each in outcomes if each.error is not None]:
        said = "".join(f"\n- {each.job.name}: {each.reason}" for each in failed)
        raise JobsMissing(
            f"{len(failed)} of {folds} folds have no models:{said}\n"
            "A table needs all of them. Run the same command again."
        )
    found = {outcome.job.name: outcome.result for outcome in outcomes}
    return [found[job.name] for job in jobs]


def _fold_job(config: ClassicalConfig, fold: int) -> Any:
    """One fold's models, from rows that this process opens itself."""
    table, schema, _ = open_table(config.data, config.settings)
    methods, split = config.methods or tuple(METHODS), _splits(config, table, schema)[fold]
    return _fold(config, split, schema, methods)


def _fold(
    config: ClassicalConfig,
    splits: Splits,
    schema: Any,
    methods: tuple[str, ...],
    progress: ProgressBar | None = None,
) -> tuple[Task, dict[tuple[str, tuple[str, ...]], Any]]:
    """One split's models: the fitted task, and their answers by method and views."""
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
        methods=methods,
        seed=config.seed,
        progress=progress,
    )
    answers: dict[tuple[str, tuple[str, ...]], Any] = {(a.method, a.views): a for a in found}
    answers[CHOSEN, tuple(schema.names)] = best(found, targets, task)
    return task, answers


class _Judged:
    """All models' answers for all test rows, in the target's own unit.

    Args:
        task: For figures.
        schema: Of the table.
        splits: The folds.
        parts: By fold, its task and answers.
    """

    def __init__(self, task: Task, schema: Any, splits: list[Splits], parts: list[Any]):
        self.frame = pd.concat([split.test for split in splits])
        self.schema, self.task = schema, parts[0][0]
        own = [
            (fitted, fitted.encode(s.test, schema.id))
            for (fitted, _), s in zip(parts, splits, strict=True)
        ]
        self.targets = np.concatenate([fitted.own_unit(t) for fitted, t in own])
        self.outputs: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}
        self.about: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
        for key in parts[0][1]:
            found = [(fitted, answers[key]) for fitted, answers in parts]
            self.outputs[key] = np.concatenate(
                [fitted.own_unit(each.outputs["test"]) for fitted, each in found]
            )
            settings = [f"{each.method} {each.setting}" if key[0] == CHOSEN else each.setting
                        for _, each in found]  # fmt: skip
            self.about[key] = {
                "setting": " | ".join(dict.fromkeys(settings)),
                "seconds": float(np.sum([each.seconds for _, each in found])),
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
