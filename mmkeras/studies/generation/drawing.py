"""Pictures of what a generative model makes: beside what it was given, sampled, on a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mmkeras.data.kinds import KINDS
from mmkeras.data.preprocessing import Preprocessing
from mmkeras.plotting import GREY, color, new_figure, plain
from mmkeras.reports.wording import format_cell

_CELL = 0.85


def plot_grid(
    lines: Sequence[tuple[str, str, np.ndarray]],
    preprocessing: Preprocessing,
    titles: Sequence[str] = (),
) -> Figure:
    """A line of a modality's cells each, with its name before it.

    Args:
        lines: Name, modality, and inputs `(cells, ...)`, as many in each line.
        preprocessing: What the inputs are.
        titles: Above the columns.
    """
    count = len(lines[0][2])
    figure = new_figure(_CELL * (count + 2.2), _CELL * len(lines) + 0.3 * bool(titles) + 0.1)
    panels = figure.subplots(len(lines), count + 1, squeeze=False, width_ratios=[2.2, *[1] * count])
    for line, (name, modality, values) in zip(panels, lines, strict=True):
        line[0].axis("off")
        line[0].text(1.0, 0.5, plain(name, 30), ha="right", va="center", fontsize=8)
        for axes, shown in zip(line[1:], _shown(modality, values, preprocessing), strict=True):
            _draw(axes, shown)
    for axes, title in zip(panels[0, 1:], titles, strict=False):
        axes.set_title(title, fontsize=8)
    return figure


def _shown(name: str, values: np.ndarray, preprocessing: Preprocessing) -> list[Any]:
    """What to draw of each cell: pixels, or words."""
    modality, fitted = preprocessing.schema[name], preprocessing.modalities[name]
    kind = KINDS[modality.kind]
    if values.ndim == 3:  # a spectrogram: time to the right, low bands below
        return list(values.transpose(0, 2, 1)[:, ::-1])
    cells = kind.cells_of(values, modality, fitted)
    if kind.is_visual:
        return list(cells[modality.column])
    return [
        "\n".join(" ".join(format_cell(cell, 2) for cell in row).split()[:4])
        for row in cells.itertuples(index=False, name=None)
    ]


def _draw(axes: Any, shown: Any) -> None:
    axes.set(xticks=[], yticks=[])
    if isinstance(shown, str):
        for side in axes.spines.values():
            side.set_visible(False)
        size = 12 if len(shown) < 4 else 6
        axes.text(0.5, 0.5, plain(shown), ha="center", va="center", fontsize=size)
        return
    if shown.ndim == 2:
        axes.imshow(shown, aspect="auto", cmap="magma")
        return
    grey = shown[..., 0] if shown.shape[-1] == 1 else shown
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)


def plot_coherence(by_model: Mapping[str, pd.DataFrame], judges: float | None = None) -> Figure:
    """Coherence by how many modalities were given, a line for each model.

    Args:
        by_model: `Measures.coherence`; of several seeds one below the other.
        judges: The judges' own accuracy on true rows, as the line that cannot be passed.
    """
    figure = new_figure(5.6, 3.4)
    axes = figure.subplots()
    for place, (name, table) in enumerate(by_model.items()):
        means = 100 * table.groupby("number")["accuracy"].mean()
        axes.plot(means.index, means, "o-", ms=4, color=color(place), label=plain(name))
    if judges is not None:
        axes.axhline(100 * judges, ls=":", color=GREY, label="judges, of true cells")
    axes.set(xlabel="modalities given", ylabel="of the right class, %")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    return figure
