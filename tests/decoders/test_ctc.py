"""CTC by enumeration of all ways through the steps: the loss, its gradient, both searches."""

import itertools

import keras
import numpy as np
import pytest

from mmkeras.decoders import CTCDecoder, needed_steps
from mmkeras.decoders.parts.ctc_loss import NO_STEP, CTCLoss, collapsed
from mmkeras.decoders.parts.prefix_beams import prefix_beams
from tests.layer_checks import randomize, to_numpy

VOCABULARY, STEPS = 7, 5
PIECES = (0, 4, 5, 6)


def random_logs(rows=3, seed=0, scale=2.0):
    logits = np.random.default_rng(seed).standard_normal((rows, STEPS, VOCABULARY)) * scale
    logits[..., 1:4] = -1e9
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype("float32")


def text_of(path):
    return tuple(p for p, before in zip(path, (0, *path), strict=False) if p not in (0, before))


def enumerated(logs):
    """Of one row, the probability of each text."""
    shares = {}
    for path in itertools.product(PIECES, repeat=len(logs)):
        share = np.exp(sum(logs[step, piece] for step, piece in enumerate(path)))
        shares[text_of(path)] = shares.get(text_of(path), 0.0) + share
    return shares


def in_text_form(texts, length=8):
    ids = np.zeros((len(texts), length), "int32")
    for row, text in zip(ids, texts, strict=True):
        row[: len(text) + 1] = [*text, 2]
    return ids


def losses(targets, logits):
    return to_numpy(CTCLoss(reduction=None)(targets, logits))


def test_loss_is_the_sum_over_all_ways():
    logs = random_logs()
    texts = [(4, 4, 5), (6,), ()]
    expected = [-np.log(enumerated(x)[text]) for x, text in zip(logs, texts, strict=True)]
    np.testing.assert_allclose(losses(in_text_form(texts), logs), expected, rtol=1e-4)
    assert float(CTCLoss()(in_text_form(texts), logs)) == pytest.approx(np.mean(expected), rel=1e-4)


def test_loss_is_that_of_keras_and_of_no_padding():
    random = np.random.default_rng(3)
    logits = random.standard_normal((4, 12, 9)).astype("float32")
    targets = in_text_form([(4, 4, 5, 8), (8, 7), (6, 6), ()])
    steps = np.array([12, 9, 3, 2])
    theirs = keras.ops.ctc_loss(targets * (targets > 2), logits, [4, 2, 2, 0], steps)
    padded = logits.copy()
    for row, n in enumerate(steps):
        padded[row, n:, 0], padded[row, n:, 1:] = 0, NO_STEP
    np.testing.assert_allclose(losses(targets, padded), to_numpy(theirs), rtol=1e-4)
    longer = np.pad(padded, ((0, 0), (0, 30), (0, 0)), constant_values=NO_STEP)
    longer[:, 12:, 0] = 0
    more = np.pad(targets, ((0, 0), (0, 6)))
    np.testing.assert_allclose(losses(more, longer), losses(targets, padded), rtol=1e-5)


def test_a_step_down_the_slope_changes_the_loss_as_its_gradient_says():
    logs = random_logs(1, scale=1.0)
    targets = in_text_form([(4, 4, 6)])
    model = keras.Sequential([keras.Input((STEPS, VOCABULARY)), keras.layers.Dense(VOCABULARY)])
    model.layers[0].set_weights([np.eye(VOCABULARY), np.zeros(VOCABULARY)])
    model.compile(keras.optimizers.SGD(1.0), CTCLoss(), jit_compile=False)
    model.train_on_batch(np.maximum(logs, -9), targets)
    slope = -model.layers[0].get_weights()[1]
    for piece in range(VOCABULARY):
        up, down = np.maximum(logs, -9), np.maximum(logs, -9)
        up[..., piece] += 0.05
        down[..., piece] -= 0.05
        measured = (losses(targets, up)[0] - losses(targets, down)[0]) / 0.1
        assert slope[piece] == pytest.approx(measured, abs=3e-3), piece


def test_a_text_without_enough_steps_costs_a_guess_and_teaches_nothing():
    logs = random_logs(2)
    targets = in_text_form([(4, 4, 4, 5), (4, 5)])
    assert list(needed_steps(targets)) == [6, 2]
    found = losses(targets, logs)
    assert found[0] == pytest.approx(4 * np.log(VOCABULARY), rel=1e-5)
    assert np.isfinite(found).all()
    model = keras.Sequential([keras.Input((STEPS, VOCABULARY)), keras.layers.Dense(VOCABULARY)])
    model.compile("sgd", CTCLoss(), jit_compile=False)
    before = model.get_weights()
    model.train_on_batch(np.maximum(logs[:1], -9), targets[:1])
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_loss_stays_finite_where_the_model_is_certain_and_wrong():
    logits = np.full((1, 400, VOCABULARY), -60.0, "float32")
    logits[..., 0] = 60.0
    found = losses(in_text_form([(4, 5, 4)] * 1), logits)
    assert found[0] == pytest.approx(360, rel=0.1)


