"""Pictures of true and predicted values, as matplotlib figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mmkeras.plotting import BLUE, GREY, new_figure, plain

# How many classes a picture or a table in a report shows: what can be read.
MOST_CLASSES = 25


def plot_confusion(confusion: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts by true class (rows) and predicted class (columns), shaded by share of the row.

    Of more than 25 classes those with the most mistakes are drawn.

    Args:
        confusion: Integers, `(classes, classes)`.
        classes: Their names.
    """
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    drawn = _most_mistaken(confusion)
    confusion, share = (each[np.ix_(drawn, drawn)] for each in (confusion, share))
    size = min(max(4.5, 0.55 * len(drawn) + 2), 16)
    figure = new_figure(size + 0.8, size)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted class", ylabel="true class")
    names = [plain(classes[place]) for place in drawn]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for row, column in np.argwhere(confusion):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, confusion[row, column], ha="center", va="center", color=color)
    return figure


def _most_mistaken(confusion: np.ndarray) -> np.ndarray:
    """The classes with the most mistakes, from them or for them, in their own order."""
    mistakes = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diagonal(confusion)
    return np.sort(np.argsort(-mistakes, kind="stable")[:MOST_CLASSES])


def confusions(confusion: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """The mistakes of a confusion matrix, the most frequent first.

    Args:
        confusion: Integers, `(classes, classes)`.
        classes: Their names.

    Returns:
        Indexed by the true class: `predicted class`, `rows`, and their `share` of the true class.
    """
    wrong = confusion - np.diag(np.diagonal(confusion))
    true, guess = np.nonzero(wrong)
    order = np.argsort(-wrong[true, guess], kind="stable")
    true, guess = true[order], guess[order]
    names = np.asarray(classes, dtype=object)
    rows = wrong[true, guess]
    columns = {"predicted class": names[guess], "rows": rows}
    columns["share"] = rows / confusion.sum(axis=1)[true]
    return pd.DataFrame(columns, index=pd.Index(names[true], name="true class"))


def most_confused(counts: np.ndarray, classes: Sequence[str]) -> str:
    """A confusion matrix in words: its most frequent mistake."""
    wrong = counts.astype(float)
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "Examples by true and predicted class: none is mistaken."
    some = ""
    if len(classes) > MOST_CLASSES:
        some = f" The {MOST_CLASSES} of {len(classes):,} classes with the most mistakes are drawn."
    row, column = map(int, np.unravel_index(wrong.argmax(), wrong.shape))
    return (
        f"Examples by true and predicted class. The most frequent mistake is {classes[column]!r} "
        f"for {classes[row]!r}: {counts[row, column]:,} of {counts[row].sum():,}.{some}"
    )


def plot_agreement(targets: np.ndarray, outputs: np.ndarray, names: Sequence[str]) -> Figure:
    """Predicted against true values, with the line on which they agree; a panel for each number.

    Args:
        targets, outputs: `(examples, numbers)`.
        names: What the numbers are called.
    """
    figure = new_figure(4.8 * len(names), 4.4)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, true, guess, name in zip(panels, targets.T, outputs.T, names, strict=True):
        low, high = min(true.min(), guess.min()), max(true.max(), guess.max())
        axes.plot([low, high], [low, high], color=GREY, linewidth=1, label="agreement")
        axes.scatter(true, guess, s=12, alpha=0.6, color=BLUE, label="test rows")
        axes.set(xlabel=f"true {plain(name)}", ylabel=f"predicted {plain(name)}")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    return figure
