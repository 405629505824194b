"""Numbers and names as a report writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.tasks import Figure

MISSING = "–"


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


def format_cell(value: Any, digits: int) -> str:
    """A cell's text.

    Args:
        value: Anything that a DataFrame holds.
        digits: How many decimals a number gets; a small one that would become 0 keeps one figure.

    Example:

    >>> [format_cell(value, 2) for value in (1234.5, 0.0004, 1234, True, float("nan"))]
    ['1,234.50', '0.0004', '1,234', 'yes', '–']
    """
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return MISSING
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        rounded = f"{value:,.{digits}f}"
        lost = value != 0 and float(rounded.replace(",", "")) == 0
        return f"{value:.1g}" if lost else rounded
    return str(value)


def name_and_tags_words(config: Mapping[str, Any]) -> dict[str, str]:
    """Name and tags, of those that a `config.json` has, as reports and TensorBoard show them.

    >>> name_and_tags_words({"name": "small rate", "tags": ["paper", "draft 2"], "seed": 0})
    {'name': 'small rate', 'tags': 'paper, draft 2'}
    """
    said = {"name": config.get("name", ""), "tags": ", ".join(config.get("tags", ()))}
    return {key: value for key, value in said.items() if value}


def leader(scores: pd.Series, figure: Figure) -> str:
    """Which of some models is best, in a sentence.

    >>> from mmkeras.tasks import FIGURES
    >>> leader(pd.Series({"image": 0.71, "text": 0.802, "fused": 0.84}), FIGURES["accuracy"])
    'fused has the best accuracy, 84.0 %; text follows with 80.2 %.'
    """
    ranked = scores.sort_values(ascending=not figure.higher_is_better, kind="stable")
    (best, score), *others = ranked.items()
    said = f"{best} has the best {figure.words}, {figure.shown(score)}"
    for name, value in others[:1]:
        said += f"; {name} follows with {figure.shown(value)}"
    return f"{said}."
