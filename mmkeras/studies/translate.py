"""Translate from a text, from what goes with it, and from both; into several languages."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import tyro

from mmkeras.csv_files import write_csv
from mmkeras.data.datasets.emoji_names import hide_words
from mmkeras.data.kinds import KINDS
from mmkeras.data.tables.read import read_table
from mmkeras.evaluation.comparison import Comparison, compare_models, differences_in_words
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import Named, name_and_tags, run_details
from mmkeras.experiment.rows import Rows, look_at_rows, open_table, save_findings
from mmkeras.experiment.run_folder import METRICS, Run
from mmkeras.experiment.settings import Settings
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import joined, name_and_tags_words
from mmkeras.schema import Schema, Text
from mmkeras.studies.consensus_texts import MOST_ROWS, consensus_texts
from mmkeras.studies.jobs import refuse_missing
from mmkeras.studies.nearest_texts import likeness_of_rows, nearest_texts
from mmkeras.studies.trainings import FUSED, RESULTS, Training, models_of, train_missing
from mmkeras.tasks import Task, task_class

FLOOR, CONSENSUS = "nearest neighbour by ", "consensus by "
_EXAMPLES = 10


@dataclass(frozen=True)
class TranslateConfig(Named):
    """The experiment.

    Args:
        data: Which rows. The schema has a text among its modalities, and a text as its target.
        targets: The columns to translate into, each with models of its own.
        hide: Shares of the source's words that are hidden, in training and test rows alike.
        seeds: Each model is trained once with each of these seeds; without one, nothing is trained
            and only the nearest neighbours and their consensus answer.
        validation: Share of the rows that choose the epoch.
        test: Share of the rows that are looked at once, where the data have no test rows.
        split_seed: Decides which rows are which, and which words are hidden.
        workers: Models trained at a time, each in a process of its own; 0 trains in this process.
        out: The experiment's folder; by default runs/translate-NAME/TIME. The same folder again
            resumes.
        settings: Model, training and preprocessing. `seed` is replaced by `seeds`.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    targets: tuple[str, ...] = ("german", "french", "chinese")
    hide: tuple[float, ...] = (0.0, 0.5)
    seeds: tuple[int, ...] = (0, 1, 2)
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    workers: int = 1
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def translate(config: TranslateConfig) -> pd.DataFrame:
    """Runs the experiment, saves its tables; returns one row per target, share, model and seed.

    Leaves `comparison.csv`, `summary.md`, and of trained models `results.csv` and run folders.

    Raises:
        ValueError: There is no text to translate, or no such target.
        JobsMissing: Some models could not be trained; the tables show the others.
    """
    opened = {
        (target, share): translation_rows(config, target, share)
        for target in config.targets
        for share in config.hide
    }
    findings = look_at_rows(next(iter(opened.values())))
    out = experiment_folder(config.out, Path("runs") / f"translate-{config.data.name}")
    trainings = [
        training
        for seed in config.seeds
        for (target, share), rows in opened.items()
        for training in _trainings(config, target, share, seed, rows, out)
    ]
    with locked(out):
        save_findings(out, findings)
        results, failed = pd.DataFrame(), []
        if trainings:
            results, failed = train_missing(trainings, out, workers=config.workers, summary=_means)
        judged = [_judge(config, *key, rows, trainings) for key, rows in opened.items()]
        table = pd.concat([each.figures for each in judged])
        write_csv(out / "comparison.csv", table, index=True)
        write_markdown(_report(config, judged), out / "summary.md")
        for each in judged:
            print("\n".join(each.sentences))
    print(f"\nin words and tables: {out / 'summary.md'}")
    refuse_missing(failed, len(trainings))
    return results


