"""Whether a folder holds the run that is asked for, and what says so in its `config.json`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.own_model import NOTHING_OWN, OWN_MODEL, OwnModel
from mmkeras.experiment.run_folder import CONFIG, METRICS, environment, read_run_config, time_now
from mmkeras.experiment.settings import Settings
from mmkeras.files import write_json
from mmkeras.nested import differences, jsonable
from mmkeras.reading import check_keys, naming
from mmkeras.schema import Schema
from mmkeras.training.settings import TrainingSettings

CHECKPOINT = "checkpoint/last.npz"
# What a result's last digits depend on besides versions.
_LAST_DIGITS = ("threads", "processor", "devices")


def is_finished(
    folder: Path,
    splits: Splits,
    schema: Schema,
    settings: Settings,
    more: Mapping[str, Any] | None = None,
    own: OwnModel = NOTHING_OWN,
) -> bool:
    """Whether a folder holds the finished run of these rows and settings.

    Args:
        folder, splits, schema, settings: As for `train_run`.
        more: Other entries of `config.json` that decide the result.
        own: What of the model is the caller's own.

    Raises:
        ValueError: The folder holds a run of other data or other settings.
    """
    if not (folder / CONFIG).exists():
        return False
    config = read_run_config(folder)
    own.check_given(config, folder)
    now = {**_identity(splits, schema, settings, own), **(more or {})}
    _check_same_run(_with_later_settings(config), now, environment(), folder)
    return (folder / METRICS).exists()


def begin_run(
    folder: Path,
    splits: Splits,
    schema: Schema,
    settings: Settings,
    details: Mapping[str, Any],
    own: OwnModel = NOTHING_OWN,
) -> None:
    """Writes `config.json`, unless the run was started before."""
    if not (folder / CONFIG).exists():
        about = {"created": time_now(), "seed": settings.seed}
        about |= _identity(splits, schema, settings, own)
        about |= {OWN_MODEL: {"given": own.given}} if own else {}
        # Details may know better: the command that began an experiment is not the one that goes on.
        now = {**environment(), **details.get("environment", {})}
        write_json(folder / CONFIG, {**about, **details, "environment": now})
    (folder / CHECKPOINT).parent.mkdir(exist_ok=True)


def _identity(splits: Splits, schema: Schema, settings: Settings, own: OwnModel) -> dict[str, Any]:
    """What `config.json` says of a run that decides its result."""
    return {
        "settings": own.recorded(settings.select(schema).to_dict(schema)),
        **rows_identity(splits, schema),
    }


def run_digest(splits: Splits, schema: Schema, settings: Settings, own: OwnModel) -> str:
    """What tells a run's rows and settings from others, for processes that train it together."""
    about = json.dumps(jsonable(_identity(splits, schema, settings, own)), sort_keys=True)
    return hashlib.blake2b(about.encode(), digest_size=16).hexdigest()


def rows_identity(splits: Splits, schema: Schema) -> dict[str, Any]:
    """What `config.json` says of a run's rows."""
    return {
        "schema": schema.to_dict(),
        "rows": {name: len(part) for name, part in splits.items()},
        "data": {name: fingerprint(part, schema) for name, part in splits.items()},
    }


def _check_same_run(
    old: Mapping[str, Any], own: Mapping[str, Any], now: Mapping[str, Any], folder: Path
) -> None:
    for key in ("data", *(key for key in own if key not in ("data", "rows"))):
        with naming(folder / CONFIG):
            check_keys(old, {key: Mapping[str, Any]} if key in old else {})
        # By way of JSON, where tuples are lists.
        if shown := differences(old.get(key, {}), jsonable(own[key])):
            raise ValueError(f"{folder} holds a run of other {key}; it cannot resume. {shown}")
    before = old["environment"]
    if before["backend"] != now["backend"]:
        raise ValueError(
            f"{folder} holds a run on the {before['backend']} backend; it cannot resume with "
            f"{now['backend']}. Set KERAS_BACKEND={before['backend']}."
        )
    for package in ("keras", before["backend"]):
        if before["versions"].get(package) != now["versions"].get(package):
            warnings.warn(
                f"{folder} was started with {package} {before['versions'].get(package)} and "
                f"resumes with {now['versions'].get(package)}: the result may differ in its "
                "last digits.",
                stacklevel=3,
            )
    other = [name for name in _LAST_DIGITS if before.get(name, now[name]) != now[name]]
    if other and not (folder / METRICS).exists():
        began, goes_on = (
            ", ".join(f"{name} {each[name]}" for name in other) for each in (before, now)
        )
        warnings.warn(
            f"{folder} was started with {began} and resumes with {goes_on}: the result may differ "
            "in its last digits."
            + f" --threads {before['threads']} gives it as many threads as before."
            * ("threads" in other),
            stacklevel=3,
        )


def _with_later_settings(config: dict[str, Any]) -> dict[str, Any]:
    """A `config.json`, with the training's settings that its version did not have yet."""
    training = config["settings"].get("training", {})
    defaults = jsonable(dataclasses.asdict(TrainingSettings()))
    return {**config, "settings": {**config["settings"], "training": {**defaults, **training}}}
