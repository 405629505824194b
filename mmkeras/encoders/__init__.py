"""Encoders: one modality's batch in, tokens `(batch, tokens, dim)` out.

An encoder is a `keras.layers.Layer` with `call(inputs, training=None) -> tokens` and
`token_mask(inputs) -> bool (batch, tokens)`, or `None` when all tokens always count. A vector is
one token. A new encoder is one class in its modality's file and one line in the table below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from mmkeras.encoders.audio import SpectrogramEncoder
from mmkeras.encoders.configured_layer import constructor_arguments
from mmkeras.encoders.conv3d import Conv3DEncoder
from mmkeras.encoders.each_image import EachImage
from mmkeras.encoders.gradients import OrientedGradientsEncoder
from mmkeras.encoders.image import BackboneEncoder, ConvEncoder
from mmkeras.encoders.patches import PatchEncoder, SpectrogramPatchEncoder
from mmkeras.encoders.piecewise import PiecewiseLinearEncoder
from mmkeras.encoders.pretrained import PretrainedEncoder
from mmkeras.encoders.random_conv import RandomConvolutionEncoder
from mmkeras.encoders.recurrent import RecurrentEncoder
from mmkeras.encoders.sequence import FrameMLPEncoder, SequenceAttentionEncoder
from mmkeras.encoders.tabular import FTTransformerEncoder, MLPEncoder
from mmkeras.encoders.temporal_conv import TemporalConvEncoder
from mmkeras.encoders.text import BagOfWordsEncoder, LSTMEncoder, SelfAttentionEncoder
from mmkeras.encoders.transformer import TransformerLayers
from mmkeras.encoders.video import FrameEncoder
from mmkeras.schema import InputSpec, Modality

ENCODERS: dict[str, dict[str, type[keras.layers.Layer]]] = {
    "image": {
        "cnn": ConvEncoder,
        "backbone": BackboneEncoder,
        "patches": PatchEncoder,
        "gradients": OrientedGradientsEncoder,
        "pretrained": PretrainedEncoder,
    },
    "text": {
        "bag_of_words": BagOfWordsEncoder,
        "lstm": LSTMEncoder,
        "self_attention": SelfAttentionEncoder,
        "pretrained": PretrainedEncoder,
    },
    "audio": {
        "cnn": SpectrogramEncoder,
        "patches": SpectrogramPatchEncoder,
        "tcn": TemporalConvEncoder,
        "recurrent": RecurrentEncoder,
        "self_attention": SequenceAttentionEncoder,
    },
    "video": {"frames": FrameEncoder, "conv3d": Conv3DEncoder},
    "sequence": {
        "recurrent": RecurrentEncoder,
        "tcn": TemporalConvEncoder,
        "self_attention": SequenceAttentionEncoder,
        "mlp": FrameMLPEncoder,
        "random_convolutions": RandomConvolutionEncoder,
    },
    "tabular": {
        "mlp": MLPEncoder,
        "ft_transformer": FTTransformerEncoder,
        "piecewise": PiecewiseLinearEncoder,
    },
}

# The encoder of each kind where none is given: a name, or what chooses one by the inputs' form.
DEFAULT_ENCODERS: dict[str, str | Callable[[InputSpec], str]] = {
    "image": "cnn",
    "text": lambda spec: "lstm" if spec.dtype.startswith("int") else "bag_of_words",
    # A waveform has no bands for a convolution in two dimensions.
    "audio": lambda spec: "tcn" if spec.is_waveform else "cnn",
    "video": "frames",
    "sequence": "recurrent",
    "tabular": "mlp",
}


# A waveform has too many samples to look at each, and too little in each.
WAVEFORM_OPTIONS: dict[str, dict[str, Any]] = {
    "tcn": {"filters": (32, 64, 64), "kernel_size": 9, "strides": 8}
}


def default_encoder(modality: Modality, spec: InputSpec) -> str:
    """The encoder's name where none is given: by kind, and by what the inputs look like."""
    default = DEFAULT_ENCODERS[modality.kind]
    return default if isinstance(default, str) else default(spec)


