import functools

import keras
import numpy as np
import pytest

from mmkeras.encoders import (
    FrameMLPEncoder,
    RecurrentEncoder,
    SequenceAttentionEncoder,
)
from mmkeras.encoders import TemporalConvEncoder as TCN
from tests.layer_checks import call, check_layer, randomize, to_numpy

RANDOM = np.random.default_rng(0)
STEPS = RANDOM.standard_normal((3, 7, 2)).astype("float32")
STEPS[1, 4:] = 0
STEPS[2, 1:] = 0

ENCODERS = {
    "lstm": (lambda: RecurrentEncoder("lstm", units=5, bidirectional=False), 7, 5),
    "gru": (lambda: RecurrentEncoder("gru", units=4, num_layers=2, dropout=0.1), 7, 8),
    "bidirectional": (lambda: RecurrentEncoder(units=3), 7, 6),
    "tcn": (lambda: TCN(filters=(4, 6, 6), dropout=0.1), 7, 6),
    "tcn_normalized": (lambda: TCN(filters=(4, 6), strides=2, normalize=True), 2, 6),
    "tcn_causal": (lambda: TCN(filters=(4, 4), kernel_size=2, causal=True), 7, 4),
    "tcn_even": (lambda: TCN(filters=(4,), kernel_size=4, dilations=False), 7, 4),
    "tcn_strides": (lambda: TCN(filters=(4, 6), strides=2), 2, 6),
    "tcn_mixed": (lambda: TCN(filters=(4, 6), kernel_size=5, strides=(3, 1), causal=True), 3, 6),
    "self_attention": (
        lambda: SequenceAttentionEncoder(
            dim=8, num_heads=2, num_layers=2, ff_dim=6, dropout=0.1, max_length=12
        ),
        7,
        8,
    ),
    # Beside the last layer's 4 the step's own 2 features.
    "mlp": (lambda: FrameMLPEncoder((6, 4), dropout=0.1, linear=True), 7, 6),
}
MAKERS = {name: make for name, (make, _, _) in ENCODERS.items()}
SIZES = [(name, tokens, dim) for name, (_, tokens, dim) in ENCODERS.items()]
every_encoder = pytest.mark.parametrize("name", MAKERS)


@functools.cache
def shared(name):
    """One encoder of each sort, for tests that only call it.

    Its weights are random: the zeros that new biases hold would hide leaks.
    """
    encoder = MAKERS[name]()
    encoder.build((None, None, 2))
    return randomize(encoder)


@pytest.mark.parametrize(("name", "tokens", "dim"), SIZES)
def test_tokens_and_their_number(name, tokens, dim):
    encoder = shared(name)
    assert call(encoder, {"inputs": STEPS}).shape == (3, tokens, dim)
    assert to_numpy(encoder.token_mask(STEPS)).shape == (3, tokens)


@pytest.mark.parametrize("name", ["gru", "tcn_mixed"])
def test_what_the_standard_does_not_try(name, tmp_path):
    check_layer(MAKERS[name], {"inputs": STEPS}, None, tmp_path, [(None, 2)])


@every_encoder
def test_more_padding_changes_no_token(name):
    encoder = shared(name)
    tokens = call(encoder, {"inputs": STEPS})
    mask = to_numpy(encoder.token_mask(STEPS))
    for more in (1, 2, 5):
        longer = np.pad(STEPS, ((0, 0), (0, more), (0, 0)))
        padded = call(encoder, {"inputs": longer})
        np.testing.assert_allclose(padded[:, : tokens.shape[1]][mask], tokens[mask], atol=1e-5)
        longer_mask = to_numpy(encoder.token_mask(longer))
        np.testing.assert_array_equal(longer_mask[:, : mask.shape[1]], mask)
        assert not longer_mask[:, mask.shape[1] :].any()
        assert not padded[~longer_mask].any()


@every_encoder
def test_padding_gives_what_the_sequence_gives_without_it(name):
    encoder = shared(name)
    tokens = call(encoder, {"inputs": STEPS})
    for row, length in enumerate((7, 4, 1)):
        alone = call(encoder, {"inputs": STEPS[row : row + 1, :length]})[0]
        np.testing.assert_allclose(tokens[row, : len(alone)], alone, atol=1e-5)
        assert not tokens[row, len(alone) :].any()


@every_encoder
def test_a_row_of_padding_alone_is_finite_and_masked(name):
    encoder = shared(name)
    empty = np.zeros((2, 7, 2), "float32")
    assert not call(encoder, {"inputs": empty}).any()
    assert not to_numpy(encoder.token_mask(empty)).any()


