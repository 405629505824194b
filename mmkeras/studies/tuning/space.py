"""What a search for settings may vary: learning rate, decay, dropout, sizes, fusion, encoders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.cells import missing_cells
from mmkeras.encoders import ENCODERS
from mmkeras.experiment.settings import FusionName, Settings
from mmkeras.experiment.train import make_model
from mmkeras.fusion import FUSIONS, fusion_options
from mmkeras.schema import Schema

_OF_TRAINING = ("learning_rate", "weight_decay", "batch_size")


@dataclass(frozen=True)
class SearchSpace:
    """What the search may choose from, besides what the settings themselves say.

    Args:
        learning_rates: Least and largest; drawn by logarithm.
        weight_decays: Least and largest, above 0; drawn by logarithm.
        dropouts: Least and largest, in the head (of each modality's vector, in late fusion).
        batch_sizes: Rows per step.
        fusion_dims: Widths of the fused vector, in fusions that have one.
        fusions: By default all that fit the data.
        encoders: As kind=name, e.g. text=lstm text=bag_of_words. By default, for each kind of
            modality, all that fit the data, but for networks trained elsewhere.
    """

    learning_rates: tuple[float, float] = (1e-4, 1e-2)
    weight_decays: tuple[float, float] = (1e-6, 1e-1)
    dropouts: tuple[float, float] = (0.0, 0.7)
    batch_sizes: tuple[int, ...] = (16, 32, 64, 128)
    fusion_dims: tuple[int, ...] = (32, 64, 128)
    fusions: tuple[FusionName, ...] = ()
    encoders: tuple[str, ...] = ()

    def __post_init__(self):
        for name in ("learning_rates", "weight_decays", "dropouts"):
            low, high = getattr(self, name)
            # The first two are drawn by logarithm, and no layer can drop everything.
            share = name == "dropouts"
            if not (low <= high and (low >= 0 and high < 1 if share else low > 0)):
                raise ValueError(
                    f"`{name}` are the smallest and the largest, "
                    f"{'from 0 to below 1' if share else 'above 0'}. Received: {low} and {high}."
                )
        for entry in self.encoders:
            kind, _, name = entry.partition("=")
            if name not in ENCODERS.get(kind, ()):
                known = [f"{kind}={name}" for kind, names in ENCODERS.items() for name in names]
                raise ValueError(f"No encoder {entry!r}. There are: {', '.join(known)}.")


def fitting_choices(
    space: SearchSpace, settings: Settings, schema: Schema, train: pd.DataFrame
) -> dict[str, list]:
    """The choices by the setting's name, without fusions and encoders that do not fit the data.

    A model is built with each, the rest being as in `settings`; what raises a ValueError does not
    fit. The settings' own values are among the choices, where `space` does not name others.

    Raises:
        ValueError: Of the fusions or of a kind's encoders none fits; it says why.
    """
    prepared: dict[str, Preprocessing] = {}
    refused: dict[str, str] = {}
    presence = settings.model.modality_dropout > 0 and len(schema.modalities) > 1
    presence |= bool(missing_cells(train, schema).to_numpy().any())

    def preprocessing_of(settings: Settings) -> Preprocessing:
        own = settings.preprocessing(schema)
        if str(own) not in prepared:
            prepared[str(own)] = fit_preprocessing(train, schema, own, presence=presence)
        return prepared[str(own)]

    def fitting(field: str, names: list[str], settings: Settings) -> list[str]:
        kept = []
        for name in names:
            try:
                tried = with_values(settings, {field: name})
                make_model(preprocessing_of(tried), tried)
                kept.append(name)
            except ValueError as error:
                refused[f"{field} {name}"] = str(error).partition("\n")[0]
            keras.backend.clear_session()
        if not kept:
            raise ValueError(f"No {field} of {names} fits the data: {refused}")
        return kept

    own = settings.model.fusion
    several = list(FUSIONS) if len(schema.modalities) > 1 else [own]
    choices = {"fusion": fitting("fusion", list(space.fusions) or several, settings)}
    if own not in choices["fusion"]:
        settings = with_values(settings, {"fusion": choices["fusion"][0]})
    inputs = preprocessing_of(settings).inputs
    for kind, modality in {modality.kind: modality for modality in schema.modalities}.items():
        names = [entry.split("=")[1] for entry in space.encoders if entry.startswith(f"{kind}=")]
        if not names:
            own = settings.encoder_of(modality, inputs[modality.name]).name
            names = [n for n in ENCODERS[kind] if n not in ("backbone", "pretrained") or n == own]
        choices[f"{kind}_encoder"] = fitting(f"{kind}_encoder", names, settings)
    choices["batch_size"] = sorted({*space.batch_sizes, settings.training.batch_size})
    # None is each fusion's own width.
    choices["fusion_dim"] = list(
        dict.fromkeys((settings.model.fusion_options.get("dim"), *space.fusion_dims))
    )
    for what, why in refused.items():
        print(f"left out, {what}: {why}")
    return choices


def distributions(space: SearchSpace, choices: Mapping[str, list]) -> dict[str, BaseDistribution]:
    """What Optuna draws from, by the setting's name."""
    return {
        "learning_rate": FloatDistribution(*space.learning_rates, log=True),
        "weight_decay": FloatDistribution(*space.weight_decays, log=True),
        "dropout": FloatDistribution(*space.dropouts),
        **{name: CategoricalDistribution(values) for name, values in choices.items()},
    }


def first_values(
    space: SearchSpace, choices: Mapping[str, list], settings: Settings, schema: Schema
) -> dict[str, Any]:
    """The given settings as a point of the space, the nearest that it has.

    A weight decay of 0 becomes the smallest. What the space has no like of is left open.
    """
    model, training = settings.model, settings.training
    dropout = model.fusion_dropout if model.dropout is None else model.dropout
    values = {
        "learning_rate": _within(training.learning_rate, space.learning_rates),
        "weight_decay": _within(training.weight_decay, space.weight_decays),
        "dropout": _within(dropout, space.dropouts),
        "batch_size": training.batch_size,
        "fusion": model.fusion,
        "fusion_dim": model.fusion_options.get("dim"),
    }
    for modality in schema.modalities:
        values[f"{modality.kind}_encoder"] = settings.encoder_of(modality).name
    return {name: x for name, x in values.items() if name not in choices or x in choices[name]}


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with a trial's values, as far as the trial's fusion has use for them.

    The dropout is the head's; in late fusion, which has none, each modality's.

    Example:

    >>> settings = with_values(Settings(), {"learning_rate": 0.01, "dropout": 0.1})
    >>> settings.training.learning_rate, settings.model.dropout
    (0.01, 0.1)
    """
    model = settings.model.with_fusion(values.get("fusion", settings.model.fusion))
    dim = values.get("fusion_dim")
    if "fusion_dim" in values:
        options = {name: x for name, x in model.fusion_options.items() if name != "dim"}
        if dim is not None and _acts("fusion_dim", model.fusion):
            options["dim"] = dim
        model = dataclasses.replace(model, fusion_options=options)
    if "dropout" in values:
        name = "dropout" if model.has_head else "fusion_dropout"
        model = dataclasses.replace(model, **{name: values["dropout"]})
    settings = dataclasses.replace(settings, model=model)
    for name, value in values.items():
        if name.endswith("_encoder"):
            settings = settings.with_encoder(name.removesuffix("_encoder"), value)
    training = {name: x for name, x in values.items() if name in _OF_TRAINING}
    return dataclasses.replace(
        settings, training=dataclasses.replace(settings.training, **training)
    )


def acting_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a trial's values those that its fusion has use for."""
    return {name: x for name, x in values.items() if _acts(name, values["fusion"])}


def _acts(name: str, fusion: str) -> bool:
    return name != "fusion_dim" or "dim" in fusion_options(fusion)


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
