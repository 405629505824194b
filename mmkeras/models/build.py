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

from mmkeras.encoders import get_encoder
from mmkeras.fusion import (
    FUSIONS,
    ModalityDropout,
    StepwiseFusion,
    fusion_class,
    get_fusion,
)
from mmkeras.schema import TASKS, Image, InputSpec, Modality, Schema, Target, Text

_ACTIVATIONS = {"classification": "softmax", "multilabel": "sigmoid", "regression": "linear"}


def default_encoder(modality: Modality, spec: InputSpec) -> str:
    """The encoder's name where none is given: by kind, and by what the inputs look like."""
    if modality.kind == "text":
        return "lstm" if spec.dtype.startswith("int") else "bag_of_words"
    if modality.kind == "audio" and spec.shape[-1] == 1:
        return "tcn"  # a waveform has no bands for a convolution in two dimensions
    return {
        "image": "cnn",
        "audio": "cnn",
        "video": "frames",
        "sequence": "recurrent",
        "tabular": "mlp",
    }[modality.kind]


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
    activation = _ACTIVATIONS[schema.target.task]
    options = dict(fusion_options or {})
    if isinstance(fusion, str) and fusion in FUSIONS:
        if getattr(fusion_class(fusion), "gives_logits", False):
            options |= {"num_outputs": int(num_outputs), "activation": activation}
        elif len(tokens) == 1:
            # Alone, a modality is only pooled.
            fusion, options = "concat", {k: v for k, v in options.items() if k == "pooling"}
        elif schema.target.per_step and getattr(fusion_class(fusion), "aligned", False):
            options["return_sequences"] = True
    fusion_layer = get_fusion(fusion, **options)
    if fusion_layer.built:
        raise ValueError(
            f"The fusion layer {fusion_layer.name!r} already belongs to a model. Make a new one."
        )
    if getattr(fusion_layer, "gives_logits", False) and fusion_layer.activation != activation:
        raise ValueError(
            f"The output of {schema.target.task} is {activation}. Received: a fusion of decisions "
            f"with activation={fusion_layer.activation!r}. Make it with {activation!r}."
        )
    steps = getattr(fusion_layer, "return_sequences", False)
    if getattr(fusion_layer, "aligned", False) and steps != schema.target.per_step:
        raise ValueError(
            f"The target has {'a label for each step' if schema.target.per_step else 'one label'}. "
            f"Received: a fusion with return_sequences={steps}. Make it with {not steps}."
        )
    if schema.target.per_step and not steps:
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


def image_text_classifier(
    image_shape: Sequence[int] = (224, 224, 3),
    vocabulary_size: int = 1000,
    num_classes: int = 10,
    *,
    text_branch: str = "dense",
    filters: Sequence[int] = (64, 128),
    padding: str = "valid",
    text_units: Sequence[int] = (128, 64),
    num_heads: int = 1,
    key_dim: int = 64,
    hidden: Sequence[int] = (128,),
    dropout: float = 0.5,
    name: str | None = "image_text_classifier",
) -> keras.Model:
    """The image and text classifier that this project started from, corrected.

    Two convolutions and a max-pooling, twice, give the image's tokens (53×53 of 128 channels for
    224×224 pixels); a dense or a recurrent branch gives the text's; the text's tokens attend to
    the image's; then a dense layer, dropout and softmax. `docs/corrections.md` says what was
    wrong with the original and how each part is mended.

    Args:
        image_shape: `(height, width, channels)`.
        vocabulary_size: The length of the bag-of-words vector, or one more than the largest id.
        num_classes: Classes to tell apart.
        text_branch: `"dense"` reads bag-of-words vectors `(batch, vocabulary_size)`, `"lstm"`
            reads token ids `(batch, length)`, 0 for padding.
        filters: Channels of each block of convolutions.
        padding: Of the convolutions: `"valid"` or `"same"`.
        text_units: The dense branch's two widths; the embedding's and LSTM's for `"lstm"`.
        num_heads: Attention heads.
        key_dim: The width of a head.
        hidden: The widths of the dense layers after the fusion.
        dropout: Share of their units that are dropped, in training.
        name: The model's name.

    Returns:
        An uncompiled model from `{"image": ..., "text": ...}` to `(batch, num_classes)`.

    Example:

    >>> model = compile_model(image_text_classifier(), "classification")
    >>> model.get_layer("image_encoder").output.shape
    (None, 2809, 128)
    """
    if text_branch == "dense":
        encoder, options = "bag_of_words", {"units": text_units}
        text = InputSpec((int(vocabulary_size),))
    elif text_branch == "lstm":
        embedding_dim, units = text_units
        encoder = "lstm"
        options = {"embedding_dim": embedding_dim, "units": units, "bidirectional": False}
        text = InputSpec((None,), "int32", vocabulary_size=int(vocabulary_size))
    else:
        raise ValueError(f"`text_branch` must be 'dense' or 'lstm'. Received: {text_branch!r}.")
    return build_model(
        Schema((Image("image"), Text("text")), target=Target("label")),
        {"image": InputSpec(tuple(image_shape)), "text": text},
        num_outputs=num_classes,
        encoders={"image": "cnn", "text": encoder},
        encoder_options={"image": {"filters": filters, "padding": padding}, "text": options},
        fusion="attention",
        fusion_options={"query": 1, "num_heads": num_heads, "key_dim": key_dim},
        hidden=hidden,
        dropout=dropout,
        name=name,
    )