@every_encoder
def test_a_step_with_one_feature_other_than_zero_counts(name):
    steps = np.zeros((1, 7, 2), "float32")
    steps[0, 3, 1] = -0.5
    mask = to_numpy(shared(name).token_mask(steps))[0]
    assert mask.sum() == 1
    assert mask[3 * len(mask) // 7]


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"mlp"}))
def test_the_order_of_steps_matters(name):
    encoder = shared(name)
    swapped = STEPS[:1].copy()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    tokens, others = call(encoder, {"inputs": STEPS[:1]}), call(encoder, {"inputs": swapped})
    # Not merely the same tokens in another order.
    assert np.abs(np.sort(tokens, axis=1) - np.sort(others, axis=1)).max() > 1e-3


def test_a_linear_part_is_the_steps_themselves():
    tokens = call(shared("mlp"), {"inputs": STEPS})
    np.testing.assert_array_equal(tokens[..., 4:], STEPS)
    alone = FrameMLPEncoder((6, 4))
    assert call(alone, {"inputs": STEPS}).shape[-1] == 4


@pytest.mark.parametrize(("name", "looks_ahead"), [("lstm", False), ("bidirectional", True),
                                                   ("tcn", True), ("tcn_causal", False),
                                                   ("tcn_mixed", False), ("mlp", False),
                                                   ("self_attention", True)])  # fmt: skip
def test_which_encoders_look_ahead(name, looks_ahead):
    encoder = shared(name)
    changed = STEPS[:1].copy()
    changed[:, 1:] += 1
    seen = call(encoder, {"inputs": changed})[:, 0] - call(encoder, {"inputs": STEPS[:1]})[:, 0]
    assert (np.abs(seen).max() > 1e-4) == looks_ahead


@pytest.mark.parametrize("name", ["lstm", "gru", "bidirectional"])
def test_the_recurrence_leaves_out_padding_wherever_it_stands(name):
    encoder = shared(name)
    holes = np.zeros((1, 12, 2), "float32")
    places = [1, 2, 5, 7, 8, 9, 11]
    holes[:, places] = STEPS[:1]
    np.testing.assert_allclose(
        call(encoder, {"inputs": holes})[:, places],
        call(encoder, {"inputs": STEPS[:1]}),
        atol=1e-5,
    )


def test_the_recurrence_sees_only_the_masks_that_cudnn_takes():
    encoder = RecurrentEncoder(units=3)
    holes = STEPS.copy()
    holes[0, [0, 3]] = 0
    holes[1] = 0
    call(encoder, {"inputs": holes})
    recurrence, masks = encoder.recurrences[0], []

    def spy(x, mask):
        masks.append(to_numpy(mask))
        return recurrence(x, mask=mask)

    encoder.recurrences = [spy]
    call(encoder, {"inputs": holes})
    # Padding at the end, and no row of padding alone.
    assert masks[0].sum(axis=1).tolist() == [5, 7, 1]
    assert (np.diff(masks[0].astype(int), axis=1) <= 0).all()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_parameters_of_the_recurrence(cell):
    # A gate: 2 features and 5 units to 5 units, and the bias; Keras' GRU has two biases.
    gates = {"lstm": 4 * (2 * 5 + 5 * 5 + 5), "gru": 3 * (2 * 5 + 5 * 5 + 2 * 5)}[cell]
    encoder = RecurrentEncoder(cell, units=5, bidirectional=False)
    encoder.build((None, None, 2))
    assert encoder.count_params() == gates
    encoder = RecurrentEncoder(cell, units=5)
    encoder.build((None, None, 2))
    assert encoder.count_params() == 2 * gates


def test_parameters_of_the_convolutions():
    # Per block: the first convolution, the second, and where the width changes the shortcut.
    encoder = TCN(filters=(4, 4, 6), kernel_size=3)
    encoder.build((None, None, 2))
    first = (3 * 2 * 4 + 4) + (3 * 4 * 4 + 4) + (2 * 4 + 4)
    second = 2 * (3 * 4 * 4 + 4)
    third = (3 * 4 * 6 + 6) + (3 * 6 * 6 + 6) + (4 * 6 + 6)
    assert encoder.count_params() == first + second + third


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_follows_the_written_formula(causal):
    encoder = TCN(filters=(2, 2), kernel_size=3, causal=causal)
    encoder.build(STEPS.shape)
    randomize(encoder)
    weights = [np.array(w) for w in encoder.get_weights()]
    x = STEPS[0].astype("float64")
    for dilation in (1, 2):
        y = x
        for _ in range(2):
            kernel, bias = weights.pop(0), weights.pop(0)
            before = 2 * dilation if causal else dilation
            padded = np.pad(y, ((before, 2 * dilation - before), (0, 0)))
            y = bias + sum(padded[k * dilation :][:7] @ kernel[k] for k in range(3))
            y = np.maximum(y, 0)
        x = np.maximum(x + y, 0)
    np.testing.assert_allclose(call(encoder, {"inputs": STEPS})[0], x, rtol=1e-4, atol=1e-4)


