"""What its author calls a run, to find it again among many."""

from __future__ import annotations

from typing import Any, Protocol

_MOST_CHARACTERS = 100


class Named(Protocol):
    """An experiment's configuration with `--name` and `--tags`."""

    @property
    def name(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...


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
