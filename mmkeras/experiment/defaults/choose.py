"""All choices for a table, put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from mmkeras.data.kinds import KINDS
from mmkeras.experiment.assignments import assign
from mmkeras.experiment.defaults.choice import Choice
from mmkeras.experiment.defaults.images import choose_image
from mmkeras.experiment.defaults.sequences import choose_sequence
from mmkeras.experiment.defaults.sounds import choose_audio
from mmkeras.experiment.defaults.tables import choose_tabular
from mmkeras.experiment.defaults.texts import choose_text
from mmkeras.experiment.defaults.training import choose_target, choose_training
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.schema import Schema
from mmkeras.tasks import task_class

# By kind; kinds without a line keep their own defaults.
CHOOSERS: dict[str, Callable[..., Choice]] = {
    "text": choose_text,
    "image": choose_image,
    "audio": choose_audio,
    "sequence": choose_sequence,
    "tabular": choose_tabular,
}

# Of few rows a model knows each by some input of one modality.
_DROPOUT, _FEW_ROWS = 0.4, 5000
_NUMBERS = 1000  # rows from which on numbers are predicted with little dropout


def default_settings(
    train: pd.DataFrame, schema: Schema, words: Iterable[str] = (), *, once: bool = False
) -> Settings:
    """Settings that suit a table, by what its training rows look like.

    Args:
        train: The training rows, as `read_table` returns them.
        schema: Which column is what, with a target.
        words: What differs from the choices (`mmkeras.experiment.assignments`). Settings of a kind
            take the place of what was chosen for any of its modalities.
        once: Whether the model is trained once in any case, as where something needs validation
            rows that it has not learnt.

    Returns:
        The settings, with a reason for each choice. Answers that are more than classes, labels or
        numbers keep the plain defaults.

    Example:

    >>> from mmkeras.schema import Label, Tabular
    >>> rows = pd.DataFrame({"size": range(40), "kind": ["a", "b"] * 20})
    >>> chosen = default_settings(rows, Schema((Tabular("table", ("size",)),), Label("kind")))
    >>> print(chosen.reasons[0])
    tabular 'table': 1 column, 40 rows -> scaled numbers, dense layers
    >>> chosen.training.batch_size
    16
    """
    words = tuple(words)
    task = task_class(schema.target)
    if task.decoders:
        return assign(Settings(), words)
    chosen = {
        modality.name: CHOOSERS[modality.kind](train, modality, schema)
        for modality in schema.modalities
        if modality.kind in CHOOSERS and train[list(modality.columns)].notna().any(axis=None)
    }
    parts = any(choice.settings.get("characters") for choice in chosen.values())
    training, reason = choose_training(
        len(train), schema, parts_of_words=parts and task.has_classes, once=once
    )
    target = choose_target(train, schema)
    flat = all(choice.flat for choice in chosen.values()) and len(chosen) == len(schema.modalities)
    several = len(schema.modalities) > 1
    model = ModelSettings(
        fusion="concat",
        pooling="flatten" if flat else "mean_max",
        fusion_dropout=_DROPOUT if several and task.has_classes and len(train) < _FEW_ROWS else 0.0,
        # What is dropped is noise in an answer that is a number; of few rows it is worth that.
        **({} if task.has_classes or len(train) < _NUMBERS else {"hidden": (256,), "dropout": 0.1}),
    )
    reasons = [choice.reason for choice in chosen.values()]
    reasons += [] if target is None else [target[1]]
    kinds, encoders, own = _by_kind(schema, chosen)
    settings = Settings(
        model=model,
        training=training,
        target={} if target is None else target[0],
        encoders=encoders,
        modalities=own,
        reasons=(*reasons, reason),
        **kinds,
    )
    return assign(_without(settings, schema, words), words)


def _by_kind(
    schema: Schema, chosen: Mapping[str, Choice]
) -> tuple[dict[str, Any], dict[str, Encoder], dict[str, dict[str, Any]]]:
    """Settings of kinds and their encoders, and by modality where a kind's modalities differ."""
    kinds: dict[str, Any] = {}
    encoders: dict[str, Encoder] = {}
    own: dict[str, dict[str, Any]] = {}
    for kind, about in KINDS.items():
        of_kind = [chosen[m.name] for m in schema.modalities if m.kind == kind and m.name in chosen]
        values = [choice.as_own() for choice in of_kind]
        if values and all(each == values[0] for each in values):
            kinds[kind] = about.settings(**of_kind[0].settings)
            if of_kind[0].encoder is not None:
                encoders[kind] = Encoder(of_kind[0].encoder, of_kind[0].options)
        else:
            names = [m.name for m in schema.modalities if m.kind == kind and m.name in chosen]
            own |= dict(zip(names, values, strict=True))
    return kinds, encoders, own


def _without(settings: Settings, schema: Schema, words: tuple[str, ...]) -> Settings:
    """The same without choices for modalities where a word sets them for the whole kind."""
    own = {name: dict(values) for name, values in settings.modalities.items()}
    for word in words:
        where, _, rest = word.partition("=")[0].partition(".")
        if where not in KINDS:
            continue
        name, _, option = rest.partition(".")
        for modality in schema.modalities:
            values = own.get(modality.name, {})
            if modality.kind != where or not values:
                continue
            if name == "encoder" and option:
                options = values.get("encoder_options", {})
                values["encoder_options"] = {k: v for k, v in options.items() if k != option}
            else:
                values.pop(name, None)
                if name == "encoder":
                    values.pop("encoder_options", None)
    return dataclasses.replace(settings, modalities=own)
