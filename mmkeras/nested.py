"""Nested settings: read from JSON, as one flat dict, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dict with dotted names.

    >>> flatten({"model": {"fusion": "gmu", "hidden": [16]}, "seed": 0})
    {'model.fusion': 'gmu', 'model.hidden': [16], 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In which of their nested settings two dicts differ, in words; empty if they are equal."""
    before, now = flatten(before), flatten(now)
    differ = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return "; ".join(f"{n}: {before.get(n)!r}, now {now.get(n)!r}" for n in differ[:5])


def jsonable(value: Any) -> Any:
    """Tuples as JSON's lists, inside dicts too.

    >>> jsonable({"size": (3, 4)})
    {'size': [3, 4]}
    """
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return value


def tuples(value: Any) -> Any:
    """JSON's lists as tuples, inside dicts too.

    >>> tuples({"size": [3, 4]})
    {'size': (3, 4)}
    """
    if isinstance(value, list):
        return tuple(tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {key: tuples(item) for key, item in value.items()}
    return value