def translation_rows(config: TranslateConfig, target: str, share: float) -> Rows:
    """The rows for one target, with a share of the source's words hidden; always split alike."""
    table, schema, messages = open_table(config.data, config.settings)
    sources = _sources(schema)
    if not sources or not isinstance(schema.target, Text):
        raise ValueError(
            "A translation needs a text among the modalities, and a text as its target. Received: "
            f"modalities {[f'{m.name} ({m.kind})' for m in schema.modalities]} and the target "
            f"{schema.target!r}."
        )
    goal = Text(target, judged_by=schema.target.judged_by)
    schema = dataclasses.replace(schema, target=goal)
    table = read_table(table, schema)
    for column in sources.values():
        there = table[column].notna()
        table.loc[there, column] = hide_words(table.loc[there, column], share, config.split_seed)
    split = {"validation": config.validation, "test": config.test, "seed": config.split_seed}
    return Rows(table, schema, config.data.split(table, schema, **split), messages)


def _sources(schema: Schema) -> dict[str, str]:
    """The columns of the texts, by modality."""
    return {m.name: m.columns[0] for m in schema.modalities if KINDS[m.kind].has_words}


def _trainings(
    config: TranslateConfig, target: str, share: float, seed: int, rows: Rows, out: Path
) -> list[Training]:
    """The models of one target, share and seed; hidden words change only those that read them."""
    words = (*_sources(rows.schema), FUSED)
    return [
        Training(
            model,
            {"target": target, "hidden": share, "seed": seed},
            out / f"{target}-hidden{round(100 * share)}-seed{seed}-{model}",
            dataclasses.replace(config.settings, seed=seed),
            rows,
            functools.partial(translation_rows, config, target, share),
            run_details(config),
        )
        for model in models_of(rows.schema)
        if model in words or share == config.hide[0]
    ]