def needed_settings(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """How cells must become inputs for an encoder: settings of its kind, whatever is set there.

    Example:

    >>> needed_settings("image", "pretrained", {})
    {'scaling': 'unit'}
    """
    if name == "pretrained" and kind == "image":
        return {"scaling": "unit"}
    needs: dict[str, Any] = {}
    if name == "pretrained":
        # Nor is anything else done to the words that the tokenizer finds.
        needs = {"stop_words": None, "stemmer": None, "filter": "none", "keep": None}
        source = str(options.get("source", ""))
        # A single file has no tokenizer beside it, so that the settings must say which.
        needs |= {} if source.endswith(".keras") else {"tokenizer": source}
    if needs or "vocabulary_size" in constructor_arguments(ENCODERS[kind][name]):
        # It reads sequences of words, whatever bags of them the others get.
        needs |= {"representation": "tokens", "ngrams": 1, "characters": 0}
    return needs


def get_encoder(
    kind: str, name_or_layer: str | keras.layers.Layer, spec: InputSpec, **options: Any
) -> keras.layers.Layer:
    """The encoder of a name, made for inputs of a given form; a layer is returned as it is.

    Args:
        kind: The modality's kind: `"image"`, `"text"`, `"audio"`, `"video"`, `"sequence"` or
            `"tabular"`.
        name_or_layer: A name of `ENCODERS[kind]`, or a layer.
        spec: What the modality's inputs look like. From here an encoder of token ids takes its
            `vocabulary_size`, one with a token for each column its `groups`, and one with a
            position for each step its `max_length`; `WAVEFORM_OPTIONS` are for sounds' samples.
            Where it says that there are several images, the encoder reads each (`EachImage`).
        **options: The encoder's constructor arguments.

    Raises:
        ValueError: For an unknown name or option, for a text encoder that reads token ids where
            `spec` says that there are none, and for one that reads columns where it does not say
            which they are.

    Example:

    >>> spec = InputSpec((20,), "int32", vocabulary_size=500)
    >>> get_encoder("text", "lstm", spec, units=32).vocabulary_size
    500
    """
    if isinstance(name_or_layer, keras.layers.Layer):
        if options:
            raise ValueError(
                f"Options are for encoders by name; the layer {name_or_layer.name!r} has its own. "
                f"Received: {sorted(options)}."
            )
        return name_or_layer
    known = check_encoder_options(kind, name_or_layer, options)
    cls = ENCODERS[kind][name_or_layer]
    if "vocabulary_size" in known:
        options = {"vocabulary_size": spec.vocabulary_size, **options}
        if options["vocabulary_size"] is None:
            raise ValueError(
                f"The encoder {name_or_layer!r} reads token ids and needs their vocabulary size. "
                f"Received: {spec}. Prepare the text as a token sequence, or use 'bag_of_words'."
            )
    if "groups" in known:
        options = {"groups": spec.groups, **options}
        if options["groups"] is None:
            raise ValueError(
                f"The encoder {name_or_layer!r} makes a token of each column and needs their "
                f"widths. Received: {spec}. Give `groups`, or use 'mlp'."
            )
    if "numbers" in known:
        options = {"numbers": spec.numbers, **options}
    if "max_length" in known and spec.max_length is not None:
        options = {"max_length": spec.max_length, **options}
    if spec.is_waveform:
        options = {**WAVEFORM_OPTIONS.get(name_or_layer, {}), **options}
    return EachImage(cls(**options)) if spec.several else cls(**options)


def check_encoder_options(kind: str, name: str, options: Iterable[str] = ()) -> list[str]:
    """Refuses a name that is not in `ENCODERS`, and options that its constructor does not have.

    Returns:
        The names of the constructor's arguments.

    Raises:
        ValueError: For an unknown kind, name or option.
    """
    if kind not in ENCODERS:
        raise ValueError(
            f"There are encoders for the kinds {sorted(ENCODERS)}. Received: {kind!r}."
        )
    if name not in ENCODERS[kind]:
        raise ValueError(
            f"The encoders of kind {kind!r} are {sorted(ENCODERS[kind])}. Received: {name!r}. Any "
            "other encoder can be given as a layer."
        )
    known = list(constructor_arguments(ENCODERS[kind][name]))
    unknown = sorted(set(options) - {*known, "name", "dtype", "trainable"})
    if unknown:
        raise ValueError(f"The encoder {name!r} has no option {unknown}. It has {known}.")
    return known


__all__ = [
    "DEFAULT_ENCODERS",
    "ENCODERS",
    "BackboneEncoder",
    "BagOfWordsEncoder",
    "Conv3DEncoder",
    "ConvEncoder",
    "EachImage",
    "FTTransformerEncoder",
    "FrameEncoder",
    "FrameMLPEncoder",
    "LSTMEncoder",
    "MLPEncoder",
    "OrientedGradientsEncoder",
    "PatchEncoder",
    "PiecewiseLinearEncoder",
    "PretrainedEncoder",
    "RandomConvolutionEncoder",
    "RecurrentEncoder",
    "SelfAttentionEncoder",
    "SequenceAttentionEncoder",
    "SpectrogramEncoder",
    "SpectrogramPatchEncoder",
    "TemporalConvEncoder",
    "TransformerLayers",
    "default_encoder",
    "get_encoder",
    "needed_settings",
]