def test_dilations_let_a_token_see_twice_as_far_with_each_block():
    steps = np.abs(RANDOM.standard_normal((1, 61, 1))).astype("float32") + 0.1
    for dilations, reach in ((True, 2 * (1 + 2 + 4)), (False, 2 * 3)):
        encoder = TCN(filters=(3, 3, 3), dilations=dilations)
        call(encoder, {"inputs": steps})
        encoder.set_weights([np.full(w.shape, 0.1) for w in encoder.get_weights()])
        changed = steps.copy()
        changed[0, 30] += 1
        difference = call(encoder, {"inputs": changed}) - call(encoder, {"inputs": steps})
        seen = np.flatnonzero(np.abs(difference[0]).max(axis=-1) > 1e-7)
        assert (seen.min(), seen.max()) == (30 - reach, 30 + reach)


def test_strides_shorten_a_waveform_to_a_known_number_of_tokens():
    encoder = TCN(filters=(4, 4, 4), kernel_size=8, strides=8)
    waveform = np.sin(np.arange(16000, dtype="float32") / 20)[None, :, None]
    waveform[:, 4000:] = 0
    assert call(encoder, {"inputs": waveform}).shape == (1, 32, 4)
    mask = to_numpy(encoder.token_mask(waveform))
    # 4000 samples / 8 / 8 / 8 = 7.8 tokens.
    assert mask.tolist() == [[True] * 8 + [False] * 24]


def test_a_long_waveform_can_be_trained_on():
    # TensorFlow's own strided shortcut over one channel ends the process here.
    waveform = keras.Input((16000, 1))
    encoder = TCN(filters=(32, 4), kernel_size=9, strides=8)
    model = keras.Model(waveform, encoder(waveform))
    model.compile("sgd", "mse", jit_compile=False)
    samples = RANDOM.standard_normal((16, 16000, 1)).astype("float32")
    assert np.isfinite(model.train_on_batch(samples, np.ones((16, 250, 4), "float32")))


def test_self_attention_has_as_many_positions_as_the_inputs_have_steps():
    encoder = SequenceAttentionEncoder(dim=8, max_length=None)
    encoder.build((None, 30, 2))
    assert encoder.positions.input_dim == 30
    with pytest.raises(ValueError, match=r"known length.*\(None, None, 2\)"):
        SequenceAttentionEncoder(dim=8, max_length=None).build((None, None, 2))


def test_self_attention_refuses_sequences_longer_than_its_positions():
    with pytest.raises(ValueError, match=r"positions for 12 steps.*sequences of 13"):
        MAKERS["self_attention"]()(np.ones((1, 13, 2), "float32"))
    encoder = MAKERS["self_attention"]()
    encoder.build((None, None, 2))
    with pytest.raises(ValueError, match=r"positions for 12 steps.*sequences of 13"):
        encoder(np.ones((1, 13, 2), "float32"))


@every_encoder
def test_sequence_encoders_refuse_other_ranks(name):
    with pytest.raises(ValueError, match=r"\(batch, steps, features\).*Received.*\(3, 7\)"):
        MAKERS[name]()(STEPS[..., 0])


@every_encoder
def test_sequence_encoders_refuse_integers(name):
    with pytest.raises(ValueError, match=r"reads floats.*int32"):
        MAKERS[name]()(np.ones((3, 7, 2), "int32"))


@pytest.mark.parametrize(
    ("make_encoder", "message"),
    [
        (lambda: RecurrentEncoder("rnn"), "'gru', 'lstm'.*'rnn'"),
        (lambda: RecurrentEncoder(num_layers=0), "num_layers"),
        (lambda: TCN(filters=()), "filters"),
        (lambda: TCN(filters=(4, 4), strides=(2,)), r"each of the 2 blocks.*\(2,\)"),
        (lambda: TCN(filters=(4, 4), strides=4), "strides=4 and kernel_size=3"),
        (lambda: SequenceAttentionEncoder(dim=10, num_heads=4), "dim=10 and num_heads=4"),
        (lambda: FrameMLPEncoder(()), "units"),
    ],
)
def test_sequence_encoders_refuse_wrong_options(make_encoder, message):
    with pytest.raises(ValueError, match=message):
        make_encoder()


def test_tokens_and_mask_of_any_length_in_a_saved_model(tmp_path):
    encoder = MAKERS["tcn_mixed"]()
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, {"tokens": encoder(inputs), "mask": encoder.token_mask(inputs)})
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for steps in (STEPS, STEPS[:2, :5]):
        outputs = loaded.predict(steps, verbose=0)
        np.testing.assert_allclose(
            outputs["tokens"], call(encoder, {"inputs": steps}), rtol=1e-5, atol=1e-5
        )
        np.testing.assert_array_equal(outputs["mask"], to_numpy(encoder.token_mask(steps)))
