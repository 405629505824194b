"""How good the model is: all figures with intervals, by class, and the curves behind them."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.performance import by_class, constant_score, performance_intervals
from mmkeras.experiment.train import in_own_unit
from mmkeras.reports.parts import Picture, Section, Table
from mmkeras.reports.plot_style import GREY, plain
from mmkeras.reports.plots import new_figure, plot_confusion, plot_regression
from mmkeras.reports.wording import FIGURES, shown

_MOST_CURVES = 10
_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "subset_accuracy": "subset accuracy",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "log_loss": "log loss",
    "brier": "Brier score",
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "pearson": "Pearson's r",
}


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
    value, low, high = table.loc[figure]
    guessing = constant_score(task, pipeline.targets)
    drawn = "rows" if subject.groups is None else "whole groups"
    parts = [
        Table(
            "performance",
            table.rename(index=_NAMES),
            f"Every figure on the {len(targets):,} examples, with its 95 % interval (bootstrap "
            f"over {drawn}). The interval says how much the figure would move on other rows of "
            "the same kind: two models whose intervals overlap much cannot be told apart by it.",
        )
    ]
    if task == "regression":
        parts.append(
            Picture(
                "agreement",
                plot_regression(targets[:, 0], outputs[:, 0], subject.schema.target.column),
                "Predicted against true values. Points far from the line are large errors; a flat "
                "cloud means that the model says about the same of all rows.",
            )
        )
    else:
        parts += _of_classes(subject, targets, outputs)
    constant = "always giving the mean" if task == "regression" else "the best constant answer"
    better = "clearly better than" if low > guessing else "not clearly better than"
    return Section(
        "performance",
        "How good is the model?",
        f"The {FIGURES[figure]} is {shown(figure, value)}, 95 % interval {shown(figure, low)} to "
        f"{shown(figure, high)}: {better} {constant} ({shown(figure, guessing)}).",
        parts,
        {
            "figures": table.to_dict("index"),
            "examples": len(targets),
            "guessing": guessing,
            "above_guessing": bool(low > guessing),
        },
    )


def _of_classes(subject: Subject, targets: np.ndarray, outputs: np.ndarray) -> list:
    target = subject.pipeline.preprocessing.target
    classes = list(target.classes)
    table = by_class(subject.task, targets, outputs, classes)
    seen = table[table["rows"] > 0]
    weakest = seen["F1"].idxmin()
    parts = [
        Table(
            "by_class",
            table,
            f"The weakest class is {weakest!r} (F1 {seen['F1'].min():.2f}, "
            f"{table.loc[weakest, 'rows']:,} examples). A class with few examples has figures that "
            "say little.",
        )
    ]
    if subject.task == "classification":
        counts = confusion_matrix(
            targets.argmax(axis=1), outputs.argmax(axis=1), labels=range(len(classes))
        )
        parts.append(
            Picture("confusion", plot_confusion(counts, classes), _most_confused(counts, classes))
        )
    rows = table["rows"].to_numpy()
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
    parts.append(
        Picture(
            "curves",
            figure,
            "ROC curves (left) and precision against recall (right), one class against the rest. "
            "The further to the upper left, or upper right, the better its rows are told from the "
            f"others, whatever the threshold; the dotted line is guessing.{some}",
        )
    )
    return parts


def _most_confused(counts: np.ndarray, classes: list[str]) -> str:
    wrong = counts.astype(float).copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "Examples by true and predicted class: none is mistaken."
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    return (
        f"Examples by true and predicted class. The most frequent mistake is {classes[column]!r} "
        f"for {classes[row]!r}: {counts[row, column]:,} of {counts[row].sum():,}."
    )
