"""Parts of a built or loaded model: to look inside it, and to train it with auxiliary losses.

A model of `build_model` knows which of its layers is what, and is saved with that (`Parts`). This
is the only file that knows the names of the layers: the inputs `{modality}` and `present`,
`{modality}_encoder`, `{modality}_mask` (where tokens may be padding), `modality_dropout` (where
there is one), `previous` (what a decoder reads in training), `fusion`, `fusion_dropout`,
`head_dense_0`, `head_dropout_0`, ..., `output`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.decoders import Decoder
from mmkeras.fusion import FUSIONS, Fusion, StepwiseFusion, fusion_class, get_fusion, traits
from mmkeras.multimodal_model import MultimodalModel, Parts

FUSION, FUSION_DROPOUT, OUTPUT = "fusion", "fusion_dropout", "output"
DECODER = "decoder"  # what a part is called that follows the fusion
PRESENT, MODALITY_DROPOUT, PREVIOUS = "present", "modality_dropout", "previous"
_ENCODER, _MASK = "_encoder", "_mask"


def encoder_name(modality: str) -> str:
    """The name of a modality's encoder in a model."""
    return modality + _ENCODER


def mask_name(modality: str) -> str:
    """The name of the layer that says which of a modality's tokens count."""
    return modality + _MASK


def head_names(index: int) -> tuple[str, str]:
    """The names of a hidden layer of the head, from 0, and of the dropout behind it."""
    return f"head_dense_{index}", f"head_dropout_{index}"


def knows_parts(model: keras.Model) -> bool:
    """Whether a model says which of its layers is what, as those of `build_model` do."""
    return isinstance(model, MultimodalModel) and model.parts is not None


def _parts(model: keras.Model) -> Parts:
    """What a model says of itself, or else what its layers' names say."""
    if isinstance(model, MultimodalModel) and model.parts is not None:
        return model.parts
    # A model of an earlier version, or one that was made of another's layers.
    names = [layer.name for layer in model.layers]
    found = names
    if FUSION in names:
        # Their order is the schema's; that of the model's layers need not be.
        found = [x._keras_history.operation.name for x in _fusion_tensors(model.get_layer(FUSION))]
    modalities = [name.removesuffix(_ENCODER) for name in found if name.endswith(_ENCODER)]
    return Parts(
        {modality: encoder_name(modality) for modality in modalities},
        [modality for modality in modalities if mask_name(modality) in names],
        PRESENT in names,
        FUSION,
        [x for x in names if x == FUSION_DROPOUT or x.startswith(("head_dense_", "head_dropout_"))],
        OUTPUT,
    )


def _fusion_tensors(fusion: layers.Layer) -> list[Any]:
    # A list of one tensor is returned as that tensor.
    return list(fusion.input) if isinstance(fusion.input, (list, tuple)) else [fusion.input]


def encoder_layers(model: keras.Model) -> dict[str, layers.Layer]:
    """A model's encoders, by modality."""
    return {name: model.get_layer(layer) for name, layer in _parts(model).encoders.items()}


def fusion_layer(model: keras.Model) -> layers.Layer:
    """A model's fusion."""
    return model.get_layer(_parts(model).fusion)


def head_layers(model: keras.Model) -> list[layers.Layer]:
    """The layers between a model's fusion and its output, in their order."""
    return [model.get_layer(name) for name in _parts(model).head]


def output_layer(model: keras.Model) -> layers.Layer:
    """A model's last layer: a dense one, a decoder, or the activation of what a fusion decided."""
    return model.get_layer(_parts(model).output)


def decoder_layer(model: keras.Model) -> Decoder | None:
    """A model's decoder; `None` where a dense layer gives the answer."""
    # Only a model that knows its parts has one; of others, names are no reason to look further.
    known = knows_parts(model) and _parts(model).decoder
    return output_layer(model) if known else None


def trained_parts(model: keras.Model) -> dict[str, list[layers.Layer]]:
    """The layers that have weights, by part: a modality's encoder, `fusion`, and `decoder`.

    The decoder is all behind the fusion: the head and the output, or what generates the answer.
    """
    found = {name: [layer] for name, layer in encoder_layers(model).items()}
    found[FUSION] = [fusion_layer(model)]
    found[DECODER] = [*head_layers(model), output_layer(model)]
    return {name: own for name, own in found.items() if any(layer.weights for layer in own)}


