"""Layers whose configuration is their constructor's arguments."""

from __future__ import annotations

import inspect
from typing import Any

from keras import layers


def constructor_arguments(cls: type) -> list[str]:
    """The names of a layer's own constructor arguments, without those of every Keras layer.

    Where a constructor hands `**kwargs` on, those of its base class are among them.
    """
    names: list[str] = []
    for base in cls.__mro__:
        if base is layers.Layer:
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        rest = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        names += [p.name for p in parameters if p.kind not in rest and p.name not in names]
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return names


class ConfiguredLayer(layers.Layer):
    """A layer that can be made again from its constructor's arguments.

    The constructor stores each of them in an attribute of the same name, and `get_config` reads
    them from there. All of a saved layer's arguments need not be known: those that a later version
    has added take their defaults.

    Example:

    >>> class Scale(ConfiguredLayer):
    ...     def __init__(self, factor: float = 2.0, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.factor = factor
    >>> Scale(3.0).get_config()["factor"]
    3.0
    """

    def get_config(self) -> dict[str, Any]:
        arguments = {name: getattr(self, name) for name in constructor_arguments(type(self))}
        return {**super().get_config(), **arguments}
