"""Grounding and detection: what was found of each data set, beside chance, in one table."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mmkeras.csv_files import read_csv, write_csv
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.tables.written.boxes import parse_boxes
from mmkeras.evaluation.bootstrap import bootstrap_interval, ratio_interval
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.experiment.rows import experiment_rows
from mmkeras.experiment.run_folder import Run
from mmkeras.inspection.examples import caption, example_pictures, side_by_side
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Part, Picture, Report, Section, Table
from mmkeras.reports.plots import plot_examples
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.schema import Boxes
from mmkeras.studies.repeat import RepeatConfig, repeat
from mmkeras.studies.trainings import RESULTS, with_each_seed

TABLE = "ground.csv"
# The column that lists all objects of a row's picture, where a data set has one.
OBJECTS = "objects"
_SHOWN = 4


def ground(config: RepeatConfig) -> pd.DataFrame:
    """Runs one data set's part of the experiment; returns one row per model and seed.

    `out` has a folder for each data set (with what `repeat` leaves, and `ground.csv`); in
    `summary.md` are the figures of all that are there, with pictures of this one's boxes.

    Raises:
        ValueError: The target is not boxes.
        JobsMissing: Some models could not be trained.
    """
    rows = experiment_rows(config)
    if not isinstance(rows.schema.target, Boxes):
        raise ValueError(f"What is found are boxes. The target is {rows.schema.target}.")
    out = config.out or Path("runs") / "ground"
    folder = out / config.data.name
    config = dataclasses.replace(config, out=folder)
    results = repeat(config)
    by_model: dict[str, list[Run]] = {}
    for training in with_each_seed(config, rows, folder, None):
        by_model.setdefault(training.model, []).append(Run(training.folder))
    test = rows.splits.test
    judged = {model: [_judge(run, test) for run in runs] for model, runs in by_model.items()}
    lines = [_line(config.data.name, *each) for each in judged.items()]
    write_csv(folder / TABLE, pd.DataFrame(lines))
    table = pd.concat([read_csv(path) for path in sorted(out.glob(f"*/{TABLE}"))])
    write_csv(out / TABLE, table)
    drawn = _pictures(config.data.name, next(iter(judged.values()))[0])
    print(f"\n{write_markdown(_report(config, table, drawn), out / 'summary.md')}")
    print(f"all data sets: {out / TABLE}")
    return results


def chance(test: pd.DataFrame, target: Boxes) -> np.ndarray | None:
    """How often an object at random is the one, of each row: 1 / their number, `(rows,)`.

    `None` where the table does not list a picture's objects, or all of them are asked for.
    """
    if target.several or OBJECTS not in test:
        return None
    return np.array([1 / len(parse_boxes(cell)) for cell in test[OBJECTS]])


@dataclass(frozen=True)
class _Judged:
    """A run, the test rows that it can read, their true boxes and what it said."""

    run: Run
    pipeline: Pipeline
    true: np.ndarray
    said: np.ndarray


def _judge(run: Run, test: pd.DataFrame) -> _Judged:
    pipeline = Pipeline(test, run.preprocessing, on_error="skip")
    task = run.preprocessing.task
    true, said = (task.own_unit(x) for x in (pipeline.targets, run.outputs_of(pipeline)))
    return _Judged(run, pipeline, true, said)


def _line(name: str, model: str, judged: list[_Judged]) -> dict[str, object]:
    """A model's figures: means over the seeds, intervals over new rows (groups) and seeds."""
    preprocessing, frame = judged[0].run.preprocessing, judged[0].pipeline.frame
    task, schema = preprocessing.task, preprocessing.schema
    found = np.array([task.row_scores(each.true, each.said) for each in judged])
    table = pd.DataFrame([task.figures(each.true, each.said) for each in judged])
    groups = None if schema.group is None else frame[schema.group].to_numpy()
    _, low, high = bootstrap_interval(found, groups=groups)
    line: dict[str, object] = {"data set": name, "model": model, "figure": task.main.words}
    line |= _mean_and_deviation("figure", table[task.main.key])
    line |= {"low": low, "high": high}
    if (by_chance := chance(frame, schema.target)) is not None:
        times, low, high = ratio_interval(found, by_chance, groups=groups)
        line |= {"chance": by_chance.mean(), "times chance": times}
        line |= {"low (times)": low, "high (times)": high}
    for figure in task.headline[1:]:
        line |= _mean_and_deviation(figure, table[figure])
    return {**line, "seeds": len(judged), "rows": len(frame)}


