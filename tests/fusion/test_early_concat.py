import keras
import numpy as np
import pytest

from mmkeras.fusion.early_concat import EarlyConcatFusion
from tests.fusion.by_hand import sigmoid
from tests.layer_checks import call, check_absent_modality, randomize

RANDOM = np.random.default_rng(0)
TOKENS = [RANDOM.standard_normal((3, 5, dim), "float32") for dim in (3, 2)]


def built(**options):
    fusion = EarlyConcatFusion(**options)
    fusion.build([x.shape for x in TOKENS])
    return randomize(fusion)


def lstm(x, weights):
    """All states of an LSTM over `(steps, features)`, in NumPy."""
    kernel, recurrent, bias = weights
    h = c = np.zeros(len(recurrent))
    states = []
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states)


def test_it_is_an_lstm_over_the_features_side_by_side():
    fusion = built(dim=4, bidirectional=False)
    side_by_side = np.concatenate(TOKENS, axis=-1)
    expected = [lstm(x, fusion.get_weights())[-1] for x in side_by_side]
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-5)


def test_both_directions_give_their_last_states():
    fusion = built(dim=4)
    weights = fusion.get_weights()
    expected = [
        np.concatenate([lstm(x, weights[:3])[-1], lstm(x[::-1], weights[3:])[-1]])
        for x in np.concatenate(TOKENS, axis=-1)
    ]
    np.testing.assert_allclose(call(fusion, {"tokens": TOKENS}), expected, atol=1e-5)


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_only_steps_that_are_padding_in_all_modalities_are_left_out(cell, return_sequences):
    fusion = built(dim=4, cell=cell, return_sequences=return_sequences)
    # Step 0 counts in the first modality alone, step 3 in the second alone, steps 1 and 4 nowhere.
    masks = [np.array([[1, 0, 1, 0, 0]] * 3, bool), np.array([[0, 0, 1, 1, 0]] * 3, bool)]
    outputs = call(fusion, {"tokens": TOKENS, "masks": masks})
    kept = [(x * mask[:, :, None])[:, [0, 2, 3]] for x, mask in zip(TOKENS, masks, strict=True)]
    expected = call(fusion, {"tokens": kept})
    if return_sequences:
        assert (outputs[:, [1, 4]] == 0).all()
        outputs = outputs[:, [0, 2, 3]]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_an_absent_modality_does_not_make_the_sequence_longer():
    fusion = built(dim=4)
    masks = [np.arange(5) < np.array([[2]] * 3), None]
    present = np.array([[1, 1], [1, 0], [0, 0]], bool)
    outputs = call(fusion, {"tokens": TOKENS, "masks": masks, "present": present})
    alone = [TOKENS[0][1:2, :2], np.zeros((1, 2, 2), "float32")]
    np.testing.assert_allclose(outputs[1], call(fusion, {"tokens": alone})[0], atol=1e-5)
    assert (outputs[2] == 0).all()


@pytest.mark.parametrize("options", [{"cell": "gru"}, {"bidirectional": False}])
def test_absent_modalities_do_not_matter(options):
    fusion = built(dim=4, return_sequences=True, **options)
    mask = np.array([[1, 0, 1, 1, 0]] * 3, bool)
    check_absent_modality(fusion, TOKENS, [mask, mask])


def test_the_parameters_are_those_of_the_recurrence_alone():
    # An LSTM has four gates; Keras' GRU has three, with two biases each.
    assert built(dim=4, bidirectional=False).count_params() == 4 * (5 + 4 + 1) * 4
    assert built(dim=4).count_params() == 2 * 4 * (5 + 2 + 1) * 2
    assert built(dim=4, cell="gru").count_params() == 2 * 3 * (5 + 2 + 2) * 2


def test_features_are_dropped_in_training_alone():
    fusion = built(dim=4, dropout=0.5)
    keras.utils.set_random_seed(0)
    expected = call(fusion, {"tokens": TOKENS}, training=False)
    assert (call(fusion, {"tokens": TOKENS}, training=True) != expected).any()
    np.testing.assert_array_equal(call(fusion, {"tokens": TOKENS}), expected)


def test_sequences_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match=r"sequences of one length.*\(2, 5, 3\), \(2, 4, 2\)"):
        EarlyConcatFusion()([np.zeros((2, 5, 3)), np.zeros((2, 4, 2))])


def test_a_fixed_number_of_tokens_beside_one_that_varies_is_refused():
    image, text = keras.Input((16, 3)), keras.Input((None, 2))
    with pytest.raises(ValueError, match=r"one length.*\(None, 16, 3\), \(None, None, 2\)"):
        EarlyConcatFusion()([image, text])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"dim": 5}, "`dim` must be even.*dim=5"), ({"cell": "rnn"}, "`cell` must be one of")],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EarlyConcatFusion(**options)
