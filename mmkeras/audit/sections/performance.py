"""How good the model is: all figures with intervals, by class, and the curves behind them."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.performance import by_class, performance_intervals
from mmkeras.experiment.train import in_own_unit
from mmkeras.plotting import GREY, new_figure, plain
from mmkeras.reports.parts import Picture, Section, Table
from mmkeras.tasks import FIGURES
from mmkeras.tasks.pictures import MOST_CLASSES

_MOST_CURVES = 10


def performance_section(subject: Subject) -> Section:
    """Performance on all rows."""
    task, pipeline = subject.task, subject.pipeline
    targets, outputs = in_own_unit(pipeline, subject.outputs)
    table = performance_intervals(
        task,
        targets,
        outputs,
        groups=subject.groups,
        draws=subject.settings.draws,
        seed=subject.settings.seed,
    )
    figure = subject.figure
    value, low, high = table.loc[figure.key]
    guessing = task.constant_score(targets)
    drawn = "rows" if subject.groups is None else "whole groups"
    parts = [
        Table(
            "performance",
            table.rename(index={key: each.words for key, each in FIGURES.items()}),
            f"Every figure on the {len(targets):,} examples, with its 95 % interval (bootstrap "
            f"over {drawn}). The interval says how much the figure would move on other rows of "
            "the same kind: two models whose intervals overlap much cannot be told apart by it.",
        )
    ]
    if task.has_classes:
        parts.append(_by_class(subject, targets, outputs))
    parts += [Picture(name, *each) for name, each in task.pictures(targets, outputs).items()]
    parts += [
        Table(name, *each, shown=MOST_CLASSES)
        for name, each in task.tables(targets, outputs).items()
    ]
    if task.has_classes:
        parts.append(_curves(subject, targets, outputs))
    better = "clearly better than" if low > guessing else "not clearly better than"
    return Section(
        "performance",
        "How good is the model?",
        f"The {figure.words} is {figure.shown(value)}, 95 % interval {figure.shown(low)} to "
        f"{figure.shown(high)}: {better} {task.best_constant} ({figure.shown(guessing)}).",
        parts,
        {
            "figures": table.to_dict("index"),
            "examples": len(targets),
            "guessing": guessing,
            "above_guessing": bool(low > guessing),
        },
    )


def _by_class(subject: Subject, targets: np.ndarray, outputs: np.ndarray) -> Table:
    table = by_class(subject.task, targets, outputs)
    seen = table[table["rows"] > 0]
    weakest = seen["F1"].idxmin()
    if len(table) > MOST_CLASSES:
        table = table.sort_values("F1", kind="stable")
    return Table(
        "by_class",
        table,
        f"The weakest class is {weakest!r} (F1 {seen['F1'].min():.2f}, "
        f"{table.loc[weakest, 'rows']:,} examples). A class with few examples has figures that "
        "say little.",
        shown=MOST_CLASSES,
    )


def _curves(subject: Subject, targets: np.ndarray, outputs: np.ndarray) -> Picture:
    classes = subject.task.classes
    rows = (targets >= 0.5).sum(axis=0)
    drawn = [i for i in np.argsort(-rows, kind="stable") if 0 < rows[i] < len(targets)]
    figure = new_figure(8.8, 3.8)
    roc, recall = figure.subplots(1, 2)
    for i in drawn[:_MOST_CURVES]:
        false, true, _ = roc_curve(targets[:, i] >= 0.5, outputs[:, i])
        roc.plot(false, true, lw=1.3, label=plain(classes[i], 28))
        precision, found, _ = precision_recall_curve(targets[:, i] >= 0.5, outputs[:, i])
        recall.plot(found, precision, lw=1.3)
    roc.plot([0, 1], [0, 1], ":", color=GREY, lw=1)
    roc.set(xlabel="share of the other rows taken for it", ylabel="share of its rows found")
    recall.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    for axes in (roc, recall):
        axes.grid(alpha=0.25)
    figure.legend(
        *roc.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8
    )
    some = "" if len(drawn) <= _MOST_CURVES else f" The {_MOST_CURVES} largest classes are drawn."
    return Picture(
        "curves",
        figure,
        "ROC curves (left) and precision against recall (right), one class against the rest. "
        "The further to the upper left, or upper right, the better its rows are told from the "
        f"others, whatever the threshold; the dotted line is guessing.{some}",
    )