def _mean_and_deviation(name: str, values: pd.Series) -> dict[str, float]:
    return {f"{name}, mean": values.mean(), f"{name}, deviation": values.std()}


def _report(config: RepeatConfig, table: pd.DataFrame, pictures: list[Part]) -> Report:
    """The table for people, in percent, and what was found in some pictures."""
    shown = pd.DataFrame(
        {
            "data set: model": table["data set"] + ": " + table["model"],
            "figure": table["figure"],
            "mean, %": 100 * table["figure, mean"],
            "±": 100 * table["figure, deviation"],
            "95 %": [_interval(100 * low, 100 * high) for low, high in _pairs(table)],
        }
    ).set_index("data set: model")
    rest = table.set_axis(shown.index)
    if "chance" in table:
        shown["chance, %"] = 100 * rest["chance"]
        shown["times chance"] = rest["times chance"]
        shown["95 % (times)"] = [_interval(*pair) for pair in _pairs(table, " (times)")]
    names = {"pointing": "pointing, %", "mean_iou": "mean IoU", "map50": "mAP at 0.5", "map": "mAP"}
    for figure, words in names.items():
        if f"{figure}, mean" in table:
            scale = 100 if figure == "pointing" else 1
            shown[words] = scale * rest[f"{figure}, mean"]
            shown[f"± ({words})"] = scale * rest[f"{figure}, deviation"]
    shown["seeds"], shown["test rows"] = rest["seeds"], rest["rows"]
    best = shown.iloc[int(table["figure, mean"].argmax())]
    return Report(
        "Grounding and detection",
        "What a phrase names, or all objects, as boxes; right where the overlap (IoU) with the "
        "true box is 0.5 or more.",
        [],
        {
            **name_and_tags_words(name_and_tags(config)),
            "one row per data set and model": TABLE,
            "one row per seed": f"DATA SET/{RESULTS}",
        },
        [
            Section(
                "boxes",
                "Figures on the test rows",
                f"Best: {best.name}, {best['figure']} {best['mean, %']:.1f} %.",
                [
                    Table(
                        "boxes",
                        shown,
                        "Means over the seeds, ± the standard deviation between them, and 95 % "
                        "intervals over new rows (groups) and seeds. Chance is an object at "
                        "random of those in the picture. Pointing: how often the middle of the "
                        "box is inside the true one.",
                    ),
                    *pictures,
                ],
            )
        ],
    )


def _pairs(table: pd.DataFrame, of: str = "") -> list[tuple[float, float]]:
    return list(zip(table[f"low{of}"], table[f"high{of}"], strict=True))


def _interval(low: float, high: float) -> str:
    return "–" if np.isnan(low) else f"{low:.3g} to {high:.3g}"


def _pictures(name: str, judged: _Judged) -> list[Part]:
    """Some right and some wrong rows, drawn from all alike, not the best and the worst."""
    pipeline, true, said = judged.pipeline, judged.true, judged.said
    task = judged.run.preprocessing.task
    right, parts = task.is_right(true, said), []
    for words, which in (("right", right), ("wrong", ~right)):
        places = np.flatnonzero(which)
        if not len(places):
            continue
        chosen = np.random.default_rng(0).permutation(places)[:_SHOWN].tolist()
        drawn = task.drawn_on(example_pictures(pipeline, chosen), true[chosen], said[chosen])
        figure: Figure = plot_examples(
            side_by_side(drawn),
            [caption(pipeline, row) for row in chosen],
            [task.answer_in_words(true[row], said[row]) for row in chosen],
            right[chosen],
            columns=_SHOWN,
        )
        parts.append(
            Picture(
                f"{name}_{words}",
                figure,
                f"Rows of {name} that are {words} ({len(places):,} of {len(right):,}), at random, "
                f"with {judged.run.path.name}. Green is the true box, blue a right one, red a "
                "wrong one.",
            )
        )
    return parts
