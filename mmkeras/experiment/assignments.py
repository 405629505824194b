"""Settings as words: `xray.size=96,96 xray.encoder.dim=128 fusion.num_heads=8`."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from mmkeras.data.kinds import KINDS
from mmkeras.encoders import DEFAULT_ENCODERS, ENCODERS, check_encoder_options
from mmkeras.experiment.settings import DEFAULT_OPTIONS, Encoder, Settings
from mmkeras.fusion import fusion_class


def assign(settings: Settings, words: Iterable[str]) -> Settings:
    """The settings with some of them replaced.

    Args:
        settings: What to start from.
        words: `WHERE.NAME=VALUE`. Where: a kind of modality (for all its modalities), a modality's
            name, `fusion`, `decoder` or `target`. Name: a setting, `encoder`, `encoder.OPTION`, or
            for `fusion` and `decoder` an argument of its constructor. A value is written as in
            JSON, texts without quotes; a comma separates several values.

    Raises:
        ValueError: For a word of another form, and for names and values that do not exist.

    Example:

    >>> settings = assign(Settings(), ["image.size=32,32", "xray.size=96,96", "fusion.pooling=max"])
    >>> settings.image.size, dict(settings.modalities["xray"]), settings.model.pooling
    ((32, 32), {'size': (96, 96)}, 'max')
    """
    # An encoder's name first: options belong to it.
    for word in sorted(words, key=lambda word: ".encoder=" not in word):
        path, equals, text = word.partition("=")
        where, dot, name = path.partition(".")
        if not (where and dot and name and equals):
            raise ValueError(
                "Settings are given as WHERE.NAME=VALUE, e.g. image.size=96,96 or "
                f"fusion.num_heads=8. Received: {word!r}."
            )
        value = _value(text)
        if where == "fusion":
            settings = _with_fusion_option(settings, name, value)
        elif where == "decoder":
            settings = _with_decoder_option(settings, name, value)
        elif where == "target":
            settings = dataclasses.replace(settings, target={**settings.target, name: value})
        elif where in KINDS:
            settings = _with_kind(settings, where, name, value)
        else:
            settings = _with_modality(settings, where, name, value)
    return settings


def _value(text: str) -> Any:
    """A word as JSON has it; commas make a tuple; what is not JSON is a text."""
    if "," in text:
        return tuple(_value(part) for part in text.split(",") if part)
    if text.lower() in ("none", "true", "false"):
        return {"none": None, "true": True, "false": False}[text.lower()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _like(value: Any, default: Any) -> Any:
    """A single value as a tuple, where several are the default."""
    several = isinstance(default, (tuple, list)) and not isinstance(value, tuple)
    return (value,) if several and value is not None else value


def _with_fusion_option(settings: Settings, name: str, value: Any) -> Settings:
    model = settings.model
    parameters = inspect.signature(fusion_class(model.fusion)).parameters
    value = _like(value, parameters[name].default if name in parameters else None)
    if name == "pooling":
        return dataclasses.replace(settings, model=dataclasses.replace(model, pooling=value))
    options = {**model.fusion_options, name: value}
    return dataclasses.replace(settings, model=dataclasses.replace(model, fusion_options=options))


def _with_decoder_option(settings: Settings, name: str, value: Any) -> Settings:
    options = {**settings.model.decoder_options, name: value}
    return dataclasses.replace(
        settings, model=dataclasses.replace(settings.model, decoder_options=options)
    )


def _with_kind(settings: Settings, kind: str, name: str, value: Any) -> Settings:
    settings = dataclasses.replace(settings, given=(*settings.given, kind))
    if name == "encoder":
        return settings.with_encoder(kind, value)
    own = settings.encoders.get(kind, Encoder())
    if name.startswith("encoder."):
        option = name.removeprefix("encoder.")
        encoder = own.name or DEFAULT_ENCODERS[kind]
        if not isinstance(encoder, str):
            raise ValueError(
                f"Options of an encoder need its name: {kind}.encoder=NAME, one of "
                f"{sorted(ENCODERS[kind])}. Received: {kind}.{name}."
            )
        value = _like(value, _default(kind, encoder, option))
        changed = Encoder(encoder, {**own.options, option: value})
        return dataclasses.replace(settings, encoders={**settings.encoders, kind: changed})
    part = getattr(settings, kind)
    known = [field.name for field in dataclasses.fields(part)]
    if name not in known:
        raise ValueError(
            f"{kind} modalities have no setting {name!r}. They have {known}, encoder and "
            "encoder.OPTION."
        )
    value = _like(value, getattr(part, name))
    return dataclasses.replace(settings, **{kind: dataclasses.replace(part, **{name: value})})


def _with_modality(settings: Settings, modality: str, name: str, value: Any) -> Settings:
    own: dict[str, Any] = dict(settings.modalities.get(modality, {}))
    if name.startswith("encoder."):
        options: Mapping[str, Any] = own.get("encoder_options", {})
        own["encoder_options"] = {**options, name.removeprefix("encoder."): value}
    else:
        own[name] = value
    return dataclasses.replace(settings, modalities={**settings.modalities, modality: own})


def _default(kind: str, encoder: str, option: str) -> Any:
    check_encoder_options(kind, encoder, [option])
    default = inspect.signature(ENCODERS[kind][encoder]).parameters[option].default
    return DEFAULT_OPTIONS.get((kind, encoder), {}).get(option, default)
