"""What every fusion must do. `test_standard.py` holds each name of `FUSIONS` to it."""

from __future__ import annotations

import inspect
import re

import keras
import numpy as np

from tests.layer_checks import (
    call,
    check_absent_modality,
    check_layer,
    check_more_padding,
    model_around,
)


def example(modalities=3, aligned=False):
    """A fusion's arguments for four rows: tokens of several widths, padding, absent modalities.

    Args:
        modalities: How many.
        aligned: Whether all are sequences of one length, with the same steps of padding.
    """
    random = np.random.default_rng(0)
    shapes = [(4, 5, 3), (4, 1, 2), (4, 3, 6), (4, 2, 4), (4, 1, 5)][:modalities]
    masks = [np.arange(5) < np.array([[5], [2], [1], [3]])] + [None] * (modalities - 1)
    if aligned:
        shapes, masks = [(4, 5, shape[2]) for shape in shapes], masks[:1] * modalities
    present = np.ones((4, modalities), bool)
    present[1, 0] = present[2, 1] = False
    present[3] = False
    return {
        "tokens": [random.standard_normal(shape, "float32") for shape in shapes],
        "masks": masks,
        "present": present,
    }


def check_fusion(make, tmp_path):
    """Runs all checks.

    Args:
        make: Makes a new fusion; takes constructor arguments.
        tmp_path: An empty folder.
    """
    cls = type(make())
    options = inspect.signature(cls).parameters
    aligned = getattr(cls, "aligned", False)
    check_documentation(cls)
    arguments = example(aligned=aligned)
    tokens, masks = arguments["tokens"], arguments["masks"]
    vector = call(make(), arguments)
    check_layer(make, arguments, (4, vector.shape[1]), tmp_path)
    check_absent_modality(make(), tokens, masks)
    if not aligned:
        check_more_padding(make(), tokens, masks)
    check_numbers_of_modalities(make, aligned)
    check_lengths_may_be_unknown(make, aligned)
    if getattr(make(), "has_weights", False):
        check_weights(make(), arguments)
    if "pooling" in options:
        check_absent_modality(make(pooling="flatten"), tokens, masks)
    if "return_sequences" in options:
        check_steps(make, arguments)


def check_documentation(cls):
    """The docstring names its paper."""
    assert re.search(r"References:\n\s+- .*\b(19|20)\d\d\b", inspect.getdoc(cls)), cls.__name__


def check_numbers_of_modalities(make, aligned):
    for modalities in (2, 5):
        arguments = example(modalities, aligned)
        for part in ("masks", "present"):
            arguments = {**arguments, part: None}
            outputs = call(make(), arguments)
            assert outputs.shape[0] == 4
            assert np.isfinite(outputs).all()


def check_lengths_may_be_unknown(make, aligned):
    """Texts and sounds are of another length in every batch."""
    tokens = example(2, aligned)["tokens"]
    lengths = [None if x.shape[1] > 1 else 1 for x in tokens]
    symbolic = [keras.Input((n, x.shape[2])) for n, x in zip(lengths, tokens, strict=True)]
    model = keras.Model(symbolic, make()(symbolic))
    assert model.output.shape == (None, np.shape(model(tokens))[1])


def check_weights(layer, arguments):
    """Asking for the weights does not change the vector, and absent modalities have none."""
    expected = call(layer, arguments)
    vector, weights = call(layer, arguments, return_weights=True)
    np.testing.assert_allclose(vector, expected, atol=1e-5)
    absent = ~arguments["present"]
    for name, tensor in (weights if isinstance(weights, dict) else {"": weights}).items():
        assert len(tensor) == 4
        assert np.isfinite(tensor).all()
        # "0_to_1" is what modality 0 gives to 1; anything else has an axis of the modalities.
        _, direction, key = name.partition("_to_")
        assert not direction or tensor.ndim == 4, "(batch, heads, queries, keys)"
        of_absent = (
            tensor[absent[:, int(key)]] if direction else tensor[:, : absent.shape[1]][absent]
        )
        assert (of_absent == 0).all()


def check_steps(make, arguments):
    """With `return_sequences`, a vector for each step, and padding changes no real step."""
    layer = make(return_sequences=True)
    outputs = call(layer, arguments)
    assert outputs.shape[:2] == (4, 5)
    spoilt = [x.copy() for x in arguments["tokens"]]
    for x, mask in zip(spoilt, arguments["masks"], strict=True):
        x[~mask] = np.nan
    again = call(layer, {**arguments, "tokens": spoilt})
    real = arguments["masks"][0]
    np.testing.assert_array_equal(again[real], outputs[real])
    assert np.isfinite(outputs).all()
    assert model_around(make(return_sequences=True), arguments).output.shape[1] == 5
