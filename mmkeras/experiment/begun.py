"""What a run folder says of the experiment that it belongs to, so that it can go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkeras.experiment.run_folder import CONFIG, METRICS
from mmkeras.experiment.start import STARTED_FROM
from mmkeras.reading import check_keys, naming, read_json


@dataclass(frozen=True)
class Begun:
    """A run that an experiment began.

    Args:
        folder: Its run folder. The experiment's other run folders lie beside it.
        stamp: What the names of them all begin with.
        label: Which of the experiment's models it is: what its own name ends with.
        experiment: The experiment's configuration, as JSON holds it.
        command: The command that began it.
        started_from: The run whose weights it began with, if any.
    """

    folder: Path
    stamp: str
    label: str
    experiment: Mapping[str, Any]
    command: str
    started_from: Path | None

    @property
    def finished(self) -> bool:
        return (self.folder / METRICS).exists()


def read_begun(folder: Path, script: str, keys: Mapping[str, Any], known: Collection[str]) -> Begun:
    """What a run folder says of its experiment.

    Args:
        folder: The run folder.
        script: The script whose experiment it has to be.
        keys: What the experiment's configuration must have, each with its type.
        known: What it may have.

    Raises:
        FileNotFoundError: It is no run folder.
        ValueError: Another script or a call made it; it was renamed; or its `config.json` is
            damaged.
    """
    folder, path = folder.resolve(), folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a run folder: it has no {CONFIG}.")
    config = read_json(path)
    experiment = config.get("experiment")
    with naming(path):
        check_keys(config, {"environment": Mapping[str, Any]})
        check_keys(config["environment"], {"command": str}, "environment")
        command = config["environment"]["command"]
        if not isinstance(experiment, Mapping) or "stamp" not in config:
            raise ValueError(
                f"{folder} was not made by {script}, so that --resume cannot continue it. It was "
                f"made by {command!r}. A cross-validation or comparison goes on when it is called "
                "again with the same --out, and mmkeras.train_run when it is called again."
            )
        check_keys(experiment, keys, "experiment")
        if unknown := sorted(set(experiment) - set(known)):
            raise ValueError(f"`experiment` has the unknown keys {unknown}.")
        check_keys(config, {"stamp": str})
        started = config.get(STARTED_FROM)
        if started is not None:
            check_keys(config, {STARTED_FROM: str})
    # The name decides where runs are written to, not what a file says of it.
    stamp, label = config["stamp"], folder.name.removeprefix(f"{config['stamp']}-")
    if not stamp or label in ("", folder.name):
        raise ValueError(
            f"{path} says that its folder's name begins with {stamp!r}. Received: "
            f"{folder.name!r}. Give the folder its own name again: the experiment's other runs "
            "are found by it."
        )
    return Begun(folder, stamp, label, experiment, command, started and Path(started))
