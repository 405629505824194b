"""Small models of vectors, and single training steps of them, to work out balancing by hand."""

from __future__ import annotations

import keras
import numpy as np

from mmkeras.models.build import build_model
from mmkeras.schema import TARGETS, InputSpec, Schema, Tabular
from mmkeras.training.seeds import set_seed

CLASSES = 3


def vectors_model(fusion="late", modalities=2, task="label", dropout=0.0, seed=0):
    """A model of modalities a, b, ... that are vectors of five numbers."""
    set_seed(seed)
    names = "abcde"[:modalities]
    schema = Schema([Tabular(name, (f"{name}0",)) for name in names], TARGETS[task]("y"))
    return build_model(
        schema,
        {name: InputSpec((5,)) for name in names},
        num_outputs=CLASSES,
        encoder_options={name: {"units": (64,), "dropout": 0.0} for name in names},
        fusion=fusion,
        hidden=(8,),
        dropout=dropout,
    )


def batch(modalities=2, rows=16):
    """Inputs and one-hot targets; the first modality is larger, so that it learns faster."""
    random = np.random.default_rng(0)
    inputs = {n: random.standard_normal((rows, 5), "float32") for n in "abcde"[:modalities]}
    labels = random.integers(CLASSES, size=rows)
    inputs["a"][np.arange(rows), labels] += 4.0
    return inputs, np.eye(CLASSES, dtype="float32")[labels]


def owner(path, modalities=2):
    """The modality to whose encoder a weight belongs, or `None`."""
    return next((n for n in "abcde"[:modalities] if path.startswith(f"{n}_encoder")), None)


def one_step(trained, inputs, targets, auxiliary=0.5):
    """Each weight's path and its change in one step of gradient descent, at a rate of 1."""
    trained.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=dict.fromkeys(trained.output, "categorical_crossentropy"),
        loss_weights={n: 1.0 if n == "output" else auxiliary for n in trained.output},
        jit_compile=False,
    )
    before = [keras.ops.convert_to_numpy(v.value).copy() for v in trained.trainable_variables]
    trained.train_on_batch(inputs, dict.fromkeys(trained.output, targets))
    return [
        (variable.path, keras.ops.convert_to_numpy(variable.value) - old)
        for variable, old in zip(trained.trainable_variables, before, strict=True)
    ]


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
