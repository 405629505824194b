"""Models of fewer modalities next to a run: found if they were trained with it, else trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmkeras.audit.encoded_once import predict_arrays
from mmkeras.audit.model_inputs import Rows
from mmkeras.audit.siblings import sibling_configs
from mmkeras.data.media.decoded import decoded_once
from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.shapley import subsets
from mmkeras.experiment.own_model import OWN_MODEL
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import train_run
from mmkeras.nested import jsonable
from mmkeras.schema import Schema

if TYPE_CHECKING:
    from mmkeras.audit.audit_config import AuditSettings

# What two runs of one experiment, one seed and one split have in common.
_SAME = ("rows", "seed", "stamp", "fold", "experiment", OWN_MODEL)


def subset_runs(
    run: Run, splits: Splits | None, settings: AuditSettings, folder: Path
) -> dict[tuple[str, ...], Run]:
    """Runs of fewer modalities, on the same rows and with the same settings and seed.

    Args:
        run: The run of all modalities.
        splits: Its rows; without them, nothing can be trained.
        settings: Which ones to train where they are not found.
        folder: Where trained ones go; found there again the next time.

    Returns:
        By modalities, in the order of the schema; without the run itself.
    """
    names = run.preprocessing.schema.names
    found = {}
    for other, config in sibling_configs(run.path):
        if any(config.get(key) != run.config.get(key) for key in _SAME):
            continue
        modalities = tuple(m["name"] for m in config["schema"]["modalities"])
        if not set(modalities) < set(names):
            continue
        schema = run.preprocessing.schema.select(modalities)
        # By way of settings: an earlier version recorded fewer.
        if _recorded(config["settings"], schema) != _recorded(run.config["settings"], schema):
            continue
        if _is_part_of(Run(other), run, splits):
            found[modalities] = Run(other)
    # The settings do not build what is one's own.
    train = splits is not None and OWN_MODEL not in run.config and len(names) > 1
    with decoded_once():
        for modalities in _wanted(settings.train, run.preprocessing.schema) if train else ():
            if modalities not in found:
                found[modalities] = train_run(
                    splits,
                    run.preprocessing.schema.select(modalities),
                    folder / "models" / "+".join(modalities),
                    _settings(run, modalities),
                    label=f"{' + '.join(modalities)} alone",
                )
    return {subset: found[subset] for subset in subsets(names) if subset in found}


def groups_of_a_kind(schema: Schema) -> list[tuple[str, ...]]:
    """Modalities of one kind, where there are several of it beside others.

    >>> from mmkeras.schema import Image, Text
    >>> groups_of_a_kind(Schema((Image("front"), Text("note"), Image("back")), "label"))
    [('front', 'back')]
    """
    kinds = dict.fromkeys(modality.kind for modality in schema.modalities)
    groups = [tuple(m.name for m in schema.modalities if m.kind == kind) for kind in kinds]
    return [group for group in groups if 1 < len(group) < len(schema.modalities)]


def _wanted(train: str, schema: Schema) -> list[tuple[str, ...]]:
    """The subsets that have models of their own, the smaller ones first."""
    names = schema.names
    if train == "none":
        return []
    if train == "subsets":
        return list(subsets(names))[:-1]
    parted = groups_of_a_kind(schema)
    if train == "without":
        parted += [(name,) for name in names]
    rests = {tuple(name for name in names if name not in group) for group in parted}
    return [subset for subset in subsets(names) if len(subset) == 1 or subset in rests]


def _is_part_of(part: Run, whole: Run, splits: Splits | None) -> bool:
    """Whether a run of fewer modalities has the same target, preprocessing and rows."""
    own, other = part.preprocessing, whole.preprocessing
    if own.schema.target != other.schema.target:
        return False
    if any(fitted != other.modalities.get(name) for name, fitted in own.modalities.items()):
        return False
    return splits is None or all(
        fingerprint(rows, own.schema) == part.config["data"][name] for name, rows in splits.items()
    )


def _recorded(settings: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """What `config.json` says of these settings in a model of these modalities."""
    own = Settings.from_dict(settings).select(schema)
    return jsonable(own.to_dict(schema))


def _settings(run: Run, modalities: tuple[str, ...]) -> Settings:
    schema = run.preprocessing.schema.select(modalities)
    settings = Settings.from_dict(run.config["settings"]).select(schema)
    # A way to balance modalities has nothing to do where there may be one only.
    training = dataclasses.replace(settings.training, balance="none")
    return dataclasses.replace(settings, training=training)


class SubsetModel:
    """A model of fewer modalities, fed from the rows of the model of all.

    Args:
        run: The run.
        validating: Whether it answers validation rows.
    """

    def __init__(self, run: Run, *, validating: bool = False):
        self.run, self.names = run, run.preprocessing.schema.names
        self._model = run.answering_validation if validating else run.answering

    def predict(self, rows: Rows, changed: dict[str, np.ndarray] | None = None) -> np.ndarray:
        """What the model says of the rows, `(examples, outputs)`.

        Args:
            rows: The rows of the model of all modalities.
            changed: Inputs that replace some.
        """
        inputs = {name: rows.inputs[name] for name in self.names} | (changed or {})
        if self.run.preprocessing.presence:
            inputs["present"] = np.stack([~rows.raw[name].missing for name in self.names], axis=1)
        return rows.pipeline.unpad(predict_arrays(self._model, inputs))
