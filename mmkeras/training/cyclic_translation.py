"""Cyclic translation (MCTN): make other modalities of the first one, and the first one again."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion import traits
from mmkeras.models.parts import (
    decoder_layer,
    encoded,
    encoder_layers,
    fusion_layer,
    known_inputs,
)


def translating_model(model: keras.Model, outputs: Any, weight: float) -> keras.Model:
    """A model to train instead of `model`, which also learns to translate its modalities.

    With `x^m` the inputs of modality `m`, `z(x^m)` the fused vector where only `m` is present, and
    one linear decoder `D^m` for each modality, the first modality, `s`, is translated into every
    other one, `t`, and back; of `M` modalities:

        y^t = D^t z(x^s),    L_t = mean((y^t - x^t)^2)
                             L_c = mean((D^s z(y^t) - x^s)^2)
        L = L(fused) + weight / (M - 1) * sum over t of (L_t + L_c)

    The same encoders and the same fusion read true and translated inputs, as in the paper, whose
    joint representation is the vector halfway; the paper predicts from that alone, here the model
    predicts from all modalities. Inputs are vectors, or sequences; of a sequence it is the mean of
    its steps that is made, as one step. Rows that lack one of the two modalities do not count. The
    decoders are used in training only; a validation loss is of the predictions alone.

    Args:
        model: A model of `build_model` with two or more modalities of floats.
        outputs: Those of `model`, or of `mmkeras.models.parts.auxiliary_model`.
        weight: Of the two losses, above 0.

    Returns:
        An uncompiled model, which shares the layers of `model`.

    Raises:
        ValueError: A modality is not of floats, or the model has no fused vector for each row.

    References:
        - [Pham et al., 2019](https://arxiv.org/abs/1812.07809)
    """
    fusion, tensors = fusion_layer(model), known_inputs(model)
    encoders = encoder_layers(model)
    if decoder_layer(model) is not None or traits(fusion).gives_logits:
        raise ValueError(
            "`translation` needs a fused vector from which classes or numbers are predicted. "
            f"Received: a model with {type(decoder_layer(model) or fusion).__name__}. Choose a "
            "fusion of features, or leave `translation` out."
        )
    if traits(fusion).return_sequences:
        raise ValueError(
            "`translation` is of whole rows. Received: a model with a label for each step. Leave "
            "`translation` out."
        )
    for name in encoders:
        shape, dtype = tensors[name].shape, tensors[name].dtype
        if dtype != "float32" or len(shape) not in (2, 3):
            raise ValueError(
                "`translation` makes vectors and sequences of floats. Received: the modality "
                f"{name!r} with inputs {tuple(shape)} of {dtype}. Leave `translation` out."
            )
    parts = list(encoded(model).values())
    masked = [mask is not None for _, mask in parts]
    cycle = _Cycle(encoders, fusion, weight, masked, name="translation")
    first = outputs["output"] if isinstance(outputs, dict) else outputs
    inputs = [tensors[name] for name in encoders]
    source, mask = parts[0]
    first = cycle(first, inputs, source, mask=mask, present=tensors.get("present"))
    outputs = {**outputs, "output": first} if isinstance(outputs, dict) else first
    return keras.Model(model.input, outputs, name="translating")


class _Cycle(layers.Layer):
    # It hands an output on, so that the losses are part of a model with that output.
    def __init__(self, encoders, fusion, weight: float, masked: list[bool], **kwargs):
        super().__init__(**kwargs)
        self.encoders, self.fusion = list(encoders.values()), fusion
        self.weight, self.masked = weight, masked
        self.decoders: list[layers.Dense] = []
        # Keras' own masks of the inputs are not read: those of tokens come as an argument.
        self.supports_masking = True

    def compute_mask(self, *inputs, **more):
        return None

    def build(self, output_shape, inputs_shape, source_shape, mask_shape=None, present_shape=None):
        width = self.fusion.output.shape[-1]
        for shape in inputs_shape:
            self.decoders.append(layers.Dense(shape[-1], dtype="float32"))
            self.decoders[-1].build((None, width))

    def call(self, output, inputs, source, mask=None, present=None, training=None):
        if not training:
            return output
        true = [_as_vector(x) for x in inputs]
        if present is None:
            present = ops.ones((ops.shape(true[0])[0], len(true)), dtype="bool")
        there = ops.cast(present, "float32")
        # Once: what is made of the first modality differs by decoder only.
        joint = self._joint(0, source, mask)
        losses = []
        for place in range(1, len(true)):
            made = self.decoders[place](joint)
            step = ops.expand_dims(made, 1) if len(inputs[place].shape) == 3 else made
            tokens = self.encoders[place](step, training=True)
            real = ops.ones(ops.shape(tokens)[:2], dtype="bool")
            again = self.decoders[0](self._joint(place, tokens, real))
            counts = there[:, 0] * there[:, place]
            errors = _errors(made, true[place]) + _errors(again, true[0])
            losses.append(ops.sum(counts * errors) / ops.maximum(ops.sum(counts), 1.0))
        self.add_loss(self.weight * sum(losses) / len(losses))
        return output

    def _joint(self, place: int, tokens: Any, mask: Any | None):
        """The fused vector where one modality is present alone, `(batch, dim)`."""
        rows, count = ops.shape(tokens)[0], len(self.encoders)
        # What stands at the others does not count, so that no encoder need make it.
        shapes = [(rows, e.output.shape[1] or 1, e.output.shape[2]) for e in self.encoders]
        all_tokens = [ops.zeros(shape) for shape in shapes]
        all_masks: list[Any] = [
            ops.zeros(shape[:2], dtype="bool") if masked else None
            for shape, masked in zip(shapes, self.masked, strict=True)
        ]
        all_tokens[place] = tokens
        if self.masked[place]:
            all_masks[place] = mask
        kept = ops.convert_to_tensor([[each == place for each in range(count)]])
        present = ops.broadcast_to(kept, (rows, count))
        more = {"masks": all_masks} if any(self.masked) else {}
        vector = self.fusion(all_tokens, present=present, training=True, **more)
        return ops.cast(vector, "float32")


def _as_vector(x):
    """Inputs as `(batch, features)`: of a sequence, the mean of its steps."""
    if len(x.shape) == 2:
        return x
    real = ops.cast(ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True), x.dtype)
    return ops.sum(real * x, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)


def _errors(made, true):
    return ops.mean(ops.square(made - ops.stop_gradient(true)), axis=-1)