def compile_model(
    model: keras.Model,
    task: str,
    *,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    weight_decay: float = 0.0,
    label_smoothing: float = 0.0,
    global_clipnorm: float | None = None,
    auxiliary: float = 0.5,
    per_step: bool = False,
    jit_compile: bool | str | None = None,
) -> keras.Model:
    """Compiles a model with the loss and metrics of its task, and Adam.

    Args:
        model: A model of `build_model` or `auxiliary_model`.
        task: `"classification"` (one-hot targets; categorical cross-entropy, accuracy),
            `"multilabel"` (0 and 1 targets; binary cross-entropy, accuracy over labels) or
            `"regression"` (mean squared error, mean absolute error).
        learning_rate: A number or a schedule.
        weight_decay: Decoupled weight decay (AdamW), of kernels and embeddings only.
        label_smoothing: Share of a classification target that is spread over all classes.
        global_clipnorm: The largest norm of all gradients together.
        auxiliary: The weight of each auxiliary output's loss, where the model has such outputs.
        per_step: Whether outputs and targets are `(batch, steps, outputs)`. Fit the model with
            `sample_weight` `(batch, steps)`: 0 at steps that are padding.
        jit_compile: As in `keras.Model.compile`. By default off on the TensorFlow backend, where
            it slows convolutions down on CPUs and compiles anew for every text length, and
            `"auto"` elsewhere.

    Returns:
        The same model.

    References:
        - [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980) (Adam)
        - [Loshchilov and Hutter, 2019](https://arxiv.org/abs/1711.05101) (AdamW)
    """
    if task not in TASKS:
        raise ValueError(f"`task` must be one of {TASKS}. Received: {task!r}.")
    if task == "regression" and label_smoothing:
        raise ValueError(
            f"Regression has no labels for `label_smoothing`. Received: {label_smoothing}."
        )
    if weight_decay:
        optimizer = keras.optimizers.AdamW(
            learning_rate, weight_decay=weight_decay, global_clipnorm=global_clipnorm
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "scores"])
    else:
        optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=global_clipnorm)
    weights = None
    if isinstance(model.output, Mapping):
        loss = {name: _loss(task, label_smoothing, per_step) for name in model.output}
        metrics = {name: _metrics(task) for name in model.output}
        weights = {name: 1.0 if name == "output" else auxiliary for name in model.output}
    else:
        loss, metrics = _loss(task, label_smoothing, per_step), _metrics(task)
    if jit_compile is None:
        jit_compile = False if keras.config.backend() == "tensorflow" else "auto"
    model.compile(
        optimizer=optimizer,
        loss=loss,
        loss_weights=weights,
        # Weighted, so that steps of padding do not count.
        **{"weighted_metrics" if per_step else "metrics": metrics},
        jit_compile=jit_compile,
    )
    return model


def _loss(task: str, label_smoothing: float, per_step: bool) -> keras.losses.Loss:
    if task == "classification":
        return keras.losses.CategoricalCrossentropy(
            label_smoothing=label_smoothing,
            # The mean over real steps; the other would count padding as steps without loss.
            reduction="mean_with_sample_weight" if per_step else "sum_over_batch_size",
        )
    if task == "multilabel":
        return keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)
    return keras.losses.MeanSquaredError()


def _metrics(task: str) -> list[keras.metrics.Metric]:
    if task == "classification":
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if task == "multilabel":
        return [keras.metrics.BinaryAccuracy(name="accuracy")]
    return [keras.metrics.MeanAbsoluteError(name="mae")]
