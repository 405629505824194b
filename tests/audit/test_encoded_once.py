"""What frozen encoders make of rows is computed once, and the answers stay what they are."""

import keras
import numpy as np
import pytest

from mmkeras.audit.encoded_once import EncodedOnce, predict_arrays
from mmkeras.encoders import PretrainedEncoder
from mmkeras.models.build import build_model
from mmkeras.schema import Image, InputSpec, Schema, Tabular, Text
from tests.encoders.tiny_networks import sources

SCHEMA = Schema([Image("photo"), Text("note"), Tabular("facts", ("a", "b"))], "label")
SPECS = {
    "photo": InputSpec((16, 16, 3)),
    "note": InputSpec((None,), "int32", vocabulary_size=20),
    "facts": InputSpec((2,)),
}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_only_rows_that_changed_are_encoded_again(dropout):
    random = np.random.default_rng(0)
    inputs = {
        "photo": random.random((9, 16, 16, 3), "float32"),
        "note": np.pad(random.integers(1, 12, (9, 5)), ((0, 0), (0, 2))).astype("int32"),
        "facts": random.random((9, 2), "float32"),
    }
    if dropout:
        inputs["present"] = random.random((9, 3)) < 0.7
    encoders = {
        "photo": PretrainedEncoder(sources()["image"]),
        "note": PretrainedEncoder(sources()["text"]),
    }
    model = build_model(
        SCHEMA, SPECS, num_outputs=3, encoders=encoders, fusion="attention",
        modality_dropout=dropout, presence=dropout > 0,
    )  # fmt: skip
    once = EncodedOnce(model, inputs)
    encoded = []
    for name, encode in once._encoders.items():
        once._encoders[name] = counted(encode, name, encoded)

    swapped = {**inputs, "note": inputs["note"][::-1], "facts": inputs["facts"] + 1}
    np.testing.assert_allclose(once.predict(swapped), predict_arrays(model, swapped), atol=1e-5)
    assert encoded == []  # the same notes, in other places

    changed = {**inputs, "photo": inputs["photo"].copy()}
    changed["photo"][2:4] = 0.5
    np.testing.assert_allclose(once.predict(changed), predict_arrays(model, changed), atol=1e-5)
    assert encoded == [("photo", 2)]

    # Texts of another length are other inputs.
    longer = {**inputs, "note": np.pad(inputs["note"], ((0, 0), (0, 1)))}
    np.testing.assert_allclose(once.predict(longer), predict_arrays(model, longer), atol=1e-5)
    assert encoded[1:] == [("note", 9)]


def counted(predict, name, found):
    def predict_and_count(x):
        found.append((name, len(x)))
        return predict(x)

    return predict_and_count


def test_models_without_frozen_encoders_predict_as_they_are():
    schema = Schema([Tabular("facts", ("a", "b"))], "label")
    model = build_model(schema, {"facts": InputSpec((2,))}, num_outputs=3)
    x = {"facts": np.ones((4, 2), "float32")}
    np.testing.assert_array_equal(EncodedOnce(model, x).predict(x), predict_arrays(model, x))
    layer = keras.layers.Dense(2)
    inputs = keras.Input((2,), name="facts")
    own = keras.Model({"facts": inputs}, layer(inputs))
    np.testing.assert_array_equal(EncodedOnce(own, x).predict(x), predict_arrays(own, x))
