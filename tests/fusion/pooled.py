"""What the tests of fusions over pooled vectors share: tokens with holes, and their projections.

The rows of `PRESENT` have all three modalities, all but the first, all but the second, and none.
"""

from __future__ import annotations

import keras
import numpy as np

from tests.fusion.by_hand import dense
from tests.fusion.standard import example
from tests.layer_checks import randomize

EXAMPLE = example()
TOKENS, PRESENT = EXAMPLE["tokens"], EXAMPLE["present"]
MEANS = [x.mean(axis=1) for x in TOKENS]


def randomized(fusion, tokens=TOKENS):
    """The fusion, built for these tokens, with random weights, biases included."""
    fusion.build([x.shape for x in tokens])
    return randomize(fusion)


def affine_each(projections, vectors=MEANS):
    return [dense(layer, x) for layer, x in zip(projections, vectors, strict=True)]


def number_of_weights(fusion, tokens=TOKENS):
    fusion.build([x.shape for x in tokens])
    return sum(np.prod(w.shape) for w in fusion.trainable_weights)


def model_of(fusion, tokens=TOKENS):
    inputs = [keras.Input(x.shape[1:]) for x in tokens]
    return keras.Model(inputs, fusion(inputs))