def _means(results: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds."""
    figures = ["chrf", "corpus_chrf", "exact_match", "seconds"]
    known = [figure for figure in figures if figure in results]
    return (
        results.groupby(["target", "hidden", "model"], sort=False)[known]
        .mean()
        .reset_index(level=(0, 1))
    )


@dataclass(frozen=True)
class _Judged:
    """The models of one target and share of hidden words, on the same test rows."""

    target: str
    share: float
    task: Task
    figures: pd.DataFrame
    sentences: list[str]
    examples: pd.DataFrame


def _judge(
    config: TranslateConfig, target: str, share: float, rows: Rows, trainings: Sequence[Training]
) -> _Judged:
    schema, test = rows.schema, rows.splits.test
    cls = task_class(schema.target)
    task = cls.fit(rows.splits.train, schema.target, cls.settings_of(config.settings.target))
    true, said = task.true(test), _without_training(rows, task)
    untrained, words = list(said), _sources(schema)
    for training in trainings:
        about, model = training.about, training.model
        own = share if model in words or model == FUSED else config.hide[0]
        same = (about["target"], about["hidden"]) == (target, own)
        if same and (training.folder / METRICS).exists():
            answers = Run(training.folder).predictions["predicted"].loc[test.index]
            said.setdefault(model, []).append(answers.to_numpy(object))
    scores = {
        model: np.stack([task.row_scores(true, each) for each in answers])
        for model, answers in said.items()
    }
    floors = [name for name in untrained if name.startswith(FLOOR)]
    floor = {"the nearest neighbour": max(floors, key=lambda name: scores[name].mean())}
    groups = None if schema.group is None else test[schema.group].to_numpy()
    hidden = f"{100 * share:g} % of the words hidden" if share else "no word hidden"
    sentences = []
    agreed = next((name for name in untrained if name.startswith(f"{CONSENSUS}all")), "")
    for model, alone in ((FUSED, "{}"), (agreed, f"{CONSENSUS}{{}}")):
        baselines = {f"{alone.format(name)} alone": alone.format(name) for name in words}
        known = {label: name for label, name in baselines.items() if name in scores}
        comparison = compare_models(
            scores,
            {**(known if len(schema.names) > 1 else {}), **floor},
            judged=[model] if model in scores else [],
            groups=groups,
        )
        sentences += [
            f"{target}, {hidden}: {each}" for each in differences_in_words(comparison, task.main)
        ]
    figures = _figures(comparison, said, true, task)
    figures.insert(0, "target", target)
    figures.insert(1, "hidden", share)
    return _Judged(
        target, share, task, figures, sentences, _examples(rows, true, said, floors, words)
    )


def _without_training(rows: Rows, task: Task) -> dict[str, list[np.ndarray]]:
    """What the nearest neighbours and their consensus say of the test rows."""
    splits = rows.splits
    likeness = likeness_of_rows(splits, rows.schema)
    ways = {FLOOR: nearest_texts}
    if len(splits.train) <= MOST_ROWS:
        ways[CONSENSUS] = consensus_texts
    else:
        print(f"No consensus: there are more than {MOST_ROWS:,} training rows.")
    said = {}
    for way, answered in ways.items():
        for name, answers in answered(splits, likeness, task).items():
            label = name if name != "all" else f"all (weight {answers.weight:g})"
            said[way + label] = [answers.said]
    return said


def _figures(
    comparison: Comparison, said: dict[str, list[np.ndarray]], true: np.ndarray, task: Task
) -> pd.DataFrame:
    """One row per model: its main figure with its interval, and others, means over the seeds."""
    key = task.main.key
    table = comparison.table.rename(columns={"score": key, "std": "± seeds"})
    for figure in ("corpus_chrf", "exact_match"):
        table[figure] = [
            np.mean([task.figures(true, each)[figure] for each in said[model]])
            for model in table.index
        ]
    return table[[key, "± seeds", "low", "high", "corpus_chrf", "exact_match", "seeds"]]


def _examples(
    rows: Rows,
    true: np.ndarray,
    said: dict[str, list[np.ndarray]],
    floors: Sequence[str],
    words: dict[str, str],
) -> pd.DataFrame:
    """What the first seed's models say of test rows of different groups, taken evenly."""
    test, group = rows.splits.test, rows.schema.group
    first = np.arange(len(test))
    if group is not None:
        first = np.flatnonzero(~test[group].duplicated())
    places = first[np.linspace(0, len(first) - 1, min(_EXAMPLES, len(first))).astype(int)]
    columns = {"true": true[places]}
    columns |= {name: each[0][places] for name, each in said.items() if name not in floors}
    source = test[next(iter(words.values()))].iloc[places].fillna("–")
    return pd.DataFrame(columns, index=pd.Index(source, name="source"))


def _report(config: TranslateConfig, judged: Sequence[_Judged]) -> Report:
    sections = []
    for target in config.targets:
        own = [each for each in judged if each.target == target]
        parts = []
        for each in own:
            hidden = f"{100 * each.share:g} % of the source's words are hidden"
            name = f"{target}_hidden{round(100 * each.share)}"
            parts += [
                Table(
                    name,
                    each.figures.drop(columns=["target", "hidden"]),
                    f"{hidden}. The first figure is the mean over rows, with its 95 % interval "
                    "over groups of rows and seeds; corpus_chrf is that of all rows together.",
                ),
                Table(
                    f"{name}_examples",
                    each.examples,
                    f"{hidden}. First rows of test groups, taken evenly; answers of the first "
                    "seed.",
                ),
            ]
        conclusion = " ".join(sentence for each in own for sentence in each.sentences)
        sections.append(
            Section(target, f"Into {target}", conclusion or "No fused model yet.", parts)
        )
    signatures = judged[0].task.signatures()
    return Report(
        f"{config.data.name}: translation into {joined(config.targets)}",
        "Each model was trained with several seeds and judged by the same test rows; the nearest "
        "neighbour answers with the text of the training row that is most like a test row, the "
        "consensus with the training text of the highest expected chrF.",
        [sentence for each in judged for sentence in each.sentences],
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)) or "none, nothing was trained",
            "seed of the split": str(config.split_seed),
            **{f"signature of {name}": text for name, text in signatures.items()},
            **({"one row per model and seed": RESULTS} if config.seeds else {}),
        },
        sections,
    )
