"""A model's architecture: what identifies it, and whether a file can hold it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras.data.preprocessing import Preprocessing
from mmkeras.models.parts import PRESENT, knows_parts
from mmkeras.models.saved import MODEL, load_model


def input_tensors(preprocessing: Preprocessing) -> dict[str, Any]:
    """Symbolic inputs of the form that the pipelines give, by name."""
    specs = preprocessing.inputs
    tensors = {name: keras.Input(x.shape, dtype=x.dtype, name=name) for name, x in specs.items()}
    if preprocessing.presence:
        tensors[PRESENT] = keras.Input((len(specs),), dtype="bool", name=PRESENT)
    return tensors


def functional_of(model: keras.Model, preprocessing: Preprocessing) -> keras.Model:
    """A functional model that shares a model's layers, for what needs symbolic outputs."""
    if knows_parts(model):
        return keras.Model(model.input, model.output)
    inputs = input_tensors(preprocessing)
    return keras.Model(inputs, model(inputs))


def architecture_of(model: keras.layers.Layer) -> str:
    """What tells a layer or model from others of another structure: a hash of its configuration.

    The names that Keras counts up (`dense_3`) do not enter, nor do weights and their shapes: a
    layer is the same before and after it is built.
    """
    config = keras.saving.serialize_keras_object(model)
    numbers: dict[str, str] = {}
    for each in _objects(config):
        own = each["config"]
        if isinstance(own, Mapping) and isinstance(own.get("name"), str):
            numbers.setdefault(own["name"], f"#{len(numbers)}")
    text = json.dumps(_renamed(config, numbers), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_savable(model: keras.Model, inputs: Mapping[str, np.ndarray] | None) -> None:
    """Refuses a model that another process could not load from a file, as it is.

    Args:
        model: A built model.
        inputs: A batch for which the loaded model must give the same answer; `None` not to compare
            them.

    Raises:
        ValueError: It has a lambda, or a function or layer that is not registered with Keras; or
            what is loaded is not what was saved.
    """
    if foreign := sorted({name for each in _objects(_config(model)) for name in _foreign(each)}):
        raise ValueError(
            f"A file cannot hold this model, so that nothing could predict with it later: "
            f"{', '.join(foreign)}. Write a lambda as a layer, and put "
            "`@keras.saving.register_keras_serializable(package='mine')` before each class and "
            "function of your own."
        )
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        # Keras cannot load the optimizer of a model that was compiled and not yet trained.
        optimizer.build(model.trainable_variables)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.save(Path(folder) / MODEL)
            loaded = load_model(folder)
        except Exception as error:
            raise ValueError(
                f"The model {model.name!r} cannot be saved and loaded again: {error} Each class of "
                "your own needs a `get_config` that returns its constructor's arguments."
            ) from error
    if inputs is None:
        return
    before, after = (
        np.asarray(each(inputs, training=False), np.float32) for each in (model, loaded)
    )
    if before.shape != after.shape or not np.allclose(before, after, rtol=1e-2, atol=1e-3):
        raise ValueError(
            f"The model {model.name!r} gives other answers after it is saved and loaded. Does the "
            "`get_config` of each class of your own return all arguments of its constructor, and "
            "does `build` make all weights?"
        )


def _config(model: keras.Model) -> Any:
    try:
        return keras.saving.serialize_keras_object(model)
    except Exception as error:
        raise ValueError(
            f"The model {model.name!r} cannot be saved: {error} Each class of your own needs a "
            "`get_config` that returns its constructor's arguments."
        ) from error


def _objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in a configuration as Keras writes them, outer ones first."""
    if isinstance(config, Mapping):
        if "class_name" in config and "config" in config:
            yield config
        for each in config.values():
            yield from _objects(each)
    elif isinstance(config, list | tuple):
        for each in config:
            yield from _objects(each)


def _foreign(each: Mapping[str, Any]) -> Iterator[str]:
    """What of an object another process would not know."""
    name = each.get("registered_name")
    if each["class_name"] == "__lambda__":
        yield "a lambda"
    elif each["class_name"] == "function":
        if name == "function":
            yield f"the function {each['config']!r} is not registered"
    elif (
        name is not None and ">" not in name and not (each.get("module") or "").startswith("keras.")
    ):
        yield f"the class {each['class_name']!r} is not registered"


def _renamed(config: Any, numbers: Mapping[str, str]) -> Any:
    if isinstance(config, Mapping):
        return {
            key: _renamed(value, numbers)
            for key, value in config.items()
            if key not in ("shared_object_id", "build_config", "compile_config")
        }
    if isinstance(config, list | tuple):
        return [_renamed(each, numbers) for each in config]
    return numbers.get(config, config) if isinstance(config, str) else config
