"""From encoders, a fusion and a head to one functional model.

`mmkeras.models.parts` names the layers of such a model, and takes it apart again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
from keras import layers

from mmkeras.decoders import DECODERS, Decoder, check_decoder_options, get_decoder
from mmkeras.encoders import default_encoder, get_encoder
from mmkeras.encoders.keras_mask import KerasMask, gives_mask
from mmkeras.fusion import (
    FUSIONS,
    ModalityDropout,
    StepwiseFusion,
    check_takes,
    fusion_class,
    get_fusion,
    traits,
)
from mmkeras.models import parts
from mmkeras.multimodal_model import MultimodalModel, Parts
from mmkeras.schema import InputSpec, Schema
from mmkeras.tasks import Task, task_class


def build_model(
    schema: Schema,
    inputs: Mapping[str, InputSpec],
    *,
    num_outputs: int | None = None,
    encoders: Mapping[str, str | layers.Layer] | None = None,
    fusion: str | layers.Layer = "concat",
    decoder: str | layers.Layer | None = None,
    encoder_options: Mapping[str, Mapping[str, Any]] | None = None,
    fusion_options: Mapping[str, Any] | None = None,
    decoder_options: Mapping[str, Any] | None = None,
    hidden: Sequence[int] = (128,),
    dropout: float = 0.5,
    fusion_dropout: float = 0.0,
    presence: bool = False,
    modality_dropout: float = 0.0,
    name: str | None = None,
) -> keras.Model:
    """Builds a model with one named input for each of a schema's modalities.

    Args:
        schema: The modalities, in the order in which the fusion sees them, and the target's task.
        inputs: What each modality's batch looks like, by modality name.
        num_outputs: Classes, labels, or numbers to predict. A decoder does without.
        encoders: A name of `ENCODERS` or a layer, by modality name. The default is
            `default_encoder`'s. A layer gets another name; its Keras mask, if any, counts.
        fusion: A name of `FUSIONS`, or a layer. A single modality's tokens are only pooled, by
            `ConcatFusion`, unless the fusion is late. That one gives the outputs itself; `hidden`,
            `dropout` and `fusion_dropout` are then not used.
        decoder: What gives the answer, where that is more than classes or numbers: a name of
            `DECODERS`, by default the first of the target's task, or a layer. It reads the fused
            vector and the tokens of all modalities; `hidden` and `dropout` are then not used.
        encoder_options: Constructor arguments of the encoders given by name, by modality name.
        fusion_options: Constructor arguments of a fusion given by name. Of a single modality's,
            only `pooling` is used.
        decoder_options: Constructor arguments of a decoder given by name, among them those that
            follow from the fitted target: `preprocessing.decoder_options(name)`.
        hidden: The widths of the dense layers (ReLU) between fusion and output.
        dropout: Share of units that are dropped after each of them, in training.
        fusion_dropout: Share of the fused vector that is dropped, in training.
        presence: Whether the model has an input `present`, boolean `(batch, modalities)` in
            schema order, of the modalities that a row has. What the inputs of an absent one hold
            does not change the output; for training they must still be finite numbers.
        modality_dropout: Probability that a modality is hidden, in training
            (`mmkeras.fusion.ModalityDropout`). Needs `presence`.
        name: The model's name.

    Returns:
        An uncompiled model from a dict of inputs to `(batch, num_outputs)`: probabilities of one
        class (softmax) or of each label (sigmoid), or numbers (linear), by the target's task. With
        a label per step `(batch, steps, num_outputs)`: the fusion works at each step
        (`mmkeras.fusion.StepwiseFusion`), unless it reads the sequences itself (`aligned`). With a
        decoder, what that trains on; `mmkeras.models.answer_model` makes it a model that answers.

    Raises:
        ValueError: For unknown modalities, encoders, fusions and options, and inputs that an
            encoder cannot read.

    Example:

    >>> from mmkeras.schema import Image, Text
    >>> schema = Schema([Image("photo"), Text("caption")], target="label")
    >>> inputs = {"photo": InputSpec((32, 32, 3)), "caption": InputSpec((500,))}
    >>> model = build_model(schema, inputs, num_outputs=10, fusion="attention")
    >>> model.output_shape
    (None, 10)
    """
    task = task_class(schema.target)
    _check_names("inputs", inputs, schema, complete=True)
    tensors = {
        name: keras.Input(inputs[name].shape, dtype=inputs[name].dtype, name=name)
        for name in schema.names
    }
    chosen, tokens, masks = _encode_all(schema, inputs, tensors, encoders, encoder_options)
    arguments = {"masks": masks} if any(mask is not None for mask in masks) else {}
    arguments |= _presence(tensors, presence, modality_dropout)
    layer = _fusion(task, fusion, fusion_options or {}, num_outputs, len(tokens))
    fusion_layer, x = _fuse(task, layer, tokens, arguments)
    if task.decoders:
        last = _decoder(task, schema, decoder, decoder_options or {}, chosen, inputs)
        head = [layers.Dropout(fusion_dropout, name=parts.FUSION_DROPOUT)]
        if last.reads_previous:
            arguments["previous"] = tensors[parts.PREVIOUS] = keras.Input(
                last.previous_shape, dtype=last.previous_dtype, name=parts.PREVIOUS
            )
        model = MultimodalModel(tensors, last(head[0](x), tokens, **arguments), name=name)
        model.parts = Parts.of(chosen, masks, presence, fusion_layer, head, last, decoder=True)
        return model
    gives_logits = traits(fusion_layer).gives_logits
    head = [] if gives_logits else list(_head(hidden, dropout, fusion_dropout))
    for layer in head:
        x = layer(x)
    # Probabilities and losses in float32 also where the policy is float16.
    common = {"activation": task.activation, "dtype": "float32", "name": parts.OUTPUT}
    output = layers.Dense(_width(num_outputs), **common) if head else layers.Activation(**common)
    model = MultimodalModel(tensors, output(x), name=name)
    model.parts = Parts.of(chosen, masks, presence, fusion_layer, head, output)
    return model


def _encode_all(
    schema: Schema,
    inputs: Mapping[str, InputSpec],
    tensors: Mapping[str, Any],
    encoders: Mapping[str, str | layers.Layer] | None,
    options: Mapping[str, Mapping[str, Any]] | None,
) -> tuple[dict[str, layers.Layer], list[Any], list[Any | None]]:
    """The encoders by modality, in schema order, and of each its tokens and their mask."""
    _check_names("encoders", encoders, schema)
    _check_names("encoder_options", options, schema)
    chosen: dict[str, layers.Layer] = {}
    tokens, masks = [], []
    for modality in schema.modalities:
        name, spec = modality.name, inputs[modality.name]
        encoder = get_encoder(
            modality.kind,
            (encoders or {}).get(name, default_encoder(modality, spec)),
            spec,
            **(options or {}).get(name, {}),
        )
        if any(encoder is other for other in chosen.values()):
            raise ValueError(
                f"The encoder of {name!r} is also another modality's. Give each modality a layer "
                "of its own."
            )
        chosen[name] = encoder
        x, mask = _encode(encoder, tensors[name], name)
        tokens.append(x)
        masks.append(mask)
    return chosen, tokens, masks


def _encode(encoder: layers.Layer, inputs: Any, name: str) -> tuple[Any, Any | None]:
    """A modality's tokens, and the mask of those that count, if there is one."""
    encoder.name = parts.encoder_name(name)
    tokens = encoder(inputs)
    if len(tokens.shape) != 3:
        raise ValueError(
            f"An encoder gives tokens of shape (batch, tokens, dim). Received: {tokens.shape} from "
            f"the encoder of {name!r}. A vector becomes one token with "
            "`keras.ops.expand_dims(vector, axis=1)`."
        )
    mask = None
    if hasattr(encoder, "token_mask"):
        mask = encoder.token_mask(inputs)
        if mask is not None:
            mask = layers.Identity(name=parts.mask_name(name))(mask)
    elif gives_mask(encoder, inputs):
        mask = KerasMask(name=parts.mask_name(name))(tokens)
    return tokens, mask


