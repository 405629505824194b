"""What all pictures have in common: colours, names, no global state of matplotlib's."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Texts may hold characters that the plotting font lacks; a hollow box says so well enough.
warnings.filterwarnings("ignore", message="Glyph .* missing from font")

BLUE, GREY = "#0550ae", "#57606a"
GREEN, RED = "#1a7f37", "#b3261e"  # right and wrong answers
COLORS = (BLUE, "#d4730a", "#1a7f37", "#8250df", "#bf3989", "#7a5c00", "#0a8a8a")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, which pyplot does not know of."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def color(place: int) -> str:
    return COLORS[place % len(COLORS)]


def plain(name: Any, longest: int = 40) -> str:
    """A name of the user's as matplotlib takes it.

    A dollar sign would start a formula, and a legend leaves names out that begin with `_`.
    """
    text = str(name)
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    text = text.replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text


def shared_legend(figure: Figure, panels: Iterable[Any]) -> None:
    """One legend above all panels, each name once."""
    handles: dict = {}
    for axes in panels:
        handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(
        handles.values(), handles, loc="outside upper center", ncols=3, frameon=False, fontsize=8
    )
