"""Writing texts: the cache, the searches by enumeration, the loss by hand."""

import itertools

import keras
import numpy as np
import pytest

from mmkeras.decoders import TextDecoder
from mmkeras.decoders.parts.pieces import PieceCrossentropy, TokenAccuracy
from tests.layer_checks import randomize, to_numpy

VOCABULARY, LENGTH, ROWS = 7, 5, 3


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(1)
    tokens = [random.standard_normal((ROWS, n, 4), "float32") for n in (3, 1)]
    masks = [np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0]], bool), None]
    return [random.standard_normal((ROWS, 6), "float32"), tokens, masks, None]


@pytest.fixture(scope="module")
def decoder(inputs):
    layer = TextDecoder(VOCABULARY, LENGTH, dim=8, num_heads=2, num_layers=2, ff_dim=8)
    layer(*inputs, previous=np.ones((ROWS, 2), "int32"))
    return randomize(layer)


def repeated(inputs, row, times):
    return keras.tree.map_structure(
        lambda x: None if x is None else np.repeat(x[row : row + 1], times, axis=0), inputs
    )


@pytest.fixture(scope="module")
def enumerated(decoder, inputs):
    """Every text of pieces 4 to 6, and its log-probability in each row."""
    texts = [
        [*pieces, 2] + [0] * (LENGTH - 1 - n)
        for n in range(LENGTH)
        for pieces in itertools.product(range(4, VOCABULARY), repeat=n)
    ]
    texts = np.array(texts, "int32")
    scores = []
    for row in range(ROWS):
        one = repeated(inputs, row, len(texts))
        means = to_numpy(decoder.score(*one, ids=texts))
        scores.append(means * (texts != 0).sum(axis=1))
    return texts, np.array(scores)


def recomputed(decoder, inputs):
    """The greedy text by a call for each piece, without a cache."""
    ids = np.zeros((ROWS, LENGTH), "int32")
    ended = np.zeros(ROWS, bool)
    for step in range(LENGTH):
        previous = np.concatenate([np.ones((ROWS, 1), "int32"), ids[:, :-1]], axis=1)
        logits = to_numpy(decoder(*inputs, previous=previous))[:, step]
        logits[:, [0, 1, 3]] = -np.inf
        if step == LENGTH - 1:
            logits[:, np.arange(VOCABULARY) != 2] = -np.inf
        ids[:, step] = np.where(ended, 0, logits.argmax(axis=1))
        ended |= ids[:, step] == 2
    return ids


def test_greedy_text_with_a_cache_is_that_of_recomputing_every_step(decoder, inputs):
    found = to_numpy(decoder.answer(*inputs))
    np.testing.assert_array_equal(found, recomputed(decoder, inputs))
    assert len(np.unique(found, axis=0)) > 1


def test_no_piece_sees_a_later_one(decoder, inputs):
    previous = np.array([[1, 4, 5, 6, 4]] * ROWS, "int32")
    logits = to_numpy(decoder(*inputs, previous=previous))
    previous[:, 3:] = 5
    again = to_numpy(decoder(*inputs, previous=previous))
    np.testing.assert_array_equal(again[:, :3], logits[:, :3])
    assert (again[:, 3:] != logits[:, 3:]).any()


@pytest.mark.parametrize("penalty", [0.0, 2.5])
def test_a_beam_that_holds_everything_finds_the_best_text(decoder, inputs, enumerated, penalty):
    texts, scores = enumerated
    pieces = (texts != 0).sum(axis=1)
    best = (scores / ((5 + pieces) / 6) ** penalty).argmax(axis=1)
    found = to_numpy(decoder.answer(*inputs, beams=200, length_penalty=penalty))
    np.testing.assert_array_equal(found, texts[best])


def test_length_penalty_favours_longer_texts(decoder, inputs):
    lengths = [
        (to_numpy(decoder.answer(*inputs, beams=50, length_penalty=p)) != 0).sum() for p in (0, 9)
    ]
    assert lengths[0] < lengths[1]


