"""What the tests of fusions over pooled vectors share: tokens with holes, and their projections.

The rows of `PRESENT` have all three modalities, all but the first, all but the second, and none.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from tests.fusion.by_hand import dense
from tests.fusion.standard import example
from tests.layer_checks import call, randomize

EXAMPLE = example()
TOKENS, PRESENT = EXAMPLE["tokens"], EXAMPLE["present"]
MEANS = [x.mean(axis=1) for x in TOKENS]
# Each row's weights where its modalities count alike.
EQUAL = PRESENT / np.maximum(PRESENT.sum(axis=1, keepdims=True), 1)


def randomized(fusion, tokens=TOKENS):
    """The fusion, built for these tokens, with random weights, biases included."""
    fusion.build([x.shape for x in tokens])
    return randomize(fusion)


def affine_each(projections, vectors=MEANS):
    return [dense(layer, x) for layer, x in zip(projections, vectors, strict=True)]


def first_weights(fusion):
    """The weights of a new fusion for rows whose numbers are large."""
    return call(
        fusion,
        {"tokens": [100 * x for x in TOKENS], "present": PRESENT},
        return_weights=True,
    )[1]


def number_of_weights(fusion, tokens=TOKENS):
    fusion.build([x.shape for x in tokens])
    return sum(np.prod(w.shape) for w in fusion.trainable_weights)


def model_of(fusion, tokens=TOKENS):
    inputs = [keras.Input(x.shape[1:]) for x in tokens]
    return keras.Model(inputs, fusion(inputs))


def accuracy_where_one_decides(fusion):
    """Accuracy on new rows, of three modalities, where the sign of a number of the first decides.

    Chance is 0.5, and the standard deviation of an accuracy on 1,000 rows 0.016.
    """
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    tokens = [rng.normal(size=(1256, 1, 16)).astype("float32") for _ in range(3)]
    label = (tokens[0][:, 0, 0] > 0).astype("float32")
    fused = model_of(fusion, tokens)
    model = keras.Model(fused.inputs, layers.Dense(1, activation="sigmoid")(fused.output))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit([x[:256] for x in tokens], label[:256], batch_size=64, epochs=10, verbose=0)
    return model.evaluate([x[256:] for x in tokens], label[256:], verbose=0)[1]
