"""A comparison as a picture: what each model reaches, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from mmkeras.evaluation.plots import new_figure

_COLORS = ("#0550ae", "#d4730a", "#1a7f37", "#8250df")


def plot_comparison(
    table: pd.DataFrame, cost: pd.Series, kinds: Mapping[str, str], label: str
) -> Figure:
    """Every model's score with its interval, and score against seconds an epoch.

    In the right picture models go by their place in the left one, so that names do not overlap.

    Args:
        table: `Comparison.table`.
        cost: By model, seconds an epoch.
        kinds: By model, the group that it is coloured by.
        label: What the score is called.
    """
    figure = new_figure(11.0, max(3.6, 0.24 * len(table) + 1.2))
    names, costs = figure.subplots(1, 2, width_ratios=(1.1, 1.0))
    colors = dict(zip(dict.fromkeys(kinds.values()), _COLORS, strict=False))
    best_single = table[[kinds[model] == "one modality" for model in table.index]]["score"].max()
    for kind, color in colors.items():
        of_kind = [place for place, model in enumerate(table.index) if kinds[model] == kind]
        part = table.iloc[of_kind]
        spread = [part["score"] - part["low"], part["high"] - part["score"]]
        style = {"color": color, "markersize": 4, "elinewidth": 1, "linestyle": "none"}
        names.errorbar(part["score"], of_kind, xerr=spread, marker="o", **style)
        costs.errorbar(cost[part.index], part["score"], yerr=spread, marker="o", label=kind,
                       alpha=0.75, **style)  # fmt: skip
        for place, (model, row) in zip(of_kind, part.iterrows(), strict=True):
            costs.annotate(
                str(place + 1),
                (cost[model], row["score"]),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=7,
                color=color,
            )
    numbered = [f"{model}  {place + 1}" for place, model in enumerate(table.index)]
    names.set_yticks(range(len(table)), numbered, fontsize=8)
    names.set_ylim(len(table) - 0.4, -0.6)
    names.set(xlabel=f"{label}, with 95 % interval")
    costs.set(xlabel="seconds an epoch", ylabel=label, xscale="log")
    names.axvline(best_single, color="#57606a", linestyle=":", linewidth=1)
    costs.axhline(
        best_single, color="#57606a", linestyle=":", linewidth=1, label="best single modality"
    )
    for axes in (names, costs):
        axes.grid(alpha=0.25)
    costs.legend(frameon=False, fontsize=8)
    return figure
