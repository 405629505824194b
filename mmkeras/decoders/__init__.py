"""Decoders: the fused vector and the tokens of all modalities in, the answer out.

A decoder is a `keras.layers.Layer` of the class `Decoder`. A new one is one class in a file of its
own and one line in the table below; its name is in the `decoders` of the task that it answers. A
class, labels and numbers need none: a dense layer gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from mmkeras.decoders.boxes import BoxesDecoder
from mmkeras.decoders.ctc import CTCDecoder
from mmkeras.decoders.heads import HeadsDecoder
from mmkeras.decoders.image import ImageDecoder
from mmkeras.decoders.parts.ctc_loss import needed_steps
from mmkeras.decoders.parts.decoder import Decoder
from mmkeras.decoders.parts.memory import Memory
from mmkeras.decoders.sequence import SequenceDecoder
from mmkeras.decoders.text import TextDecoder
from mmkeras.decoders.vector import VectorDecoder
from mmkeras.encoders.configured_layer import constructor_arguments

DECODERS: dict[str, type[Decoder]] = {
    "boxes": BoxesDecoder,
    "heads": HeadsDecoder,
    "image": ImageDecoder,
    "sequence": SequenceDecoder,
    "vector": VectorDecoder,
    "ctc": CTCDecoder,
    "text": TextDecoder,
}


def get_decoder(name_or_layer: str | keras.layers.Layer, **options: Any) -> Decoder:
    """The decoder of a name; a layer is returned as it is.

    Args:
        name_or_layer: A name of `DECODERS`, or a layer of the class `Decoder`.
        **options: The decoder's constructor arguments.

    Raises:
        ValueError: For an unknown name or option, or a layer that is no decoder.
    """
    if isinstance(name_or_layer, keras.layers.Layer):
        if options or not isinstance(name_or_layer, Decoder):
            raise ValueError(
                "A decoder is a name with options, or a layer of mmkeras.decoders.Decoder without. "
                f"Received: {type(name_or_layer).__name__} and {sorted(options)}."
            )
        return name_or_layer
    check_decoder_options(name_or_layer, options)
    return DECODERS[name_or_layer](**options)


def check_decoder_options(name: str, options: Iterable[str] = ()) -> list[str]:
    """Refuses a name that is not in `DECODERS`, and options that its constructor does not have.

    Returns:
        The names of the constructor's arguments.

    Raises:
        ValueError: For an unknown name or option.
    """
    if name not in DECODERS:
        raise ValueError(f"The decoders are {sorted(DECODERS)}. Received: {name!r}.")
    known = constructor_arguments(DECODERS[name])
    if unknown := sorted(set(options) - {*known, "name", "dtype", "trainable"}):
        raise ValueError(f"The decoder {name!r} has no option {unknown}. It has {known}.")
    return known


__all__ = [
    "DECODERS",
    "BoxesDecoder",
    "CTCDecoder",
    "Decoder",
    "HeadsDecoder",
    "ImageDecoder",
    "Memory",
    "SequenceDecoder",
    "TextDecoder",
    "VectorDecoder",
    "check_decoder_options",
    "get_decoder",
    "needed_steps",
]