def test_wider_beams_find_texts_at_least_as_likely(decoder, inputs):
    one, five = (decoder.answer(*inputs, beams=beams, length_penalty=0.0) for beams in (1, 5))
    totals = [
        to_numpy(decoder.score(*inputs, ids=x)) * (to_numpy(x) != 0).sum(axis=1)
        for x in (one, five)
    ]
    assert (totals[1] >= totals[0] - 1e-5).all()


def test_draws_repeat_by_their_seed_and_follow_the_shares(decoder, inputs):
    many = repeated(inputs, 0, 4000)
    drawn = to_numpy(decoder.answer(*many, top_k=VOCABULARY, temperature=2.0, seed=3))
    again = to_numpy(decoder.answer(*many, top_k=VOCABULARY, temperature=2.0, seed=3))
    np.testing.assert_array_equal(drawn, again)
    logits = to_numpy(decoder(*inputs, previous=np.ones((ROWS, 1), "int32")))[0, 0]
    logits[[0, 1, 3]] = -np.inf
    expected = np.exp(logits / 2.0) / np.exp(logits / 2.0).sum()
    shares = np.bincount(drawn[:, 0], minlength=VOCABULARY) / len(drawn)
    np.testing.assert_allclose(shares, expected, atol=0.04)
    np.testing.assert_array_equal(
        to_numpy(decoder.answer(*inputs, top_k=1)), to_numpy(decoder.answer(*inputs))
    )


def test_a_new_decoder_of_the_same_seed_draws_the_same(decoder, inputs):
    drawn = []
    for _ in range(2):
        config = {**decoder.get_config(), "seed": 5, "top_k": 5}
        twin = TextDecoder.from_config(config)
        twin.build_from_config(decoder.get_build_config())
        twin.set_weights(decoder.get_weights())
        drawn.append([to_numpy(twin.answer(*inputs)) for _ in range(3)])
    np.testing.assert_array_equal(*drawn)
    assert (drawn[0][0] != drawn[0][1]).any() or (drawn[0][1] != drawn[0][2]).any()


def test_attention_to_the_memory_adds_up_to_one_and_skips_padding(decoder, inputs):
    previous = np.array([[1, 4, 5]] * ROWS, "int32")
    weights = to_numpy(decoder.attention(*inputs, previous=previous))
    assert weights.shape == (ROWS, 2, 3, 1 + 3 + 1)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
    assert (weights[1, :, :, 2:4] == 0).all() and (weights[1, :, :, 1] > 0).all()


def test_loss_and_accuracy_are_means_over_the_pieces_that_count():
    random = np.random.default_rng(0)
    targets = np.array([[5, 4, 2, 0], [2, 0, 0, 0]])
    logits = random.standard_normal((2, 4, 6)).astype("float32")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    pieces = [(0, 0, 5), (0, 1, 4), (0, 2, 2), (1, 0, 2)]
    right = np.mean([-logs[p] for p in pieces])
    flat = np.mean([-logs[row, step].mean() for row, step, _ in pieces])
    assert float(PieceCrossentropy()(targets, logits)) == pytest.approx(right, rel=1e-5)
    smooth = float(PieceCrossentropy(0.1)(targets, logits))
    assert smooth == pytest.approx(0.9 * right + 0.1 * flat, rel=1e-5)
    metric = TokenAccuracy()
    metric.update_state(targets, logits)
    expected = np.mean([logits[row, step].argmax() == id for row, step, id in pieces])
    assert float(metric.result()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 4}, "vocabulary_size=4"),
        ({"beams": 0}, "beams=0"),
        ({"top_k": 3, "beams": 2}, "with one beam"),
        ({"temperature": 0}, "temperature"),
        ({"dim": 6}, "num_heads"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TextDecoder(**{"vocabulary_size": 9, "max_length": 5, **options})


def test_unknown_options_and_long_texts_are_refused(decoder, inputs):
    with pytest.raises(ValueError, match="has no option"):
        decoder.answer(*inputs, beam=3)
    with pytest.raises(ValueError, match="places for 5 pieces"):
        decoder(*inputs, previous=np.ones((ROWS, 6), "int32"))