def _presence(tensors: dict[str, Any], presence: bool, modality_dropout: float) -> dict[str, Any]:
    """The fusion's argument `present`, if any; adds the input to `tensors`."""
    if not presence:
        if modality_dropout:
            raise ValueError(
                "`modality_dropout` hides modalities by the input `present`; pass presence=True. "
                f"Received: modality_dropout={modality_dropout}."
            )
        return {}
    present = keras.Input((len(tensors),), dtype="bool", name=parts.PRESENT)
    tensors[parts.PRESENT] = present
    if modality_dropout:
        present = ModalityDropout(modality_dropout, name=parts.MODALITY_DROPOUT)(present)
    return {"present": present}


def _fusion(
    task: type[Task],
    fusion: str | layers.Layer,
    options: Mapping[str, Any],
    num_outputs: int | None,
    modalities: int,
) -> layers.Layer:
    """The fusion layer, with what the target asks of it."""
    options, activation = dict(options), task.activation
    if isinstance(fusion, str) and fusion in FUSIONS:
        if fusion_class(fusion).gives_logits and task.decoders:
            raise ValueError(
                f"The fusion {fusion!r} is one of decisions: classes or numbers. An answer of "
                f"{task.words} needs a fusion of features, such as 'concat'."
            )
        if fusion_class(fusion).gives_logits:
            options |= {"num_outputs": _width(num_outputs), "activation": activation}
        elif modalities == 1:
            # Alone, a modality is only pooled.
            fusion, options = "concat", {k: v for k, v in options.items() if k == "pooling"}
        elif task.per_step and fusion_class(fusion).aligned:
            options["return_sequences"] = True
    layer = get_fusion(fusion, **options)
    if layer.built:
        raise ValueError(
            f"The fusion layer {layer.name!r} already belongs to a model. Make a new one."
        )
    if traits(layer).gives_logits and layer.activation != activation:
        raise ValueError(
            f"The output of {task.words} is {activation}. Received: a fusion of decisions "
            f"with activation={layer.activation!r}. Make it with {activation!r}."
        )
    steps = traits(layer).return_sequences
    if traits(layer).aligned and steps != task.per_step:
        raise ValueError(
            f"The target has {'a label for each step' if task.per_step else 'one label'}. "
            f"Received: a fusion with return_sequences={steps}. Make it with {not steps}."
        )
    return layer


