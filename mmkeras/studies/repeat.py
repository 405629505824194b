"""Train each modality alone and all of them fused, with several seeds, and compare honestly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import tyro

from mmkeras.data.pipeline import Pipeline
from mmkeras.evaluation.bootstrap import bootstrap_interval, compare_paired
from mmkeras.evaluation.significance import mcnemar, paired_bootstrap
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.folders import experiment_folder, locked
from mmkeras.experiment.name_and_tags import Named, name_and_tags
from mmkeras.experiment.rows import experiment_rows, look_at_rows, save_findings
from mmkeras.experiment.run_folder import METRICS, Run
from mmkeras.experiment.settings import Settings
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import joined, leader, name_and_tags_words
from mmkeras.schema import Target
from mmkeras.studies.jobs import refuse_missing
from mmkeras.studies.trainings import (
    CONSTANT,
    FUSED,
    RESULTS,
    Training,
    train_missing,
    with_each_seed,
)
from mmkeras.tasks import task_class


@dataclass(frozen=True)
class RepeatConfig(Named):
    """The experiment.

    Args:
        data: Which rows.
        seeds: Each model is trained once with each of these seeds.
        models: Modality names and "fused"; all by default.
        validation: Share of the (training) rows that choose the epoch; 0 trains on all of them
            for the full number of epochs.
        test: Share of the rows that are looked at once, where the data have no test rows.
        split_seed: Decides which rows are which, where the data have no split of their own.
        workers: Models trained at a time, each in a process of its own; 0 trains in this process.
        out: The experiment's folder; by default runs/NAME/TIME. The same folder again resumes.
        settings: Model, training and preprocessing. `seed` is replaced by `seeds`.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    models: tuple[str, ...] = ()
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    workers: int = 1
    out: Path | None = None
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def repeat(config: RepeatConfig) -> pd.DataFrame:
    """Runs the experiment, prints and saves its tables; returns one row per model and seed.

    Leaves `results.csv`, `summary.md` and a run folder for each model and seed.

    Raises:
        JobsMissing: Some models could not be trained; the tables show the others.
    """
    rows = experiment_rows(config)
    findings = look_at_rows(rows)
    schema = rows.schema
    task = task_class(schema.target)
    out = experiment_folder(config.out, Path("runs") / config.data.name)
    trainings = with_each_seed(config, rows, out, findings)
    with locked(out):
        save_findings(out, findings)
        results, failed = train_missing(
            trainings,
            out,
            workers=config.workers,
            summary=lambda results: summary(results, task.headline_of(schema.target)),
        )
        whole = _whole_seeds(trainings)
        groups = None if schema.group is None else rows.splits.test[schema.group]
        if task.single_label:
            verdict = fused_against_single(whole, groups)
        else:
            verdict = main_figures(whole, rows.splits.test, groups)
        print("\n" + "\n".join(verdict))
        if len(results):
            write_markdown(_report(config, results, verdict, schema.target), out / "summary.md")
    print(f"\nevery seed: {out / RESULTS}; runs: tensorboard --logdir {out}")
    refuse_missing(failed, len(trainings))
    return results


def _report(
    config: RepeatConfig, results: pd.DataFrame, verdict: Sequence[str], target: Target
) -> Report:
    task = task_class(target)
    table, main = summary(results, task.headline_of(target)), task.main_of(target)
    return Report(
        f"{config.data.name}: {joined(table.index)}",
        "Each model was trained with several seeds and judged by the same test rows.",
        verdict,
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)),
            "one row per model and seed": RESULTS,
        },
        [
            Section(
                "models",
                "Figures on the test rows",
                leader(table[main.key], main),
                [
                    Table(
                        "models",
                        table,
                        "Means over the seeds, and ± the standard deviation between them: what "
                        "the draw of the initial weights and of the rows' order changes. A "
                        "difference that is not clearly larger than it may be chance.",
                    )
                ],
            )
        ],
    )


def _whole_seeds(trainings: Sequence[Training]) -> dict[str, list[Run]]:
    """The runs by model, of the seeds with which every model was trained."""
    models = len({training.model for training in trainings})
    by_seed: dict[int, dict[str, Run]] = {}
    for training in trainings:
        if (training.folder / METRICS).exists():
            by_seed.setdefault(training.about["seed"], {})[training.model] = Run(training.folder)
    whole = [runs for runs in by_seed.values() if len(runs) == models]
    return {model: [runs[model] for runs in whole] for model in (whole[0] if whole else ())}


