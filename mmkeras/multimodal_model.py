"""A functional model that knows which of its layers is what; `mmkeras.models` builds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers


@dataclasses.dataclass(frozen=True)
class Parts:
    """The names of a model's layers, by what they are.

    Args:
        encoders: The encoders by modality, in the order in which the fusion sees them.
        masked: The modalities whose tokens come with a mask.
        present: Whether the fusion is told which modalities a row has.
        fusion: The fusion.
        head: The layers between the fusion and the output, in their order.
        output: The last layer: a dense one, an activation, or a decoder.
        decoder: Whether that is a decoder.
    """

    encoders: Mapping[str, str]
    masked: Sequence[str]
    present: bool
    fusion: str
    head: Sequence[str]
    output: str
    decoder: bool = False

    @classmethod
    def of(
        cls,
        encoders: Mapping[str, layers.Layer],
        masks: Sequence[Any | None],
        present: bool,
        fusion: layers.Layer,
        head: Sequence[layers.Layer],
        output: layers.Layer,
        decoder: bool = False,
    ) -> Parts:
        """The names of these layers; `masks` has a tensor or `None` for each encoder."""
        return cls(
            {modality: layer.name for modality, layer in encoders.items()},
            [name for name, mask in zip(encoders, masks, strict=True) if mask is not None],
            present,
            fusion.name,
            [layer.name for layer in head],
            output.name,
            decoder,
        )


@keras.saving.register_keras_serializable(package="mmkeras")
class MultimodalModel(keras.Model):
    """A functional model that knows its `parts`, also when it is loaded from a file."""

    parts: Parts | None = None

    def get_config(self) -> dict[str, Any]:
        parts = None if self.parts is None else dataclasses.asdict(self.parts)
        # Keras saves the layers' precision; a loaded model's own is that of the moment.
        return {**super().get_config(), "parts": parts, "policy": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None) -> MultimodalModel:
        config = dict(config)
        parts, policy = config.pop("parts"), config.pop("policy", None)
        model = super().from_config(config, custom_objects=custom_objects)
        if policy is not None:
            model.dtype_policy = policy
        model.parts = None if parts is None else Parts(**parts)
        return model
