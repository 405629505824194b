"""Uni-modal teachers (UMT): keep each encoder near one that was trained alone."""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import layers, ops

from mmkeras.models.parts import (
    auxiliary_model,
    encoder_layers,
    fusion_inputs,
    output_layer,
    pooled,
)


def teacher_model(model: keras.Model, modality: str, num_outputs: int) -> keras.Model:
    """A model of one modality, with a new encoder like `model`'s, to train as its teacher.

    Args:
        model: A model of `build_model` with two or more modalities.
        modality: Which.
        num_outputs: As for `build_model`.

    Returns:
        A model from the same inputs, of which it reads one, to `(batch, num_outputs)`.
    """
    student = encoder_layers(model)[modality]
    tokens = type(student).from_config(student.get_config())(model.input[modality])
    # Not as a modality dropout would have it: what else is hidden, a teacher is to see.
    features = pooled(model, modality, tokens, model.input.get("present"))
    own = output_layer(model)
    head = layers.Dense(num_outputs, activation=own.activation, dtype="float32", name=own.name)
    return keras.Model(model.input, head(features), name=f"{modality}_teacher")


def distillation_model(
    model: keras.Model,
    teachers: Mapping[str, keras.Model],
    num_outputs: int,
    strength: float,
    auxiliary: bool = False,
) -> keras.Model:
    """A model to train instead of `model`: its encoders are pulled towards those of teachers.

    With `h^m` the pooled features of modality `m`, and `t^m` the features of the frozen encoder of
    a model that was trained on that modality alone:

        L = L(fused) + lambda sum_m mean((h^m - t^m)^2)

    The layers are shared, so training it trains `model`. The teachers' layers become untrainable.
    The distance counts in training only; a validation loss is of the predictions alone.

    Args:
        model: A model of `build_model` with two or more modalities.
        teachers: By modality, a trained model of `teacher_model`, or any model with the input
            `{modality}` and a layer `{modality}_encoder` that gives tokens of the same width.
            Modalities without a teacher are left alone.
        num_outputs: As for `build_model`.
        strength: lambda, above 0.
        auxiliary: Whether the model has auxiliary outputs too.

    Raises:
        ValueError: A teacher is of no modality of the model, or of another shape.

    References:
        - [Du et al., 2023](https://arxiv.org/abs/2305.01233) (the loss)
        - [Du et al., 2021](https://arxiv.org/abs/2106.11059)
    """
    tokens, arguments = fusion_inputs(model)
    unknown = sorted(set(teachers) - set(tokens))
    if unknown or not teachers:
        raise ValueError(
            f"`teachers` has one model for each modality; these are {list(tokens)}. Received: "
            f"{sorted(teachers)}."
        )
    outputs = auxiliary_model(model, num_outputs).output if auxiliary else {"output": model.output}
    for name, teacher in teachers.items():
        encoder = encoder_layers(teacher)[name]
        # As a model of its own: two layers of one model cannot have the same name.
        frozen = keras.Model(teacher.input[name], encoder.output, name=f"{name}_frozen")
        frozen.trainable = False
        aims = frozen(model.input[name], training=False)
        if aims.shape[1:] != tokens[name].shape[1:]:
            raise ValueError(
                f"The teacher of {name!r} gives tokens of shape {aims.shape}, the model's encoder "
                f"{tokens[name].shape}. Train a teacher with the same encoder (`teacher_model`)."
            )
        features, aim = (
            pooled(model, name, x, arguments.get("present")) for x in (tokens[name], aims)
        )
        pull = _Pull(strength, name=f"{name}_pull")
        outputs["output"] = pull(outputs["output"], features, aim)
    return keras.Model(
        model.input, outputs if auxiliary else outputs["output"], name="distillation"
    )


class _Pull(layers.Layer):
    # It hands an output on, so that the distance is part of a model with that output.
    def __init__(self, strength: float, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength

    def build(self, *shapes):
        pass

    def call(self, output, features, aim, training=None):
        if training:
            distance = ops.cast(features - ops.stop_gradient(aim), "float32")
            self.add_loss(self.strength * ops.mean(ops.square(distance)))
        return output
