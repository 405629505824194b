"""What every encoder must do. `test_standard.py` holds each name of `ENCODERS` to it."""

import inspect

import keras
import numpy as np

from mmkeras.encoders import ENCODERS, get_encoder
from mmkeras.encoders.configured_layer import constructor_arguments
from mmkeras.schema import InputSpec
from tests.encoders.tiny_networks import sources
from tests.layer_checks import call, check_layer, to_numpy

RANDOM = np.random.default_rng(0)
STEPS = RANDOM.standard_normal((3, 5, 4)).astype("float32")
STEPS[1, 3:] = STEPS[2, 1:] = 0
# What an encoder of each kind can be given; of texts, token ids or a vector. Other kinds get
# vectors.
BATCHES = {
    "image": [(InputSpec((32, 32, 3)), RANDOM.random((2, 32, 32, 3), "float32"))],
    "text": [
        (
            InputSpec((None,), "int32", vocabulary_size=10),
            np.array([[4, 9, 2, 7], [5, 1, 0, 0], [3, 0, 0, 0]], "int32"),
        ),
        (InputSpec((20,)), RANDOM.random((3, 20), "float32")),
    ],
    "audio": [(InputSpec((8, 9)), RANDOM.standard_normal((3, 8, 9)).astype("float32"))],
    "video": [(InputSpec((3, 12, 9, 3)), RANDOM.random((2, 3, 12, 9, 3), "float32"))],
    "sequence": [(InputSpec((None, 4)), STEPS)],
    "tabular": [(InputSpec((6,), groups=(1, 2, 3)), RANDOM.random((3, 6), "float32"))],
}
# Small, where the encoder has the argument: more takes longer, and shows nothing more.
SMALL = {
    "num_layers": 1,
    "num_heads": 2,
    "dim": 8,
    "ff_dim": 6,
    "filters": (4, 6),
    "backbone": "MobileNetV3Small",
}


def case(kind, name):
    """A maker of an encoder of a name, what its inputs look like, and a batch of them."""
    known = constructor_arguments(ENCODERS[kind][name])
    options = {option: value for option, value in SMALL.items() if option in known}
    if kind == "video":
        options.pop("backbone", None)  # that of its frames, by default convolutions
    if name == "pretrained":
        options["source"] = sources()[kind]
    reads_ids = "vocabulary_size" in known or (kind, name) == ("text", "pretrained")
    batches = BATCHES.get(kind, BATCHES["tabular"])
    fitting = [(spec, x) for spec, x in batches if bool(spec.vocabulary_size) == reads_ids]
    spec, inputs = fitting[0]
    return lambda: get_encoder(kind, name, spec, **options), spec, inputs


def check_encoder(kind, name, tmp_path):
    """Runs all checks of the encoder of a name."""
    make, spec, inputs = case(kind, name)
    cls = ENCODERS[kind][name]
    assert "Example:" in inspect.getdoc(cls), cls.__name__
    encoder, tokens = check_layer(make, {"inputs": inputs}, None, tmp_path, [spec.shape])
    assert tokens.ndim == 3
    mask = encoder.token_mask(keras.ops.convert_to_tensor(inputs))
    if mask is not None:
        mask = to_numpy(mask)
        assert mask.dtype == bool
        assert mask.shape == tokens.shape[:2]
    if spec.shape[0] is None:
        check_padding(encoder, inputs, tokens, mask)


def check_padding(encoder, inputs, tokens, mask):
    """More padding changes no token that counts, and adds none."""
    padding = [(0, 0)] * inputs.ndim
    padding[1] = (0, 3)
    longer = np.pad(inputs, padding)
    outputs, longer_mask = call(encoder, {"inputs": longer}), to_numpy(encoder.token_mask(longer))
    length = mask.shape[1]
    np.testing.assert_allclose(outputs[:, :length][mask], tokens[mask], atol=1e-4)
    np.testing.assert_array_equal(longer_mask[:, :length], mask)
    assert not longer_mask[:, length:].any()
    empty = np.zeros_like(inputs)
    assert np.isfinite(call(encoder, {"inputs": empty})).all()
    assert not to_numpy(encoder.token_mask(empty)).any()
