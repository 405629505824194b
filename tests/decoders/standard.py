"""What every decoder must do. `test_standard.py` holds each name of `DECODERS` to it.

A decoder of a new name adds a line to `CASES`: what its constructor needs, a target, and where it
reads it one step late, that.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from mmkeras.decoders import Decoder, check_decoder_options, get_decoder
from mmkeras.tasks import better_sign
from tests.layer_checks import check_layer, spoilt, to_numpy, to_tensors

# Small, where the decoder has the argument: more takes longer, and shows nothing more.
SMALL = {"num_layers": 1, "num_heads": 2, "dim": 8, "ff_dim": 6}
TEXT = {"vocabulary_size": 9, "max_length": 5}
# For the four rows of `example`.
TEXTS = np.array([[5, 8, 2, 0, 0], [4, 2, 0, 0, 0], [2, 0, 0, 0, 0], [5, 6, 7, 8, 2]], "int32")
# Two boxes of two classes in the first picture, one each in the next two, none in the last.
BOXES = np.zeros((4, 3, 7), "float32")
BOXES[:3, 0] = [1, 0.1, 0.1, 0.3, 0.5, 1, 0]
BOXES[0, 1] = [1, 0.5, 0.2, 0.4, 0.4, 0, 1]
BOXED = {"max_boxes": 3, "classes": 2, "several": True, "grid": (1, 5)}


@dataclass(frozen=True)
class Case:
    """What a decoder is tried with.

    Args:
        options: Its constructor's arguments, besides `SMALL`.
        target: For four rows, as a task encodes it.
        more: Options of `answer`, each tried besides the defaults.
        reads: What the answer depends on: `"tokens"`, or the fused vector alone.
    """

    options: dict[str, Any]
    target: np.ndarray
    more: tuple[dict[str, Any], ...] = field(default=())
    reads: str = "tokens"


# Of sequences of up to three steps, and of pictures.
LENGTHS = (np.arange(3) < np.array([[3], [1], [2], [3]]))[..., None].astype("float32")
RANDOM = np.random.default_rng(1)
STEPS = LENGTHS * np.concatenate([LENGTHS, RANDOM.normal(size=(4, 3, 2))], -1).astype("float32")
PICTURES = RANDOM.random((4, 9, 8, 3), "float32")

CASES = {
    "image": Case({"shape": (9, 8, 3), "filters": 4}, PICTURES, reads="vector"),
    "heads": Case(
        {"kinds": ("label", "number"), "widths": (2, 1), "names": ("kind", "price")},
        np.array([[1, 0, 0.5], [0, 1, 0], [0, 1, -2], [1, 0, 1]], "float32"),
        reads="vector",
    ),
    "sequence": Case({"steps": 3, "features": 2}, STEPS),
    "vector": Case(
        {"steps": 3, "features": 2, "units": (5,), "dropout": 0.2}, STEPS, reads="vector"
    ),
    "boxes": Case(BOXED, BOXES, ({"overlap": 0.3},)),
    "ctc": Case(TEXT, TEXTS, ({"beams": 3},)),
    "text": Case(TEXT, TEXTS, ({"beams": 3}, {"top_k": 4, "seed": 1})),
}


def example():
    """A decoder's arguments for four rows: a vector, tokens of three widths, padding, holes."""
    random = np.random.default_rng(0)
    present = np.ones((4, 3), bool)
    present[1, 0] = present[2, 1] = False
    present[3] = False
    return {
        "vector": random.standard_normal((4, 7), "float32"),
        "tokens": [
            random.standard_normal((4, n, d), "float32") for n, d in ((5, 3), (1, 2), (3, 6))
        ],
        "masks": [np.arange(5) < np.array([[5], [2], [1], [3]]), None, None],
        "present": present,
    }


def small(name, **options):
    """A new decoder of a name."""
    known = check_decoder_options(name)
    sizes = {option: value for option, value in SMALL.items() if option in known}
    return get_decoder(name, **sizes, **CASES[name].options, **options)


def arguments_for(decoder, target):
    """`example`, and where the decoder reads it the target one step late."""
    arguments = example()
    if decoder.reads_previous:
        start = np.full_like(target[:, :1], decoder.start)
        arguments["previous"] = np.concatenate([start, target[:, :-1]], axis=1)
    return arguments


