"""Pictures of texts: edits marked, and errors by length."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmkeras.plotting import BLUE, GREY, RED, new_figure, plain

_SHOWN, _WIDTH = 12, 96  # texts, and characters of a line
_SIZE = 9  # of the font, in points
_CHARACTER = 0.67 * _SIZE / 72  # the width of a character, in inches
_ORANGE = "#b35900"
_COLORS = {"equal": "black", "substitute": _ORANGE, "delete": RED, "insert": BLUE}
# What is on which line: of the true text and of the answer.
_LINES = ({"equal", "substitute", "delete"}, {"equal", "substitute", "insert"})


def edits(true: str, said: str, by_character: bool = False) -> list[list[tuple[str, str]]]:
    """Two texts in parts: `equal`, `substitute`, `delete` (true only) or `insert` (said only).

    Returns:
        Of the true text and of the answer, what happened and the words.

    Example:

    >>> edits("the red cat", "the bed cat sat")[1]
    [('equal', 'the'), ('substitute', 'bed'), ('equal', 'cat'), ('insert', 'sat')]
    """
    import jiwer

    found = (jiwer.process_characters if by_character else jiwer.process_words)([true], [said])
    joint, lines = "" if by_character else " ", []
    sides = ((found.references[0], "ref"), (found.hypotheses[0], "hyp"))
    for (tokens, side), shown in zip(sides, _LINES, strict=True):
        parts = [
            (c.type, tokens[getattr(c, f"{side}_start_idx") : getattr(c, f"{side}_end_idx")])
            for c in found.alignments[0]
            if c.type in shown
        ]
        lines.append([(kind, joint.join(words)) for kind, words in parts])
    return lines


def plot_edits(true: np.ndarray, said: np.ndarray, by_character: bool = False) -> Figure:
    """True texts and answers with their edits coloured, from small errors to large ones."""
    from mmkeras.tasks.text_figures import character_errors

    errors, lengths = character_errors(true, said)
    order = np.argsort(errors / lengths, kind="stable")
    wrong = order[errors[order] > 0]
    places = wrong if len(wrong) else order
    places = places[
        np.unique(np.linspace(0, len(places) - 1, min(_SHOWN, len(places))).astype(int))
    ]
    figure = new_figure(_WIDTH * _CHARACTER, 0.6 * len(places) + 0.3)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH), ylim=(len(places) - 0.3, -0.4))
    for line, place in enumerate(places):
        for half, parts in enumerate(edits(true[place], said[place], by_character)):
            _write(axes, line + 0.4 * half, parts, "" if by_character else " ")
    return figure


def _write(axes: Axes, height: float, parts: list[tuple[str, str]], joint: str) -> None:
    start = 0.0
    for kind, words in parts:
        words = words + joint
        room = int(_WIDTH - start)
        if room <= 1:
            break
        shown = words if len(words) <= room else f"{words[: room - 1]}…"
        axes.text(
            start,
            height,
            plain(shown, longest=_WIDTH),
            color=_COLORS[kind],
            family="monospace",
            fontsize=_SIZE,
            va="baseline",
            weight="normal" if kind == "equal" else "bold",
        )
        start += len(shown)


def plot_error_by_length(true: np.ndarray, said: np.ndarray, by_character: bool = False) -> Figure:
    """The error rate in up to six groups of texts of similar length, and how many these are."""
    from mmkeras.tasks.text_figures import character_errors, word_errors

    errors, lengths = (character_errors if by_character else word_errors)(true, said)
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, 7)).round().astype(int))
    groups = np.searchsorted(edges[1:-1], lengths, side="left") if len(edges) > 2 else 0 * lengths
    used = np.unique(groups)
    rates = [100 * errors[groups == g].sum() / lengths[groups == g].sum() for g in used]
    places = [lengths[groups == g].mean() for g in used]
    figure = new_figure(5.5, 3.6)
    axes = figure.subplots()
    axes.plot(places, rates, marker="o", color=BLUE)
    for place, rate, group in zip(places, rates, used, strict=True):
        count = int((groups == group).sum())
        axes.annotate(
            f"n = {count:,}",
            (place, rate),
            xytext=(0, 6),
            textcoords="offset points",
            fontsize=8,
            color=GREY,
            ha="center",
        )
    unit = "characters" if by_character else "words"
    axes.set(
        xlabel=f"{unit} of the true text",
        ylabel=f"wrong {unit}, %",
        ylim=(0, 1.25 * max(rates) + 1),
    )
    axes.margins(x=0.12)
    axes.grid(alpha=0.25)
    return figure
