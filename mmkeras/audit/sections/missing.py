"""What happens when modalities are missing: every subset, and more and more missing cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.data.pipeline import Pipeline
from mmkeras.evaluation.shapley import subsets
from mmkeras.experiment.generative_imputation import imputers_of
from mmkeras.experiment.imputation import hidden
from mmkeras.plotting import GREY, color, new_figure
from mmkeras.reports.parts import Picture, Section, Table
from mmkeras.reports.wording import subset_name

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
FILLED = "this model, filled by conversion"
_FILLED_CAPTION = (
    " Filled by conversion: the missing modality was made of those that are there. Where that is "
    "better than hiding it, convert before predicting."
)


def missing_section(subject: Subject) -> Section:
    """The score for each subset of modalities, and as cells go missing at random."""
    rows, figure, names = subject.rows, subject.figure, subject.names
    built_for_it = "present" in rows.inputs
    table = pd.DataFrame(
        {
            "this model, others hidden": {
                subset_name(kept): rows.score(subject.hidden[kept]) for kept in subsets(names)
            },
            "trained on these only": {
                subset_name(kept): rows.score(outputs, subject.task_of(kept))
                for kept, outputs in subject.trained.items()
            },
        }
    ).rename_axis("modalities there")
    made = filled_by_conversion(subject)
    if made:
        table[FILLED] = pd.Series(made)
    curves = {name: missing_curve(subject, name) for name in names}
    whole = rows.score(rows.outputs)
    drops = {name: whole - curve[-1] for name, curve in curves.items()}
    worst = max(drops, key=drops.get)
    conclusion = (
        f"Without {worst} the {figure.words} falls most: from {figure.shown(whole)} to "
        f"{figure.shown(curves[worst][-1])} ({figure.difference(-drops[worst])})."
        if drops[worst] > 0
        else f"Hiding a modality changes nothing for the worse: the {figure.words} is "
        f"{figure.shown(whole)} with all of them."
    )
    how = (
        "The model was not built for missing modalities: another row's cells, drawn at random, "
        f"replace missing ones, and {subject.settings.swaps} such answers are "
        "averaged. Training with `--modality-dropout` would make a model that can do without."
    )
    if built_for_it:
        how = "The model is told which modalities a row has."
        model = subject.run.config["settings"].get("model")
        if model is not None and not model["modality_dropout"]:
            how += (
                " It has seen them missing only as often as they were in the training rows: "
                "training with `--modality-dropout` would make a model that can do without any."
            )
    return Section(
        "missing",
        "What if a modality is missing?",
        f"{conclusion} The best constant answer scores {figure.shown(subject.nothing)}.",
        [
            Table(
                "missing",
                table,
                f"The {figure.words} for each subset of the modalities. {how} Where a model "
                "that was trained on those modalities only does much better, this model has come "
                "to rely on the others." + (_FILLED_CAPTION if made else ""),
            ),
            Picture(
                "missing",
                _plot(curves, subject),
                f"As more and more cells of a modality go missing at random. {how} A line that "
                "stays high is a modality that the model can do without.",
            ),
        ],
        {
            "built_for_missing": built_for_it,
            "subsets": table.to_dict("index"),
            "shares": SHARES,
            "curves": curves,
        },
    )


def filled_by_conversion(subject: Subject) -> dict[str, float]:
    """The score where a modality is missing and made of the others, by those that are there.

    Raises:
        ValueError: A conversion makes none of the modalities, or reads what the rows do not have.
    """
    frame, schema = subject.rows.pipeline.frame, subject.schema
    scores = {}
    for folder in subject.settings.conversions:
        for imputer in imputers_of(folder, schema):
            made = imputer.modality
            absent = [c for each in imputer.sources for c in each.columns if c not in frame]
            if absent:
                raise ValueError(
                    f"{folder} makes {made.name!r} of {[each.name for each in imputer.sources]}, "
                    f"and the rows have no columns {absent[:3]}. Give a run that makes it of what "
                    "the rows have."
                )
            filled = imputer.fill(hidden(frame, made))
            outputs = subject.run.outputs_of(Pipeline(filled, subject.run.preprocessing))
            kept = subset_name(tuple(name for name in schema.names if name != made.name))
            scores[kept] = subject.rows.score(outputs)
    return scores


def missing_curve(subject: Subject, name: str) -> list[float]:
    """The score when a growing share of a modality's cells is missing; nested, one draw a row.

    Scores are linear in rows only for accuracy, so each row's answer is taken whole: the answer
    with the cell, or the one without it.
    """
    rows = subject.rows
    others = tuple(other for other in subject.names if other != name)
    without = subject.hidden[others] if others else None
    if without is None:
        without = np.broadcast_to(subject.prior, rows.outputs.shape)
    draw = np.random.default_rng(subject.settings.seed).random(len(rows))
    if (real := rows.pipeline.real_steps) is not None:
        draw = np.repeat(draw, real.sum(axis=1))
    scores = []
    for share in SHARES:
        outputs = np.where((draw < share)[:, None], without, rows.outputs)
        scores.append(rows.score(outputs))
    return scores


def _plot(curves: dict[str, list[float]], subject: Subject):
    figure = new_figure(6.4, 3.6)
    axes = figure.subplots()
    times = subject.figure.scale
    for place, (name, curve) in enumerate(curves.items()):
        shares, scores = 100 * np.array(SHARES), times * np.array(curve)
        axes.plot(shares, scores, "o-", ms=4, color=color(place), label=name)
    axes.axhline(times * subject.nothing, ls=":", color=GREY, label="best constant answer")
    axes.set(xlabel="missing cells of the modality, %", ylabel=subject.figure.axis_label)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    return figure
