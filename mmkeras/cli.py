"""What the experiment scripts share: the data set's preset, and errors in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

from mmkeras.data.datasets import DATASETS
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.presets import preset
from mmkeras.studies.jobs import JobDied, JobsMissing

Config = TypeVar("Config")


def parse(
    config_class: type[Config],
    arguments: Sequence[str],
    description: str,
    dataset: str = DataConfig.dataset,
    **defaults: Any,
) -> Config:
    """A configuration from the command line, with the data set's preset as its defaults.

    Args:
        config_class: A dataclass with the fields `data` (a `DataConfig`) and `settings`.
        arguments: The command line, without the script.
        description: What `--help` says first.
        dataset: The data set if the command line names none.
        **defaults: Of other fields of the configuration.
    """
    dataset = option(arguments, "--dataset") or dataset
    if dataset not in DATASETS:
        raise ValueError(f"No data set {dataset!r}. There are: {', '.join(DATASETS)}.")
    own = option(arguments, "--data") is not None
    default = config_class(
        data=DataConfig(dataset=dataset), settings=preset(None if own else dataset), **defaults
    )
    return tyro.cli(config_class, args=list(arguments), default=default, description=description)


def option(arguments: Sequence[str], name: str) -> str | None:
    """An option's value, before the rest is parsed: it decides the others' defaults."""
    for place, word in enumerate(arguments):
        if word == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith(f"{name}="):
            return word.split("=", 1)[1]
    return None


def run_script(main: Callable[[], Any], after_interrupt: str = "") -> None:
    """Runs a script's `main`: a user's mistake ends in one line, without a traceback.

    Missing jobs end it likewise: exit code 1. `after_interrupt` says how to resume after Ctrl-C.

    Set `MMKERAS_TRACEBACK=1` to see where the error was raised.
    """
    try:
        main()
    except (ValueError, OSError, JobsMissing, JobDied) as error:
        if os.environ.get("MMKERAS_TRACEBACK") == "1":
            raise
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        print(f"\ninterrupted{after_interrupt}", file=sys.stderr)
        raise SystemExit(130) from None
