"""A self-organising map as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import RegularPolygon
from matplotlib.patheffects import withStroke

from mmkeras.classical.clustering.som import SelfOrganizingMap
from mmkeras.plotting import new_figure, plain

_MOST_CELLS_WITH_WORDS = 400


def map_figure(
    som: SelfOrganizingMap,
    X: Any,
    *,
    words: Sequence[str] | None = None,
    pictures: Mapping[int, np.ndarray] | None = None,
) -> Figure:
    """Draws hits, U-matrix, and what is in the cells.

    - Hits: how many rows each cell has.
    - U-matrix: how far each cell's prototype is from its neighbours'. Light areas are groups of
      similar rows, dark lines the gaps between them.
    - Cells: a word for each (`words`), or a picture (`pictures`).

    Args:
        som: A fitted map.
        X: The rows to count, `(rows, features)`.
        words: For each cell what to write in it; an empty text for nothing.
        pictures: By cell, `(height, width)` or `(height, width, channels)`, as matplotlib shows it.

    Example:

    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> figure = map_figure(SelfOrganizingMap((3, 4)).fit(X), X)
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['rows per cell', "distance to the neighbours' prototypes"]
    """
    cells = len(som.positions_)
    if words is not None and len(words) != cells:
        raise ValueError(f"`words` has one text per cell, {cells}. Received: {len(words)}.")
    extra = words is not None or bool(pictures)
    across, down = np.ptp(som.positions_, axis=0) + 2
    width = 4.4
    ratios = [1.0, 1.0, 1.7] if extra else [1.0, 1.0]  # what is in the cells needs room
    height = max(ratios) * width * down / across
    figure = new_figure(sum(ratios) * width, float(np.clip(height, 1.5, 9)))
    hits, walls = som.hits(X), som.u_matrix()
    panels = figure.subplots(1, 2 + extra, squeeze=False, width_ratios=ratios)[0]
    for axes, values, title, colours in (
        (panels[0], hits, "rows per cell", "Blues"),
        (panels[1], walls, "distance to the neighbours' prototypes", "Greys"),
    ):
        drawn = _cells(axes, som, values, colours)
        axes.set_title(title, fontsize=9)
        figure.colorbar(drawn, ax=axes, shrink=0.8)
    if extra:
        _cells(panels[2], som, np.zeros(cells), "Greys")
        panels[2].set_title("what is in the cells", fontsize=9)
        _contents(panels[2], som, words, pictures or {})
    return figure


def _cells(axes: Any, som: SelfOrganizingMap, values: np.ndarray, colours: str) -> PatchCollection:
    hexagonal = som.topology == "hexagonal"
    sides, radius, turn = (6, 1 / np.sqrt(3), 0.0) if hexagonal else (4, np.sqrt(0.5), np.pi / 4)
    patches = [
        RegularPolygon(place, sides, radius=radius, orientation=turn) for place in som.positions_
    ]
    drawn = PatchCollection(patches, cmap=colours, edgecolor="#d0d7de", linewidth=0.5)
    drawn.set_array(np.asarray(values, float))
    axes.add_collection(drawn)
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_axis_off()
    return drawn


def _contents(
    axes: Any,
    som: SelfOrganizingMap,
    words: Sequence[str] | None,
    pictures: Mapping[int, np.ndarray],
) -> None:
    half = 0.42
    for cell, (x, y) in enumerate(som.positions_):
        if cell in pictures:
            picture = np.squeeze(pictures[cell])  # grey ones may have an axis of one channel
            axes.imshow(
                picture,
                extent=(x - half, x + half, y + half, y - half),
                cmap="gray" if np.ndim(picture) == 2 else None,
                zorder=2,
            )
        if words is not None and words[cell] and len(words) <= _MOST_CELLS_WITH_WORDS:
            lower = 0.35 if cell in pictures else 0.0
            text = axes.text(
                x, y + lower, plain(words[cell], 12), fontsize=5, ha="center", zorder=3
            )
            text.set(va="center", path_effects=[withStroke(linewidth=1.5, foreground="white")])
    # Pictures change the limits.
    (left, top), (right, bottom) = som.positions_.min(axis=0) - 1, som.positions_.max(axis=0) + 1
    axes.set(xlim=(left, right), ylim=(bottom, top))