def check_decoder(name, tmp_path):
    """Runs all checks of the decoder of a name."""
    case, make = CASES[name], lambda: small(name)
    decoder = make()
    check_documentation(type(decoder))
    arguments = arguments_for(decoder, case.target)
    layer, _ = check_layer(make, arguments, None, tmp_path, unknown_lengths(arguments))
    check_what_counts(lambda given: call_flat(layer, given), arguments, case.reads)
    check_one_modality(make, arguments)
    check_loss(layer, case.target, arguments)
    inputs = {key: value for key, value in arguments.items() if key != "previous"}
    for options in ({}, *case.more):
        check_answer(layer, inputs, options)


def unknown_lengths(arguments):
    """The shapes of a flat list of arguments, where no more than one token's length is known."""
    tokens = [(None if x.shape[1] > 1 else 1, x.shape[2]) for x in arguments["tokens"]]
    by_name = {
        "masks": [(None,)],
        "present": [arguments["present"].shape[1:]],
        "tokens": tokens,
        "vector": [arguments["vector"].shape[1:]],
    }
    if "previous" in arguments:
        by_name["previous"] = [arguments["previous"].shape[1:]]
    return [shape for key in sorted(by_name) for shape in by_name[key]]


def check_documentation(cls):
    """The docstring has an example and names its paper."""
    documentation = inspect.getdoc(cls)
    assert "Example:" in documentation, cls.__name__
    assert re.search(r"References:\n\s+- .*\b(19|20)\d\d\b", documentation), cls.__name__


def call_flat(layer, arguments):
    return to_numpy(layer(**to_tensors(arguments)))


def check_what_counts(give, arguments, reads):
    """Bit for bit the same, whatever is in an absent modality's tokens and in padding."""
    parts = arguments["tokens"], arguments["masks"], arguments["present"]
    expected = give(arguments)
    np.testing.assert_array_equal(give({**arguments, "tokens": spoilt(*parts)}), expected)
    # What counts does change it, so that the check can fail.
    others = keras.tree.map_structure(lambda x: x + 1.0, arguments[reads])
    assert (give({**arguments, reads: others}) != expected).any()


def check_one_modality(make, arguments):
    """One modality, with neither masks nor holes."""
    alone = {
        **arguments,
        "tokens": arguments["tokens"][:1],
        "masks": None,
        "present": None,
    }
    outputs = call_flat(make(), alone)
    assert len(outputs) == 4
    assert np.isfinite(outputs).all()


def check_loss(layer, target, arguments):
    """Finite, the same for any order of rows, saved by name; metrics have values."""
    outputs = call_flat(layer, arguments)
    loss = layer.loss()
    value = float(loss(target, outputs))
    assert np.isfinite(value)
    np.testing.assert_allclose(float(loss(target[::-1], outputs[::-1])), value, rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(target, outputs)) == value
    for metric in layer.training_metrics():
        # It can be monitored: which way is better is known.
        assert better_sign(f"val_{metric.name}") in (1.0, -1.0)
        metric.update_state(target, outputs)
        assert np.isfinite(float(metric.result())), metric.name
        same = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert same.name == metric.name


def answers(folder):
    """What the decoders in a folder of saved models answer to `example`, by name and options.

    Draws differ between backends.
    """
    found, inputs = {}, to_tensors(example())
    for name, case in CASES.items():
        model = keras.saving.load_model(folder / f"decoder-{name}.keras", safe_mode=True)
        decoder = next(layer for layer in model.layers if isinstance(layer, Decoder))
        for options in ({}, *case.more):
            if "seed" not in options:
                found[f"{name} {options}"] = to_numpy(decoder.answer(**inputs, **options))
    return found


def check_answer(layer, inputs, options):
    """Of the shape and type that it says, and from what counts alone."""

    def give(given):
        return to_numpy(layer.answer(**to_tensors(given), **options))

    expected = give(inputs)
    assert expected.shape == (4, *layer.answer_shape)
    assert expected.dtype == layer.answer_dtype
    assert np.isfinite(expected).all()
    parts = inputs["tokens"], inputs["masks"], inputs["present"]
    np.testing.assert_array_equal(give({**inputs, "tokens": spoilt(*parts)}), expected)
    if "seed" not in options:  # a draw is of a row's place in its batch
        alone = keras.tree.map_structure(lambda x: None if x is None else x[3:], inputs)
        np.testing.assert_allclose(give(alone)[0], expected[3], atol=1e-5)
