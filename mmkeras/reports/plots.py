"""Pictures of a run, as matplotlib figures: dark text on a light ground, no global state."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Texts may hold characters that the plotting font lacks; a hollow box says so well enough.
warnings.filterwarnings("ignore", message="Glyph .* missing from font")

RIGHT, WRONG = "#1a7f37", "#b3261e"
_MODALITY_COLORS = ("#d4730a", "#8250df", "#0a8a8a", "#bf3989", "#7a5c00")


def new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plot_history(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Learning curves, training and validation, with the chosen epoch marked.

    Where the modalities had auxiliary outputs, their own validation values are dashed.
    """
    names = [
        name
        for name in history
        if name not in ("epoch", "seconds")
        and not name.startswith("val_")
        and "_auxiliary_" not in name
    ]
    figure = new_figure(4.8 * len(names), 3.4)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(history["epoch"], history[name], label="training", color="#57606a")
        if f"val_{name}" in history:
            axes.plot(history["epoch"], history[f"val_{name}"], label="validation", color="#0550ae")
        ending = f"_auxiliary_{name}"
        alone = [c for c in history if c.startswith("val_") and c.endswith(ending)]
        for column, color in zip(alone, itertools.cycle(_MODALITY_COLORS), strict=False):
            label = f"{column.removeprefix('val_').removesuffix(ending)} alone"
            axes.plot(history["epoch"], history[column], "--", lw=1.2, color=color, label=label)
        axes.axvline(best_epoch, color=RIGHT, linestyle=":", label=f"chosen epoch ({best_epoch})")
        axes.set(xlabel="epoch", ylabel=name.replace("_", " "))
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
    return figure


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
    names = [_plain(name) for name in classes]
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


def plot_regression(targets: np.ndarray, guesses: np.ndarray, name: str) -> Figure:
    """Predicted against true values, with the line on which they agree."""
    figure = new_figure(4.8, 4.4)
    axes = figure.subplots()
    low, high = min(targets.min(), guesses.min()), max(targets.max(), guesses.max())
    axes.plot([low, high], [low, high], color="#57606a", linewidth=1, label="agreement")
    axes.scatter(targets, guesses, s=12, alpha=0.6, color="#0550ae", label="test rows")
    axes.set(xlabel=f"true {_plain(name)}", ylabel=f"predicted {_plain(name)}")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return figure


def plot_examples(
    images: np.ndarray | None,
    captions: Sequence[str],
    verdicts: Sequence[str],
    right: Sequence[bool],
    columns: int = 6,
) -> Figure:
    """A grid of rows with what the model said of them, green where right and red where wrong.

    Args:
        images: uint8, `(rows, height, width, 1 | 3)`; `None` where there are no images.
        captions: The row's text, shown under the image.
        verdicts: What the model said.
        right: Whether it was right.
        columns: Cells in a row of the grid.
    """
    columns = min(columns, len(captions))
    rows = -(-len(captions) // columns)
    figure = new_figure(2.1 * columns, (2.75 if images is not None else 1.6) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for place, axes in enumerate(grid[: len(captions)]):
        if images is not None:
            image = images[place]
            axes.imshow(
                image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255
            )
        color = RIGHT if right[place] else WRONG
        axes.set_title(_wrap(verdicts[place], 26, 3), fontsize=8, color=color)
        axes.text(
            0.5,
            -0.04 if images is not None else 0.9,
            _wrap(captions[place], 30, 3),
            fontsize=7,
            ha="center",
            va="top",
            transform=axes.transAxes,
        )
    return figure


def plot_attention(
    images: np.ndarray, maps: np.ndarray, captions: Sequence[str], columns: int = 6
) -> Figure:
    """Each image beside itself with the attention that it received laid over it.

    Args:
        images: uint8, `(rows, height, width, 1 | 3)`.
        maps: Attention by image region, `(rows, grid_height, grid_width)`; each is scaled to its
            own maximum.
        captions: A line under each pair.
        columns: Pairs in a row of the grid.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = new_figure(2.1 * columns, 4.4 * rows)
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for place, (image, weights) in enumerate(zip(images, maps, strict=True)):
        row, column = divmod(place, columns)
        plain, overlaid = grid[2 * row, column], grid[2 * row + 1, column]
        shown = image.squeeze(-1) if image.shape[-1] == 1 else image
        height, width = image.shape[:2]
        for axes in (plain, overlaid):
            axes.imshow(shown, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
        scaled = weights / max(float(weights.max()), 1e-12)
        overlaid.imshow(
            scaled,
            cmap="inferno",
            alpha=0.6,
            vmin=0,
            vmax=1,
            extent=(0, width, height, 0),
            interpolation="bilinear",
        )
        plain.set_title(_wrap(captions[place], 26, 3), fontsize=8)
    return figure


def _plain(text: str) -> str:
    """A text without matplotlib's formula mode, which a dollar sign would start."""
    return str(text).replace("$", r"\$")


def _wrap(text: str, width: int, lines: int) -> str:
    import textwrap

    wrapped = textwrap.wrap(_plain(text), width) or [""]
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], wrapped[lines - 1][: width - 1] + "…"]
    return "\n".join(wrapped)
