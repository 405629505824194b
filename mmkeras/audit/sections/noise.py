"""What happens when inputs get worse: the field's corruptions at five strengths."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.corruptions import CORRUPTIONS
from mmkeras.evaluation.robustness import effective_robustness, relative_robustness
from mmkeras.plotting import GREY, color, new_figure, plain, shared_legend
from mmkeras.progress import ProgressBar
from mmkeras.reports.parts import Picture, Section, Table
from mmkeras.tasks import Figure

STRENGTHS = (1, 2, 3, 4, 5)


def noise_section(subject: Subject) -> Section | None:
    """The score under each corruption of each modality; `None` where there are no corruptions."""
    started = time.perf_counter()
    curves, late = noise_curves(subject)
    if not curves:
        return None
    seconds = time.perf_counter() - started
    table = noise_table(subject, curves, late)
    clean = subject.rows.score(subject.rows.outputs)
    lowest = min(curves, key=lambda key: curves[key][-1])
    figure, predictions = subject.figure, len(curves) * len(STRENGTHS)
    about_late = (
        " 'Effective' is MultiBench's effective robustness: the sum over the strengths of what the "
        "score keeps beyond what the mean of the single modalities' models (late fusion), lifted "
        "to the same clean score, would keep. Above 0, fusing protects better than voting."
        if late
        else " Effective robustness needs a model of each modality alone; there is none."
    )
    return Section(
        "noise",
        "What if inputs get worse?",
        f"The {figure.words} falls most under {_words(lowest)}: from {figure.shown(clean)} to "
        f"{figure.shown(curves[lowest][-1])} at the highest strength."
        if curves[lowest][-1] < clean
        else f"No corruption lowers the {figure.words} of {figure.shown(clean)}.",
        [
            Table(
                "noise",
                table,
                f"The {figure.words} as it is (0) and at strengths 1 to 5 of each corruption. "
                "'Relative' is MultiBench's relative robustness: the area under that curve, equal "
                "to the clean score for a model that nothing can disturb."
                f"{about_late} {predictions} times {len(subject.rows):,} rows were changed and "
                f"predicted again, in {seconds:.0f} s.",
            ),
            Picture(
                "noise",
                plot_noise({"this model": curves}, subject.nothing, figure, late),
                "The same as curves. The lower a line ends, the more the model depends on that "
                "detail of that modality. Dotted: the best constant answer."
                + (" Grey: the single modalities' models, averaged." if late else ""),
            ),
        ],
        {
            "curves": {" / ".join(key): curve for key, curve in curves.items()},
            "late_fusion": {" / ".join(key): curve for key, curve in late.items()},
            "figures": table.to_dict("index"),
            "seconds": seconds,
        },
    )


def noise_curves(
    subject: Subject,
) -> tuple[dict[tuple[str, str], list[float]], dict[tuple[str, str], list[float]]]:
    """Scores at strengths 0 to 5, by modality and corruption: of the model, and of late fusion.

    Late fusion is the mean of what models of the single modalities say; there is none (an empty
    dict) unless all of them have one, and of answers that have no mean.
    """
    rows, seed = subject.rows, subject.settings.seed
    models = {name: subject.models.get((name,)) for name in subject.names}
    alone = {}
    if len(models) > 1 and all(models.values()) and subject.task.is_flat:
        alone = {name: subject.trained[(name,)] for name in subject.names}
    clean = rows.score(rows.outputs)
    clean_late = rows.score(np.mean(list(alone.values()), axis=0)) if alone else np.nan
    jobs = [
        (name, corruption)
        for name in subject.names
        for corruption in CORRUPTIONS.get(rows.raw[name].kind.name, {}).values()
    ]
    curves, late = {}, {}
    with ProgressBar("corrupting inputs", len(jobs) * len(STRENGTHS)) as progress:
        for name, corruption in jobs:
            raw, key = rows.raw[name], (name, corruption.name)
            curves[key] = [clean]
            if alone:
                late[key] = [clean_late]
            for strength in STRENGTHS:
                values = corruption(raw.values, strength, fitted=raw.fitted, seed=seed)
                changed = {name: raw.inputs(values)}
                curves[key].append(rows.score(rows.predict(changed)))
                if alone:
                    said = alone | {name: models[name].predict(rows, changed)}
                    late[key].append(rows.score(np.mean(list(said.values()), axis=0)))
                progress.add()
    return curves, late


def noise_table(subject: Subject, curves: dict, late: dict) -> pd.DataFrame:
    """One row per corruption: scores by strength, and MultiBench's two figures."""
    lines = {}
    for key, curve in curves.items():
        line = {str(strength): score for strength, score in enumerate(curve)}
        line["relative"] = relative_robustness(curve)
        if late:
            # What rounding leaves of equal sums is not a difference.
            line["effective"] = round(effective_robustness(curve, late[key]), 12)
        lines[_words(key)] = line
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("corruption")


def plot_noise(runs: dict[str, dict], nothing: float, main: Figure, late: dict | None = None):
    """One panel per corruption: each run's score over the strengths.

    Args:
        runs: By run, curves by modality and corruption; the same ones of each.
        nothing: What the best constant answer scores.
        main: Which figure the scores are.
        late: Late fusion's curves.
    """
    keys = list(next(iter(runs.values())))
    columns = min(4, len(keys))
    lines = -(-len(keys) // columns)
    figure = new_figure(2.1 * columns + 0.4, 1.95 * lines + 0.5)
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    times = main.scale
    for axes in grid[len(keys) :]:
        axes.axis("off")
    for axes, key in zip(grid, keys, strict=False):
        if late and key in late:
            axes.plot(range(6), times * np.array(late[key]), color="#8c959f", lw=1.2, label="late")
        for place, (name, curves) in enumerate(runs.items()):
            scores = times * np.array(curves[key])
            axes.plot(range(6), scores, "o-", ms=3, lw=1.4, color=color(place), label=name)
        axes.axhline(times * nothing, ls=":", lw=1, color=GREY)
        axes.set_title(f"{plain(key[0])}\n{key[1].replace('_', ' ')}", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)
    figure.supxlabel("strength of the corruption", fontsize=9)
    figure.supylabel(main.axis_label, fontsize=9)
    if len(runs) > 1:
        shared_legend(figure, grid)
    return figure


def _words(key: tuple[str, str]) -> str:
    return f"{key[0]}: {key[1].replace('_', ' ')}"
