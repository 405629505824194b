"""Pictures of true and predicted values, as matplotlib figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mmkeras.plotting import BLUE, GREY, new_figure, plain


def plot_confusion(confusion: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts by true class (rows) and predicted class (columns), shaded by share of the row.

    Args:
        confusion: Integers, `(classes, classes)`.
        classes: Their names. Beyond 30 classes the counts are left out.
    """
    size = min(max(4.5, 0.55 * len(classes) + 2), 16)
    figure = new_figure(size + 0.8, size)
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted class", ylabel="true class")
    names = [plain(name) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    if len(classes) <= 30:
        for row, column in np.ndindex(confusion.shape):
            if confusion[row, column]:
                color = "white" if share[row, column] > 0.5 else "black"
                axes.text(
                    column, row, confusion[row, column], ha="center", va="center", color=color
                )
    return figure


def most_confused(counts: np.ndarray, classes: Sequence[str]) -> str:
    """A confusion matrix in words: its most frequent mistake."""
    wrong = counts.astype(float)
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "Examples by true and predicted class: none is mistaken."
    row, column = map(int, np.unravel_index(wrong.argmax(), wrong.shape))
    return (
        f"Examples by true and predicted class. The most frequent mistake is {classes[column]!r} "
        f"for {classes[row]!r}: {counts[row, column]:,} of {counts[row].sum():,}."
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