def known_inputs(model: keras.Model) -> dict[str, Any]:
    """A model's inputs by name, without the target that a decoder reads in training."""
    return {name: tensor for name, tensor in model.input.items() if name != PREVIOUS}


def decoder_inputs(model: keras.Model) -> tuple[Any, list[Any], dict[str, Any]]:
    """What reaches a decoder: the vector, the tokens, and its other arguments but `previous`."""
    parts = _parts(model)
    tensors = iter(model.get_layer(parts.output).input)
    vector, (tokens, arguments) = next(tensors), _in_order(parts, tensors)
    return vector, list(tokens.values()), arguments


def token_mask(model: keras.Model, modality: str, inputs: Any) -> np.ndarray | None:
    """Which of a modality's tokens count, boolean `(rows, tokens)`; `None` if all always do.

    Args:
        model: A model of `build_model`.
        modality: Which.
        inputs: That modality's inputs, `(rows, ...)`.
    """
    _, mask = encoded(model)[modality]
    if mask is None:
        return None
    of_inputs = keras.Model(model.input[modality], mask)
    return ops.convert_to_numpy(of_inputs(inputs, training=False))


def embedding_model(model: keras.Model) -> keras.Model:
    """The part of a model (built here, or loaded) from its inputs to the fused vector.

    Late fusion fuses no features, only decisions; there the vector is what each modality decides
    on, side by side.
    """
    fusion = fusion_layer(model)
    vector = fusion.output
    if traits(fusion).gives_logits:
        tokens, arguments = fusion_inputs(model)
        concat = _like(fusion, get_fusion("concat", pooling=fusion.pooling))
        vector = concat(list(tokens.values()), **arguments)
    return keras.Model(known_inputs(model), vector, name="embedding")


