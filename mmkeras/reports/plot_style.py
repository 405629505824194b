"""What the pictures of a report have in common: colours, units, names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mmkeras.reports.wording import FIGURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, GREY = "#0550ae", "#57606a"
COLORS = (BLUE, "#d4730a", "#1a7f37", "#8250df", "#bf3989", "#7a5c00", "#0a8a8a")


def color(place: int) -> str:
    return COLORS[place % len(COLORS)]


def scale(figure: str) -> int:
    """What scores are multiplied with on an axis: shares are shown in percent."""
    return 1 if figure == "r2" else 100


def axis_label(figure: str) -> str:
    return FIGURES[figure] + ("" if figure == "r2" else ", %")


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
