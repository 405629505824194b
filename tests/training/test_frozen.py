"""What frozen encoders make of rows. How runs use it: tests/experiment/test_pretrained_run.py."""

import keras
import numpy as np
import pandas as pd
import pytest

import mmkeras
from mmkeras.encoders import PretrainedEncoder
from mmkeras.training.frozen import frozen_tokens


class Counted(keras.layers.Layer):
    """Says how often it was called, which a traced graph does not do any more."""

    calls = 0

    def call(self, inputs):
        Counted.calls += 1
        return inputs


@pytest.fixture(scope="module")
def encoded():
    """Tokens of 200 rows in two parts, the pipelines, and how often the network was called."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (200, 4, 4, 3)).astype(np.uint8)
    frame = pd.DataFrame({"photo": list(pictures), "kind": ["a", "b"] * 100})
    schema = mmkeras.Schema([mmkeras.Image("photo")], "kind")
    settings = {"photo": mmkeras.ImageSettings(size=(4, 4))}
    fitted = mmkeras.fit_preprocessing(frame, schema, settings)
    image = keras.Input((4, 4, 3))
    network = keras.Model(image, Counted()(keras.layers.Conv2D(2, 2, strides=2)(image)))
    model = mmkeras.build_model(
        schema,
        fitted.inputs,
        num_outputs=fitted.num_outputs,
        encoders={"photo": PretrainedEncoder(network=network)},
    )
    parts = {"train": frame[:150], "test": frame[150:]}
    pipelines = {name: mmkeras.Pipeline(part, fitted) for name, part in parts.items()}
    before = Counted.calls
    tokens = frozen_tokens(model, "photo", pipelines, None)
    return tokens, network, pictures, Counted.calls - before


def test_tokens_are_those_of_their_row(encoded):
    """Several batches are encoded at once."""
    tokens, network, pictures, _ = encoded
    wanted = keras.ops.convert_to_numpy(network(pictures / np.float32(255))).reshape(200, 4, 2)
    for part, rows in (("train", wanted[:150]), ("test", wanted[150:])):
        found = tokens[part].load_now(np.arange(len(rows)))
        np.testing.assert_allclose(found, rows, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="TensorFlow's graphs")
def test_a_network_is_traced_once_for_all_parts_and_batches(encoded):
    assert encoded[3] == 1
