"""Numbers and names as a report writes them."""

from __future__ import annotations

from collections.abc import Iterable

FIGURES = {"accuracy": "accuracy", "micro_f1": "micro-F1", "r2": "R²"}


def shown(figure: str, value: float) -> str:
    """A score: `78.4 %`, or `0.784` for R².

    >>> shown("accuracy", 0.784), shown("r2", 0.784)
    ('78.4 %', '0.784')
    """
    return f"{value:.3f}" if figure == "r2" else f"{100 * value:.1f} %"


def difference(figure: str, value: float) -> str:
    """A difference of scores: `+3.2 points`, or `+0.032` for R²."""
    return f"{value:+.3f}" if figure == "r2" else f"{100 * value:+.1f} points"


def joined(names: Iterable[str]) -> str:
    """`image`, `image and text`, `image, sound and text`.

    >>> joined(["image", "sound", "text"])
    'image, sound and text'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def subset_name(modalities: Iterable[str]) -> str:
    """A subset of modalities, in tables and pictures."""
    return " + ".join(modalities)