def fusion_inputs(model: keras.Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """What reaches a fusion: tokens by modality, in schema order, and its other arguments."""
    parts = _parts(model)
    return _in_order(parts, iter(_fusion_tensors(model.get_layer(parts.fusion))))


def encoded(model: keras.Model) -> dict[str, tuple[Any, Any | None]]:
    """By modality, the tokens that reach a fusion, and which of them count, if not always all."""
    tokens, arguments = fusion_inputs(model)
    masks = arguments.get("masks", [None] * len(tokens))
    return {name: (own, mask) for (name, own), mask in zip(tokens.items(), masks, strict=True)}


def _in_order(parts: Parts, tensors: Iterator[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    # In the order of its call: first the tokens, then the masks, then the presence.
    tokens = {modality: next(tensors) for modality in parts.encoders}
    arguments: dict[str, Any] = {}
    if parts.masked:
        arguments["masks"] = [next(tensors) if x in parts.masked else None for x in parts.encoders]
    if parts.present:
        arguments["present"] = next(tensors)
    return tokens, arguments


def attention_model(model: keras.Model) -> keras.Model:
    """A model from the same inputs to what the fusion weighs its modalities or tokens with.

    Args:
        model: A model of `build_model` or `image_text_classifier`, built or loaded, whose fusion
            exposes weights.

    Returns:
        A model to predict with (not to save; save `model`), which shares the layers and gives a
        dict. For a weighted sum it has `"weights"`, `(batch, modalities)` in schema order; for
        late fusion `"weights"` are each modality's own logits, `(batch, modalities, outputs)`. For
        cross-attention it has `"text_to_image"`, the weights
        `(batch, heads, text tokens, image tokens)` with which the modality `text` looks at
        `image`, and so on for each direction.

    Raises:
        ValueError: If the fusion has no weights.
    """
    fusion = fusion_layer(model)
    if not traits(fusion).has_weights:
        have = [name for name in FUSIONS if fusion_class(name).has_weights]
        raise ValueError(
            f"{type(fusion).__name__} has no weights to look at. These have: {', '.join(have)}."
        )
    tokens, arguments = fusion_inputs(model)
    _, weights = _FusionParts(fusion)(list(tokens.values()), **arguments)
    if not isinstance(weights, Mapping):
        return keras.Model(known_inputs(model), {"weights": weights}, name="attention")
    names = list(tokens)
    outputs = {}
    for name, tensor in weights.items():
        query, to, key = name.partition("_to_")
        # "0_to_1" is a direction, from one modality to another; anything else says what it is.
        outputs[f"{names[int(query)]}_to_{names[int(key)]}" if to else name] = tensor
    return keras.Model(known_inputs(model), outputs, name="attention")


class _FusionParts(Fusion):
    # A fusion's vector and weights, from one pass. Keras cannot take a second output from a layer
    # that is already in a model with one ("not connected to `inputs`"), so the fusion is
    # called from inside another layer.
    def __init__(self, fusion: layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.fusion = fusion

    def build(self, tokens_shape):
        pass  # The fusion is built: it comes from a model.

    def call(self, tokens, masks=None, present=None, training=None):
        return self.fusion(tokens, masks=masks, present=present, return_weights=True)


def auxiliary_model(model: keras.Model, num_outputs: int) -> keras.Model:
    """A model to train instead of `model`: each modality must also predict the target alone.

    Without this, training stops to improve a modality as soon as another one explains the
    training rows (Wang et al., 2020). The layers are shared, so training it trains `model`.

    Args:
        model: A model of `build_model` with two or more modalities.
        num_outputs: As for `build_model`.

    Returns:
        A model from the same inputs to a dict: `"output"`, and `"{modality}_auxiliary"` for each
        modality: of late fusion its own share of the logits; otherwise from a dense layer over its
        pooled tokens, which is used in training only.

    References:
        - [Wang, Tran and Feiszli, 2020](https://arxiv.org/abs/1905.12681)
    """
    if decoder_layer(model) is not None:
        raise ValueError(
            "Each modality alone can be trained to predict classes or numbers. Received: a model "
            f"whose answer {type(decoder_layer(model)).__name__} gives. Leave `auxiliary` and "
            "`balance` out."
        )
    fusion, activation = fusion_layer(model), output_layer(model).activation
    tokens, arguments = fusion_inputs(model)
    if traits(fusion).gives_logits:
        # From the same forward pass, so that the whole and its parts see the same dropout.
        fused, logits = _FusionParts(fusion)(list(tokens.values()), **arguments)
        fused, logits = (ops.cast(x, "float32") for x in (fused, logits))
        outputs = {"output": activation(fused)}
        for place, name in enumerate(tokens):
            outputs[f"{name}_auxiliary"] = activation(ops.take(logits, place, axis=-2))
        return keras.Model(model.input, outputs, name="auxiliary")
    outputs = {"output": model.output}
    for name, x in tokens.items():
        head = layers.Dense(
            num_outputs, activation=activation, dtype="float32", name=f"{name}_auxiliary_head"
        )
        outputs[f"{name}_auxiliary"] = head(pooled(model, name, x, arguments.get("present")))
    return keras.Model(model.input, outputs, name="auxiliary")


def pooled(model: keras.Model, modality: str, tokens: Any, present: Any | None = None) -> Any:
    """One modality's tokens as one vector, pooled as the model's fusion pools them.

    Args:
        model: A model of `build_model`.
        modality: Which.
        tokens: `(batch, tokens, dim)`: its own, or another encoder's of as many tokens.
        present: `None`, or boolean `(batch, modalities)`, of all modalities.

    Returns:
        `(batch, dim)`; of a model with an output at each step, `(batch, steps, dim)`.
    """
    fusion = fusion_layer(model)
    all_tokens, arguments = fusion_inputs(model)
    place = list(all_tokens).index(modality)
    own = {}
    if arguments.get("masks") and arguments["masks"][place] is not None:
        own["masks"] = [arguments["masks"][place]]
    if present is not None:
        own["present"] = present[:, place : place + 1]
    concat = get_fusion("concat", pooling=traits(fusion).pooling)
    return _like(fusion, concat)([tokens], **own)


def _like(fusion: layers.Layer, other: layers.Layer) -> layers.Layer:
    """The other fusion, working step by step if the first does."""
    return StepwiseFusion(other) if traits(fusion).return_sequences else other
