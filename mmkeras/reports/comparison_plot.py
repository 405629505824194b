"""A comparison as a picture: what each model reaches, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from mmkeras.plotting import new_figure

_COLORS = ("#0550ae", "#d4730a", "#1a7f37", "#8250df")
# Where a number may stand around its point, in points: near places first.
_PLACES = [
    (radius * np.cos(angle), radius * np.sin(angle))
    for radius in (8, 15, 23, 32)
    for angle in np.radians([20, 70, 110, 160, 200, 250, 290, 340])
]


def plot_comparison(
    table: pd.DataFrame, cost: pd.Series, kinds: Mapping[str, str], label: str
) -> Figure:
    """Every model's score with its interval, and score against seconds per epoch.

    In the right picture models go by their place in the left one.

    Args:
        table: `Comparison.table`.
        cost: By model, seconds per epoch; NaN where there are no epochs.
        kinds: By model, the group that it is coloured by.
        label: What the score is called.
    """
    figure = new_figure(12.0, max(4.4, 0.25 * len(table) + 1.2))
    names, costs = figure.subplots(1, 2, width_ratios=(1.0, 1.2))
    # The same color for the same kind, whichever model is first.
    colors = dict(zip(sorted(set(kinds.values()), reverse=True), _COLORS, strict=False))
    single = table[[kinds[model] == "one modality" for model in table.index]]["score"]
    for kind, color in colors.items():
        of_kind = [place for place, model in enumerate(table.index) if kinds[model] == kind]
        part = table.iloc[of_kind]
        spread = [part["score"] - part["low"], part["high"] - part["score"]]
        names.errorbar(part["score"], of_kind, xerr=spread, fmt="o", color=color, markersize=4,
                       elinewidth=1)  # fmt: skip
        costs.plot(cost[part.index], part["score"], "o", color=color, markersize=5, label=kind)
    numbered = [f"{model}  {place + 1}" for place, model in enumerate(table.index)]
    names.set_yticks(range(len(table)), numbered, fontsize=8)
    names.set_ylim(len(table) - 0.4, -0.6)
    names.set(xlabel=f"{label}, with 95 % interval")
    costs.set(xlabel="seconds per epoch", ylabel=label)
    costs.margins(0.08, 0.1)
    if (cost[table.index] > 0).all():
        costs.set(xlabel="seconds per epoch (log scale)", xscale="log")
        costs.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        costs.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        costs.xaxis.set_minor_locator(LogLocator(subs=()))
    if len(single):
        line = {"color": "#57606a", "linestyle": ":", "linewidth": 1}
        names.axvline(single.max(), **line)
        costs.axhline(single.max(), label="best single modality", **line)
    for axes in (names, costs):
        axes.grid(alpha=0.25)
    costs.legend(frameon=False, fontsize=8)
    figure.draw_without_rendering()  # now it is known where points are on the page
    points = np.column_stack([cost[table.index], table["score"]])
    _number(costs, points, [colors[kinds[model]] for model in table.index])
    return figure


def _number(axes: Axes, points: np.ndarray, colors: list[str]) -> None:
    """Writes 1, 2, ... next to points, each at the nearest place that is still free."""
    scale = axes.figure.dpi / 72
    places = axes.transData.transform(points) / scale
    taken = [*places[~np.isnan(places).any(axis=1)]]
    for number, (point, place, color) in enumerate(zip(points, places, colors, strict=True), 1):
        if np.isnan(place).any():
            continue
        distances = [
            min(np.hypot(*((place + offset - other) / (1.3, 1.0))) for other in taken)
            for offset in _PLACES
        ]
        free = next((i for i, distance in enumerate(distances) if distance > 8.5), None)
        offset = _PLACES[int(np.argmax(distances)) if free is None else free]
        taken.append(place + offset)
        far = np.hypot(*offset) > 10
        axes.annotate(
            str(number),
            point,
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color=color,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.5} if far else None,
        )
