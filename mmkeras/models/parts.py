"""Parts of a built or loaded model: to look inside it, and to train it with auxiliary losses.

These rely on the layer names that `mmkeras.models.build` documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion import FUSIONS, StepwiseFusion, fusion_class, get_fusion


def embedding_model(model: keras.Model) -> keras.Model:
    """The part of a model (built here, or loaded) from its inputs to the fused vector.

    Late fusion fuses no features, only decisions; there the vector is what each modality decides
    on, side by side.
    """
    fusion = model.get_layer("fusion")
    vector = fusion.output
    if getattr(fusion, "gives_logits", False):
        tokens, arguments = fusion_inputs(model)
        concat = _like(fusion, get_fusion("concat", pooling=fusion.pooling))
        vector = concat(list(tokens.values()), **arguments)
    return keras.Model(model.input, vector, name="embedding")


def fusion_inputs(model: keras.Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """What reaches a fusion: tokens by modality, in schema order, and its other arguments."""
    fusion = model.get_layer("fusion")
    # The fusion's inputs in its own order; that of the model's input dict is alphabetical. A list
    # of one tensor is handed out as that tensor.
    tensors = fusion.input if isinstance(fusion.input, list) else [fusion.input]
    by_name = {tensor._keras_history.operation.name: tensor for tensor in tensors}
    tokens = {
        name.removesuffix("_encoder"): tensor
        for name, tensor in by_name.items()
        if name.endswith("_encoder")
    }
    arguments = {}
    if any(f"{name}_mask" in by_name for name in tokens):
        arguments["masks"] = [by_name.get(f"{name}_mask") for name in tokens]
    for name in ("present", "modality_dropout"):
        if name in by_name:
            arguments["present"] = by_name[name]
    return tokens, arguments


def attention_model(model: keras.Model) -> keras.Model:
    """A model from the same inputs to what the fusion weighs its modalities or tokens with.

    Args:
        model: A model of `build_model` or `image_text_classifier`, built or loaded, whose fusion
            hands out weights.

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
    fusion = model.get_layer("fusion")
    if not getattr(fusion, "has_weights", False):
        have = [name for name in FUSIONS if fusion_class(name).has_weights]
        raise ValueError(
            f"{type(fusion).__name__} has no weights to look at. These have: {', '.join(have)}."
        )
    tokens, arguments = fusion_inputs(model)
    _, weights = _FusionParts(fusion)(list(tokens.values()), **arguments)
    if not isinstance(weights, Mapping):
        return keras.Model(model.input, {"weights": weights}, name="attention")
    names = list(tokens)
    outputs = {}
    for name, tensor in weights.items():
        query, to, key = name.partition("_to_")
        # "0_to_1" is a direction, from one modality to another; anything else says what it is.
        outputs[f"{names[int(query)]}_to_{names[int(key)]}" if to else name] = tensor
    return keras.Model(model.input, outputs, name="attention")


class _FusionParts(layers.Layer):
    # A fusion's vector and weights, from one pass. Keras cannot take a second output from a layer
    # that already stands in a model with one ("not connected to `inputs`"), so the fusion is
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
    fusion, output = model.get_layer("fusion"), model.get_layer("output")
    activation = output.activation
    tokens, arguments = fusion_inputs(model)
    if getattr(fusion, "gives_logits", False):
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
    fusion = model.get_layer("fusion")
    all_tokens, arguments = fusion_inputs(model)
    place = list(all_tokens).index(modality)
    own = {}
    if arguments.get("masks") and arguments["masks"][place] is not None:
        own["masks"] = [arguments["masks"][place]]
    if present is not None:
        own["present"] = present[:, place : place + 1]
    concat = get_fusion("concat", pooling=getattr(fusion, "pooling", "mean"))
    return _like(fusion, concat)([tokens], **own)


def _like(fusion: layers.Layer, other: layers.Layer) -> layers.Layer:
    """The other fusion, working step by step if the first does."""
    stepwise = isinstance(fusion, StepwiseFusion) or getattr(fusion, "return_sequences", False)
    return StepwiseFusion(other) if stepwise else other
