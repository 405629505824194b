"""Pictures of a run, as matplotlib figures: dark text on a light ground, no global state."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mmkeras.plotting import GREEN, RED, new_figure, plain

if TYPE_CHECKING:
    from mmkeras.inspection.written_attention import WrittenWord

_MODALITY_COLORS = ("#d4730a", "#8250df", "#0a8a8a", "#bf3989", "#7a5c00")


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
        axes.axvline(best_epoch, color=GREEN, linestyle=":", label=f"chosen epoch ({best_epoch})")
        axes.set(xlabel="epoch", ylabel=name.replace("_", " "))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
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
        color = GREEN if right[place] else RED
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
    """Each image next to itself with the attention that it received laid over it.

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
        bare, overlaid = grid[2 * row, column], grid[2 * row + 1, column]
        shown = image.squeeze(-1) if image.shape[-1] == 1 else image
        height, width = image.shape[:2]
        for axes in (bare, overlaid):
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
        bare.set_title(_wrap(captions[place], 26, 3), fontsize=8)
    return figure


def plot_written(
    images: np.ndarray, written: Sequence[Sequence[WrittenWord]], most_words: int = 8
) -> Figure:
    """Each image or sound, and it again for each word written, with the attention laid over it.

    Args:
        images: uint8, `(rows, height, width, 1 | 3)`.
        written: The words of each row.
        most_words: How many of them are shown.
    """
    columns = 1 + min(most_words, max([1, *map(len, written)]))
    figure = new_figure(1.5 * columns, 1.8 * len(images))
    grid = figure.subplots(len(images), columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for line, image, words in zip(grid, images, written, strict=True):
        shown = image.squeeze(-1) if image.shape[-1] == 1 else image
        height, width = image.shape[:2]
        extent = (0, width, height, 0)
        # One scale for a row, so that words that look at the image little are dark.
        most = max([1e-12, *(float(each.map.max()) for each in words)])
        for axes, word in zip(line, [None, *words], strict=False):
            axes.imshow(shown, cmap="gray", vmin=0, vmax=255, extent=extent)
            if word is not None:
                axes.imshow(
                    word.map / most, cmap="inferno", alpha=0.6, vmin=0, vmax=1, extent=extent
                )
                axes.set_title(f"{_wrap(word.word, 14, 2)}\n{100 * word.share:.0f} %", fontsize=8)
    return figure


def _wrap(text: str, width: int, lines: int) -> str:
    wrapped = textwrap.wrap(plain(text, len(text)), width) or [""]
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], wrapped[lines - 1][: width - 1] + "…"]
    return "\n".join(wrapped)
