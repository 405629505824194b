"""What every fusion must do. `test_standard.py` holds each name of `FUSIONS` to it."""

from __future__ import annotations

import inspect
import re

import numpy as np

from mmkeras.fusion import fusion_class, fusion_options, get_fusion
from tests.layer_checks import (
    call,
    check_absent_modality,
    check_close,
    check_layer,
    check_more_padding,
    flat,
    model_around,
    randomize,
    to_numpy,
    to_tensors,
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


def small(name, **options):
    """A new fusion of a name, of one layer where it has layers: more show nothing more."""
    if fusion_class(name).gives_logits:
        options["num_outputs"] = 7
    if "num_layers" in fusion_options(name):
        options["num_layers"] = 1
    return get_fusion(name, **options)


def check_fusion(make, tmp_path):
    """Runs all checks. One layer, built in a model that knows no lengths, serves most of them.

    Args:
        make: Makes a new fusion; takes constructor arguments.
        tmp_path: An empty folder.
    """
    cls = type(make())
    options = inspect.signature(cls).parameters
    check_documentation(cls)
    arguments = example(aligned=cls.aligned)
    tokens, masks = arguments["tokens"], arguments["masks"]
    layer, outputs = check_layer(make, arguments, None, tmp_path, unknown_lengths(arguments))
    assert outputs.ndim == 2
    check_absent_modality(layer, tokens, masks)
    check_more_padding(layer, tokens, masks)
    if layer.has_weights:
        check_weights(layer, arguments, outputs)
    check_numbers_of_modalities(make, cls.aligned)
    if "pooling" in options:
        flattens = make(pooling="flatten")
        flattens.build([x.shape for x in tokens])
        check_absent_modality(randomize(flattens), tokens, masks)
        check_lengths_of_the_model(make(pooling="flatten"), arguments)
    if "return_sequences" in options:
        check_steps(make, arguments)


def unknown_lengths(arguments):
    """The shapes of a flat list of arguments, where no more than one token's length is known.

    Texts and sounds are of another length in every batch.
    """
    tokens = [(None if x.shape[1] > 1 else 1, x.shape[2]) for x in arguments["tokens"]]
    masks = [(None,) for mask in arguments["masks"] if mask is not None]
    return [*masks, arguments["present"].shape[1:], *tokens]


def check_lengths_of_the_model(layer, arguments):
    """Tokens whose number varies are not flattened in batches either, where it is always known."""
    model = model_around(layer, arguments, unknown_lengths(arguments))
    outputs = to_numpy(model(to_tensors(flat(arguments))))
    assert outputs.shape == (4, *model.output_shape[1:])


def check_documentation(cls):
    """The docstring names its paper."""
    assert re.search(r"References:\n\s+- .*\b(19|20)\d\d\b", inspect.getdoc(cls)), cls.__name__


def check_numbers_of_modalities(make, aligned):
    """Two modalities without masks, five with neither masks nor holes."""
    for modalities, left_out in ((2, ("masks",)), (5, ("masks", "present"))):
        arguments = {**example(modalities, aligned), **dict.fromkeys(left_out)}
        outputs = call(make(), arguments)
        assert outputs.shape[0] == 4
        assert np.isfinite(outputs).all()


def check_weights(layer, arguments, expected):
    """Asking for the weights does not change the vector, and absent modalities have none."""
    vector, weights = call(layer, arguments, return_weights=True)
    check_close(vector, expected)
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
