"""What its author calls a run, to find it again among many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmkeras.experiment.data_config import to_json

_MOST_CHARACTERS = 100


@dataclass(frozen=True, kw_only=True)
class Named:
    """The configuration of an experiment that makes runs; each adds its own fields.

    Args:
        name: What you call the runs: shown in their reports and lists, and in TensorBoard.
        tags: Words to find them by again.
    """

    name: str = ""
    tags: tuple[str, ...] = ()


def name_and_tags(config: Named) -> dict[str, Any]:
    """What `config.json` says of them: what was given.

    Raises:
        ValueError: One of them is empty, longer than 100 characters or more than a line, or a tag
            has a comma.
    """
    for kind, text in (("name", config.name), *(("tag", tag) for tag in config.tags)):
        if kind == "name" and not text:
            continue
        if not text.strip() or len(text) > _MOST_CHARACTERS or not text.isprintable():
            raise ValueError(
                f"A {kind} is a line of 1 to {_MOST_CHARACTERS} characters. Received: {text!r}."
            )
        if kind == "tag" and "," in text:
            raise ValueError(f"Tags are separated by spaces: --tags one two. Received: {text!r}.")
    said = {"name": config.name, "tags": list(dict.fromkeys(config.tags))}
    return {key: value for key, value in said.items() if value}


def run_details(config: Named) -> dict[str, Any]:
    """What `config.json` of each of an experiment's runs says of the experiment.

    How many models are trained at a time decides nothing, and is left out of it.

    Raises:
        ValueError: As `name_and_tags`.
    """
    experiment = to_json(config)
    experiment.pop("workers", None)
    return {**name_and_tags(config), "experiment": experiment}
