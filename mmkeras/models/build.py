"""Builders: encoders, a fusion and a head become one functional `keras.Model`.

The layers of such a model have fixed names, so that a model loaded from a file can be taken apart:
inputs `{modality}` and `present`, `{modality}_encoder`, `{modality}_mask` (where there is one),
`modality_dropout` (where there is one), `fusion`, `head_dense_0`, `head_dropout_0`, ..., `output`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from mmkeras.encoders import default_encoder, get_encoder
from mmkeras.fusion import (
    FUSIONS,
    ModalityDropout,
    StepwiseFusion,
    fusion_class,
    get_fusion,
)
from mmkeras.schema import InputSpec, Schema
from mmkeras.tasks import task_class


def build_model(
    schema: Schema,
    inputs: Mapping[str, InputSpec],
    *,
    num_outputs: int,
    encoders: Mapping[str, str | layers.Layer] | None = None,
    fusion: str | layers.Layer = "concat",
    encoder_options: Mapping[str, Mapping[str, Any]] | None = None,
    fusion_options: Mapping[str, Any] | None = None,
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
        num_outputs: Classes, labels, or numbers to predict.
        encoders: A name of `ENCODERS` or a layer, by modality name. The default is
            `default_encoder`'s. A layer is renamed to `{modality}_encoder`.
        fusion: A name of `FUSIONS`, or a layer. A single modality has nothing to fuse: its tokens
            are pooled by `ConcatFusion`, unless the fusion is late. That one gives the
            outputs itself; `hidden`, `dropout` and `fusion_dropout` are then not used.
        encoder_options: Constructor arguments of the encoders given by name, by modality name.
        fusion_options: Constructor arguments of a fusion given by name. Of a single modality's,
            only `pooling` is used.
        hidden: The widths of the dense layers (ReLU) between fusion and output.
        dropout: Share of units that are dropped after each of them, in training.
        fusion_dropout: Share of the fused vector that is dropped, in training.
        presence: Whether the model has an input `present`, boolean `(batch, modalities)` in
            schema order, that says which modalities a row has. What the inputs of an absent one
            hold does not change the output; for training they must still be finite numbers.
        modality_dropout: Probability that a modality is hidden, in training
            (`mmkeras.fusion.ModalityDropout`). Needs `presence`.
        name: The model's name.

    Returns:
        An uncompiled model from a dict of inputs to `(batch, num_outputs)`: probabilities of one
        class (softmax) or of each label (sigmoid), or numbers (linear), by the target's task. With
        a label per step `(batch, steps, num_outputs)`; the fusion then works at each step
        (`mmkeras.fusion.StepwiseFusion`), unless it reads the sequences itself (`aligned`).

    Raises:
        ValueError: For mappings that name an unknown modality or leave one out, unknown encoders,
            fusions and options, and inputs that an encoder cannot read.

    Example:

    >>> schema = Schema([Image("photo"), Text("caption")], target="label")
    >>> inputs = {"photo": InputSpec((32, 32, 3)), "caption": InputSpec((500,))}
    >>> model = build_model(schema, inputs, num_outputs=10, fusion="attention")
    >>> model.output_shape
    (None, 10)
    """
    task = task_class(schema.target)
    _check_names("inputs", inputs, schema, complete=True)
    _check_names("encoders", encoders, schema)
    _check_names("encoder_options", encoder_options, schema)
    tensors = {
        modality.name: keras.Input(
            inputs[modality.name].shape, dtype=inputs[modality.name].dtype, name=modality.name
        )
        for modality in schema.modalities
    }
    tokens, masks, used = [], [], []
    for modality in schema.modalities:
        spec = inputs[modality.name]
        encoder = get_encoder(
            modality.kind,
            (encoders or {}).get(modality.name, default_encoder(modality, spec)),
            spec,
            **(encoder_options or {}).get(modality.name, {}),
        )
        if any(encoder is other for other in used):
            raise ValueError(
                f"The encoder of {modality.name!r} is also another modality's. Give each modality "
                "a layer of its own."
            )
        used.append(encoder)
        tokens.append(_encode(encoder, tensors[modality.name], modality.name))
        masks.append(_token_mask(encoder, tensors[modality.name], modality.name))

    arguments = {}
    if any(mask is not None for mask in masks):
        arguments["masks"] = masks
    if presence:
        tensors["present"] = keras.Input((len(tokens),), dtype="bool", name="present")
        arguments["present"] = tensors["present"]
        if modality_dropout:
            hide = ModalityDropout(modality_dropout, name="modality_dropout")
            arguments["present"] = hide(tensors["present"])
    elif modality_dropout:
        raise ValueError(
            "`modality_dropout` hides modalities by the input `present`; pass presence=True. "
            f"Received: modality_dropout={modality_dropout}."
        )
    activation = task.activation
    options = dict(fusion_options or {})
    if isinstance(fusion, str) and fusion in FUSIONS:
        if fusion_class(fusion).gives_logits:
            options |= {"num_outputs": int(num_outputs), "activation": activation}
        elif len(tokens) == 1:
            # Alone, a modality is only pooled.
            fusion, options = "concat", {k: v for k, v in options.items() if k == "pooling"}
        elif task.per_step and fusion_class(fusion).aligned:
            options["return_sequences"] = True
    fusion_layer = get_fusion(fusion, **options)
    if fusion_layer.built:
        raise ValueError(
            f"The fusion layer {fusion_layer.name!r} already belongs to a model. Make a new one."
        )
    if getattr(fusion_layer, "gives_logits", False) and fusion_layer.activation != activation:
        raise ValueError(
            f"The output of {task.words} is {activation}. Received: a fusion of decisions "
            f"with activation={fusion_layer.activation!r}. Make it with {activation!r}."
        )
    steps = getattr(fusion_layer, "return_sequences", False)
    if getattr(fusion_layer, "aligned", False) and steps != task.per_step:
        raise ValueError(
            f"The target has {'a label for each step' if task.per_step else 'one label'}. "
            f"Received: a fusion with return_sequences={steps}. Make it with {not steps}."
        )
    if task.per_step and not steps:
        fusion_layer = StepwiseFusion(fusion_layer)
    fusion_layer.name = "fusion"
    x = fusion_layer(tokens, **arguments)
    if getattr(fusion_layer, "gives_logits", False):
        outputs = layers.Activation(activation, dtype="float32", name="output")(x)
        return keras.Model(tensors, outputs, name=name)
    x = layers.Dropout(fusion_dropout, name="fusion_dropout")(x)
    for index, units in enumerate(hidden):
        x = layers.Dense(int(units), activation="relu", name=f"head_dense_{index}")(x)
        x = layers.Dropout(dropout, name=f"head_dropout_{index}")(x)
    outputs = layers.Dense(
        int(num_outputs),
        activation=activation,
        # Probabilities and losses in float32 also where the policy is float16.
        dtype="float32",
        name="output",
    )(x)
    return keras.Model(tensors, outputs, name=name)


def _check_names(what: str, mapping, schema: Schema, complete: bool = False) -> None:
    names = set(schema.names)
    unknown = sorted(set(mapping or {}) - names)
    missing = sorted(names - set(mapping or {})) if complete else []
    if unknown or missing:
        raise ValueError(
            f"`{what}` goes by modality name; the schema has {list(schema.names)}. "
            f"Unknown: {unknown}. Missing: {missing}."
        )


def _encode(encoder: layers.Layer, inputs, name: str):
    encoder.name = f"{name}_encoder"
    tokens = encoder(inputs)
    if len(tokens.shape) != 3:
        raise ValueError(
            f"An encoder gives tokens of shape (batch, tokens, dim). Received: {tokens.shape} from "
            f"the encoder of {name!r}. A vector becomes one token with "
            "`keras.ops.expand_dims(vector, axis=1)`."
        )
    return tokens


def _token_mask(encoder: layers.Layer, inputs, name: str):
    # A Keras layer from elsewhere, given as an encoder, has no `token_mask`: its tokens all count.
    mask = encoder.token_mask(inputs) if hasattr(encoder, "token_mask") else None
    return None if mask is None else layers.Identity(name=f"{name}_mask")(mask)