def test_needed_steps_can_just_be_written():
    texts = [(4, 4, 5, 5), (4, 5, 6, 4, 5, 6), (), (4,)]
    needed = needed_steps(in_text_form(texts))
    assert list(needed) == [6, 6, 0, 1]
    for text, n in zip(texts, needed, strict=True):
        paths = itertools.product(PIECES, repeat=n)
        assert any(text_of(path) == text for path in paths)
        assert n == 0 or all(
            text_of(path) != text for path in itertools.product(PIECES, repeat=n - 1)
        )


def test_greedy_answer_collapses_each_path():
    paths = np.array(list(itertools.product(PIECES, repeat=4)), "int32")
    texts = in_text_form([text_of(path) for path in paths], 6)
    np.testing.assert_array_equal(to_numpy(collapsed(paths, 6)), texts)
    cut = to_numpy(collapsed(np.array([[4, 5, 6, 4, 5]], "int32"), 4))
    np.testing.assert_array_equal(cut, [[4, 5, 6, 2]])


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_beam_that_holds_everything_finds_the_likeliest_text(scale):
    logs = random_logs(8, 1, scale)
    best = [max(shares, key=shares.get) for shares in map(enumerated, logs)]
    found = to_numpy(prefix_beams(keras.ops.convert_to_tensor(logs), 8, 400))
    np.testing.assert_array_equal(found, in_text_form(best))
    greedy = to_numpy(collapsed(logs.argmax(-1).astype("int32"), 8))
    assert scale > 1 or (found != greedy).any()


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(1)
    tokens = [
        random.standard_normal((3, 2, 4), "float32"),
        random.standard_normal((3, 6, 5), "float32"),
    ]
    masks = [None, np.arange(6) < np.array([[6], [3], [5]])]
    present = np.array([[1, 1], [0, 1], [1, 0]], bool)
    return [random.standard_normal((3, 6), "float32"), tokens, masks, present]


@pytest.mark.parametrize("num_layers", [0, 1])
def test_padded_and_absent_steps_are_blank(inputs, num_layers):
    decoder = CTCDecoder(9, 7, place=1, dim=8, num_heads=2, num_layers=num_layers)
    decoder(*inputs)
    logits = to_numpy(randomize(decoder)(*inputs))
    assert logits.shape == (3, 6, 9)
    counts = inputs[2][1] & inputs[3][:, 1:]
    assert (logits[~counts][:, 0] == 0).all() and (logits[~counts][:, 1:] == NO_STEP).all()
    assert (logits[counts] > NO_STEP / 2).all()
    for beams in (1, 4):
        ids = to_numpy(decoder.answer(*inputs, beams=beams))
        assert list(ids[2]) == [2, 0, 0, 0, 0, 0, 0]
        assert not np.isin(ids, (1, 3)).any() and (ids == 2).sum() == 3
        assert (needed_steps(ids) <= [6, 3, 0]).all()
    # The vector, and with layers the other modality's tokens, help each step.
    other = to_numpy(decoder(inputs[0] + 1, *inputs[1:]))
    assert (other[counts] != logits[counts]).all(axis=-1).any()
    tokens = to_numpy(decoder(inputs[0], [inputs[1][0] + 1, inputs[1][1]], *inputs[2:]))
    assert (tokens[0] != logits[0]).any() == bool(num_layers)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"beams": 0}, "beams=0"), ({"max_length": 1}, "max_length=1"), ({"dim": 6}, "num_heads")],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CTCDecoder(**{"vocabulary_size": 9, "max_length": 5, **options})


def test_a_place_that_no_modality_has_is_refused(inputs):
    with pytest.raises(ValueError, match="one of 2 modalities"):
        CTCDecoder(9, 7, place=2)(*inputs)
    with pytest.raises(ValueError, match="label_smoothing"):
        CTCDecoder(9, 7).loss(0.1)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="others compile for each shape")
@pytest.mark.parametrize("beams", [1, 3])
def test_number_of_steps_may_be_known_only_in_the_batch(beams):
    """As Keras traces a model whose batches have different lengths."""
    import tensorflow as tf

    decoder = CTCDecoder(vocabulary_size=VOCABULARY, max_length=4)
    vector, mask = np.ones((2, 4), "float32"), np.ones((2, STEPS), bool)
    tokens = np.random.default_rng(0).standard_normal((2, STEPS, 5)).astype("float32")
    decoder(vector, [tokens], masks=[mask])
    expected = to_numpy(decoder.answer(vector, [tokens], masks=[mask], beams=beams))
    answer = tf.function(
        lambda v, t, m: decoder.answer(v, [t], masks=[m], beams=beams),
        input_signature=[
            tf.TensorSpec((None, 4)),
            tf.TensorSpec((None, None, 5)),
            tf.TensorSpec((None, None), tf.bool),
        ],
    )
    np.testing.assert_array_equal(answer(vector, tokens, mask).numpy(), expected)
