"""The same model with its pre-trained encoders tuned, or frozen: found beside a run, or trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmkeras.audit.siblings import sibling_configs
from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.own_model import OWN_MODEL
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import train_run
from mmkeras.nested import jsonable
from mmkeras.schema import Schema

if TYPE_CHECKING:
    from mmkeras.audit.audit_config import AuditSettings

# A tuned network wants small steps.
_TUNED_RATE = 1e-4


def pretrained(config: Mapping[str, Any], schema: Schema) -> dict[str, bool]:
    """By modality that a pre-trained network reads: whether it is tuned."""
    if OWN_MODEL in config:
        return {}
    settings = Settings.from_dict(config["settings"])
    encoders = {m.name: settings.encoder_of(m) for m in schema.modalities}
    return {
        name: encoder.options.get("train") is not None
        for name, encoder in encoders.items()
        if encoder.name == "pretrained"
    }


def counterpart(
    run: Run, splits: Splits | None, settings: AuditSettings, folder: Path
) -> Run | None:
    """The run with tuned encoders where this one's are frozen, with frozen ones otherwise.

    It has the same modalities, rows and seed, and the same settings of all but the encoders and of
    training, as a tuned network is trained in smaller steps.

    Args:
        run: The run; some encoder of it is pre-trained.
        splits: Its rows; without them, nothing can be trained.
        settings: Whether to train it where it is not found.
        folder: Where it goes then; found there again the next time.
    """
    schema = run.preprocessing.schema
    tuned = any(pretrained(run.config, schema).values())
    for path, config in sibling_configs(run.path):
        if any(config.get(key) != run.config.get(key) for key in ("schema", "data", "seed")):
            continue
        states = pretrained(config, schema).values()
        if not states or any(states) == tuned:
            continue
        if _but_tuning(config, schema) == _but_tuning(run.config, schema):
            return Run(path)
    if not settings.tuning or splits is None:
        return None
    name = "frozen" if tuned else "tuned"
    other = _other_way(run, schema, tuned)
    return train_run(splits, schema, folder / "models" / name, other, label=f"encoders {name}")


def _but_tuning(config: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The settings without what differs between frozen and tuned encoders."""
    settings = Settings.from_dict(config["settings"])
    values = settings.to_dict(schema)
    for name in ("training", "reasons", "encoders", "modalities"):
        values.pop(name, None)
    for modality in schema.modalities:
        encoder = settings.encoder_of(modality)
        options = {name: x for name, x in encoder.options.items() if name != "train"}
        values[f"encoder of {modality.name}"] = [encoder.name, options, settings.of(modality)]
    return jsonable(values)


def _other_way(run: Run, schema: Schema, tuned: bool) -> Settings:
    """The run's settings with all pre-trained encoders frozen, or tuned."""
    settings = Settings.from_dict(run.config["settings"])
    modalities = {name: dict(own) for name, own in settings.modalities.items()}
    names = pretrained(run.config, schema)
    for modality in schema.modalities:
        if modality.name in names:
            encoder = settings.encoder_of(modality)
            options = {**encoder.options, "train": None if tuned else "all"}
            own = {"encoder": encoder.name, "encoder_options": options}
            modalities[modality.name] = {**modalities.get(modality.name, {}), **own}
    training = settings.training
    rates = {name: rate for name, rate in training.part_rates.items() if name not in names}
    if not tuned:
        rates |= dict.fromkeys(names, min(1.0, _TUNED_RATE / training.learning_rate))
    training = dataclasses.replace(training, part_rates=rates)
    return dataclasses.replace(settings, modalities=modalities, training=training)