def _fuse(
    task: type[Task], layer: layers.Layer, tokens: list[Any], arguments: Mapping[str, Any]
) -> tuple[layers.Layer, Any]:
    """The fusion, at work at each step where the target has a label for each, and its output."""
    stepwise = task.per_step and not traits(layer).return_sequences
    # A step of padding is absent.
    check_takes(layer, ["present"] if stepwise and arguments else list(arguments))
    if stepwise:
        layer = StepwiseFusion(layer)
    layer.name = parts.FUSION
    x = layer(tokens, **arguments)
    expected = "(batch, steps, dim)" if task.per_step else "(batch, dim)"
    if len(x.shape) != expected.count(",") + 1:
        raise ValueError(
            f"A fusion gives one vector for each row, or for each step where the target has a "
            f"label for each: here {expected}. Received: {x.shape} from {type(layer).__name__}."
        )
    return layer, x


def _width(num_outputs: int | None) -> int:
    if num_outputs is None:
        raise ValueError("`num_outputs` says how many classes or numbers there are. It is missing.")
    return int(num_outputs)


def _decoder(
    task: type[Task],
    schema: Schema,
    decoder: str | layers.Layer | None,
    options: Mapping[str, Any],
    encoders: Mapping[str, layers.Layer],
    inputs: Mapping[str, InputSpec],
) -> Decoder:
    """The decoder layer of the target's answer."""
    name = decoder or task.decoders[0]
    if isinstance(name, str) and name not in task.decoders:
        raise ValueError(
            f"An answer of {task.words} comes from one of the decoders {list(task.decoders)}. "
            f"Received: {name!r}."
        )
    options = dict(options)
    if isinstance(name, str) and DECODERS[name].of_modality:
        place = options.pop("modality", None) or DECODERS[name].default_modality(schema)
        if place not in schema.names:
            raise ValueError(
                f"The decoder {name!r} reads the tokens of one of the modalities "
                f"{list(schema.names)}. Received: modality={place!r}."
            )
        options["place"] = schema.names.index(place)
        if hasattr(encoders[place], "token_grid") and "grid" in check_decoder_options(name):
            options["grid"] = encoders[place].token_grid(inputs[place].shape)
    layer = get_decoder(name, **options)
    if layer.built:
        raise ValueError(
            f"The decoder layer {layer.name!r} already belongs to a model. Make a new one."
        )
    layer.name = parts.OUTPUT
    return layer


def _head(hidden: Sequence[int], dropout: float, fusion_dropout: float) -> Iterator[layers.Layer]:
    yield layers.Dropout(fusion_dropout, name=parts.FUSION_DROPOUT)
    for index, units in enumerate(hidden):
        dense, drop = parts.head_names(index)
        yield layers.Dense(int(units), activation="relu", name=dense)
        yield layers.Dropout(dropout, name=drop)


def _check_names(what: str, mapping, schema: Schema, complete: bool = False) -> None:
    names = set(schema.names)
    unknown = sorted(set(mapping or {}) - names)
    missing = sorted(names - set(mapping or {})) if complete else []
    if unknown or missing:
        raise ValueError(
            f"`{what}` goes by modality name; the schema has {list(schema.names)}. "
            f"Unknown: {unknown}. Missing: {missing}."
        )
