"""The decoders of pictures, vectors and sequences: shapes, losses by hand, what they learn."""

import keras
import numpy as np
import pytest

from mmkeras.decoders import get_decoder
from mmkeras.decoders.parts.steps import StepLoss
from tests.layer_checks import call, check_close

RANDOM = np.random.default_rng(0)
ARGUMENTS = {
    "vector": RANDOM.standard_normal((4, 7), "float32"),
    "tokens": [RANDOM.standard_normal((4, 5, 3), "float32")],
}


@pytest.mark.parametrize("shape", [(1, 1, 1), (16, 15, 1), (33, 70, 3), (3, 40, 1)])
def test_pictures_have_any_shape_and_lie_between_black_and_white(shape):
    decoder = get_decoder("image", shape=shape, filters=2)
    pictures = call(decoder, ARGUMENTS)
    assert pictures.shape == (4, *shape)
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert min(decoder.first_shape[:2]) >= min(4, *shape[:2])


def test_likelihoods_are_the_losses_that_they_say():
    true, said = np.array([[[[0.0], [1.0]]]]), np.array([[[[0.2], [0.9]]]])
    expected = {
        "bernoulli": -(np.log(0.8) + np.log(0.9)) / 2,
        "laplace": 0.15,
        "gaussian": 0.025,
    }
    for likelihood, value in expected.items():
        loss = get_decoder("image", shape=(1, 2, 1), likelihood=likelihood).loss()
        assert float(loss(true, said)) == pytest.approx(value, rel=1e-4)
    with pytest.raises(ValueError, match="likelihood"):
        get_decoder("image", shape=(1, 2, 1), likelihood="poisson")
    with pytest.raises(ValueError, match="height, width, channels"):
        get_decoder("image", shape=(8, 8))


def test_steps_of_padding_have_no_error_and_lengths_are_learnt():
    true = np.array([[[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]])
    said = np.array([[[0.8, 1.0, 2.0], [0.4, 7.0, 9.0]]])
    squares = (1 + 4) / 2 / 2  # of one step of two
    assert float(StepLoss(with_lengths=False)(true, said)) == pytest.approx(squares)
    lengths = -(np.log(0.8) + np.log(0.6)) / 2
    assert float(StepLoss()(true, said)) == pytest.approx(squares + lengths)
    for name in ("vector", "sequence", "image"):
        options = {"shape": (2, 2, 1)} if name == "image" else {"steps": 3, "features": 2}
        with pytest.raises(ValueError, match="label_smoothing"):
            get_decoder(name, **options).loss(0.1)
    for name in ("vector", "sequence"):
        with pytest.raises(ValueError, match="at least 1 step"):
            get_decoder(name, steps=0, features=3)


def test_a_vector_is_the_linear_layer_of_its_fused_vector():
    decoder = get_decoder("vector", steps=2, features=3)
    outputs = call(decoder, ARGUMENTS)
    kernel, bias = map(keras.ops.convert_to_numpy, decoder.dense.weights)
    expected = (ARGUMENTS["vector"] @ kernel + bias).reshape(4, 2, 3)
    check_close(outputs[..., 1:], expected)
    assert (outputs[..., 0] == 1).all()
    decoder = get_decoder("vector", steps=2, features=3, units=(5,), dropout=0.5)
    outputs = call(decoder, ARGUMENTS)
    hidden, last = ([keras.ops.convert_to_numpy(w) for w in layer.weights]
                    for layer in (decoder.hidden[0], decoder.dense))  # fmt: skip
    expected = np.maximum(ARGUMENTS["vector"] @ hidden[0] + hidden[1], 0) @ last[0] + last[1]
    check_close(outputs[..., 1:], expected.reshape(4, 2, 3))
    with pytest.raises(ValueError, match="no `units`"):
        get_decoder("vector", steps=2, features=3, dropout=0.5)


@pytest.mark.slow
def test_a_sequence_of_its_tokens_is_learnt_with_its_length():
    # The steps are the tokens themselves, which the vector does not have.
    random = np.random.default_rng(1)
    lengths = random.integers(1, 5, 64)
    there = np.arange(4) < lengths[:, None]
    tokens = random.standard_normal((64, 4, 2)).astype("float32")
    target = np.concatenate([there[..., None], tokens * there[..., None]], axis=-1)
    keras.utils.set_random_seed(0)
    decoder = get_decoder("sequence", steps=4, features=2, dim=16, num_heads=2, num_layers=1)
    inputs = (keras.Input((1,)), keras.Input((4, 4)), keras.Input((4,), dtype="bool"))
    model = keras.Model(inputs, decoder(inputs[0], [inputs[1]], masks=[inputs[2]]))
    model.compile(keras.optimizers.Adam(0.01), loss=decoder.loss())
    places = np.tile(np.linspace(-1, 1, 4, dtype="float32")[:, None], (64, 1, 1))
    given = [
        np.zeros((64, 1), "float32"),
        np.concatenate([tokens, places, places**2], axis=-1),
        there,
    ]
    losses = [model.train_on_batch(given, target) for _ in range(60)]
    assert losses[-1] < 0.4 * losses[0]
    said = model.predict_on_batch(given)
    assert ((said[..., 0] > 0.5) == there).mean() > 0.9