def summary(results: pd.DataFrame, figures: tuple[str, ...]) -> pd.DataFrame:
    """Mean and standard deviation over the seeds, one row per model."""
    by_model = results.groupby("model", sort=False)
    columns = {}
    for figure in (name for name in figures if name in results):
        columns[figure] = by_model[figure].mean()
        columns[f"± ({figure})"] = by_model[figure].std()
    columns[CONSTANT] = by_model[CONSTANT].mean()
    columns["seeds"] = by_model["seed"].nunique()
    columns["parameters"] = by_model["parameters"].first()
    columns["seconds"] = by_model["seconds"].mean()
    return pd.DataFrame(columns).rename_axis("model")


def main_figures(
    runs: Mapping[str, list[Run]], test: pd.DataFrame, groups: pd.Series | None = None
) -> list[str]:
    """In words: each model's main figure, and how far fusing is from the best single modality.

    Rows and seeds are drawn with replacement, so that intervals speak of new rows and new seeds.

    Args:
        runs: By model, a run for each seed.
        test: The test rows.
        groups: A name for each of them; rows of one name are drawn together.
    """
    lines, scores, main = [], {}, None
    for model, by_seed in runs.items():
        of_model = []
        for run in by_seed:
            pipeline = Pipeline(test, run.preprocessing, on_error="skip")
            task = run.preprocessing.task
            true, said = pipeline.targets, run.outputs_of(pipeline)
            of_model.append(task.row_scores(task.own_unit(true), task.own_unit(said)))
        main, names = task.main, None if groups is None else groups.loc[pipeline.frame.index]
        names = None if names is None else names.to_numpy()
        scores[model] = np.array(of_model)
        mean, low, high = bootstrap_interval(scores[model], groups=names)
        lines.append(
            f"{model}: {main.words} {main.shown(mean)}, 95 % interval {main.number(low)} to "
            f"{main.number(high)} ({len(of_model)} seeds, {len(pipeline.frame):,} test rows)."
        )
    single = [model for model in runs if model != FUSED]
    if main is not None and FUSED in runs and single:
        best = max(single, key=lambda model: main.sign * scores[model].mean())
        apart = compare_paired(scores[FUSED], scores[best], groups=names)
        lines.append(
            f"Fused against {best} alone: {main.difference(apart.difference)}, 95 % interval "
            f"{main.signed(apart.low)} to {main.signed(apart.high)} (p = {apart.p_value:.2g})."
        )
    return lines


def fused_against_single(
    runs: Mapping[str, list[Run]], groups: pd.Series | None = None
) -> list[str]:
    """In words: what all seeds together get, and whether fusing beats the best single modality.

    The test rows are the same for all models. A row's score is the share of seeds that get it
    right, so that the interval is that of the seeds' mean over new test rows. Rows that belong
    together are drawn as one, since they are right or wrong together more often than others.

    Args:
        runs: By model, a run for each seed.
        groups: A name for each test row; rows of one name belong together. Without, the steps of
            one row do.
    """
    if not runs:
        return []
    together, shares, true = {}, {}, None
    for model, by_seed in runs.items():
        predictions = [run.predictions for run in by_seed]
        classes = [name for name in predictions[0] if name.startswith("p(")]
        mean = np.mean([frame[classes].to_numpy() for frame in predictions], axis=0)
        true = predictions[0]["true"].to_numpy()
        names = np.array([name[2:-1] for name in classes], dtype=object)
        together[model] = names[mean.argmax(axis=1)] == true
        shares[model] = np.mean([(f["predicted"] == f["true"]).to_numpy() for f in predictions], 0)
    majority = pd.Series(true).value_counts(normalize=True).max()
    lines = [
        "Probabilities averaged over the seeds, accuracy: "
        + ", ".join(f"{model} {right.mean():.3f}" for model, right in together.items())
        + f"; always the most frequent class {majority:.3f}."
    ]
    single = [model for model in runs if model != FUSED]
    if FUSED not in runs or not single:
        return lines
    best = max(single, key=lambda model: shares[model].mean())
    frame = runs[FUSED][0].predictions
    names, drawn = None, "rows"
    if groups is not None:
        names, drawn = groups.loc[frame.index].to_numpy(), f"groups of {groups.name!r}"
    elif "step" in frame:
        names, drawn = frame.index.to_numpy(), "whole rows"
    difference, low, high = paired_bootstrap(shares[FUSED], shares[best], groups=names)
    p = mcnemar(together[FUSED], together[best])
    says = "a significant gain" if low > 0 else "a significant loss" if high < 0 else None
    lines.append(
        f"Fused against the best single modality ({best}): {100 * difference:+.1f} points, 95 % "
        f"interval {100 * low:+.1f} to {100 * high:+.1f} (bootstrap over {drawn}, "
        f"{len(runs[FUSED])} seeds): {says or 'no significant difference'}. McNemar on the "
        f"averaged probabilities: p = {p:.2g}"
        f"{'' if names is None else ' (takes all for independent)'}."
    )
    return lines
