"""Numbers and names as a report writes them."""

from __future__ import annotations

from collections.abc import Iterable


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
