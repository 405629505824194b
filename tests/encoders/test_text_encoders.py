import numpy as np
import pytest

from mmkeras.encoders import BagOfWordsEncoder, LSTMEncoder, SelfAttentionEncoder
from tests.layer_checks import call, to_numpy

COUNTS = np.random.default_rng(0).random((3, 20), "float32")
IDS = np.array([[4, 9, 2, 7], [5, 1, 0, 0], [3, 0, 0, 0]], "int32")

SEQUENCE_ENCODERS = {
    "lstm": lambda: LSTMEncoder(10, embedding_dim=6, units=5, bidirectional=False, dropout=0.1),
    "bidirectional": lambda: LSTMEncoder(10, embedding_dim=6, units=5),
    "self_attention": lambda: SelfAttentionEncoder(
        10, dim=8, num_heads=2, num_layers=2, ff_dim=6, dropout=0.1, max_length=8
    ),
}
sequence_encoders = pytest.mark.parametrize(
    "make_encoder", SEQUENCE_ENCODERS.values(), ids=SEQUENCE_ENCODERS
)


def test_bag_of_words_encoder_refuses_token_ids():
    with pytest.raises(ValueError, match=r"int32.*token ids.*'lstm'"):
        BagOfWordsEncoder()(IDS)


@pytest.mark.parametrize(
    ("name", "dim"), [("lstm", 5), ("bidirectional", 10), ("self_attention", 8)]
)
def test_each_word_is_one_token(name, dim):
    assert call(SEQUENCE_ENCODERS[name](), {"inputs": IDS}).shape == (3, 4, dim)


@sequence_encoders
def test_more_padding_changes_no_token(make_encoder):
    encoder = make_encoder()
    tokens = call(encoder, {"inputs": IDS})
    padded = call(encoder, {"inputs": np.pad(IDS, ((0, 0), (0, 3)))})
    mask = to_numpy(encoder.token_mask(IDS))
    np.testing.assert_allclose(padded[:, :4][mask], tokens[mask], atol=1e-5)


@sequence_encoders
def test_mask_is_true_where_a_word_stands(make_encoder):
    np.testing.assert_array_equal(to_numpy(make_encoder().token_mask(IDS)), IDS != 0)


@sequence_encoders
def test_the_order_of_words_matters(make_encoder):
    encoder = make_encoder()
    tokens = call(encoder, {"inputs": np.array([[4, 9, 2], [9, 4, 2]], "int32")})
    assert np.abs(tokens[0, 2] - tokens[1, 2]).max() > 1e-6


def test_only_the_bidirectional_lstm_and_attention_look_ahead():
    changed = np.array([[4, 9, 2], [4, 9, 5]], "int32")
    first = {name: call(make(), {"inputs": changed}) for name, make in SEQUENCE_ENCODERS.items()}
    seen = {name: np.abs(tokens[0, 0] - tokens[1, 0]).max() for name, tokens in first.items()}
    # Rows of one batch may differ in the last bit.
    assert seen["lstm"] < 1e-6
    assert seen["bidirectional"] > 1e-5 and seen["self_attention"] > 1e-5


@sequence_encoders
def test_an_empty_text_gives_finite_tokens(make_encoder):
    assert np.isfinite(call(make_encoder(), {"inputs": np.zeros((2, 4), "int32")})).all()


@sequence_encoders
def test_sequence_encoders_refuse_bags_of_words(make_encoder):
    with pytest.raises(ValueError, match="'bag_of_words'"):
        make_encoder()(COUNTS[:, :4])


@sequence_encoders
def test_sequence_encoders_refuse_other_ranks(make_encoder):
    with pytest.raises(ValueError, match=r"\(batch, length\).*Received.*\(3, 4, 1\)"):
        make_encoder()(IDS[..., None])


def test_self_attention_refuses_texts_longer_than_its_positions():
    with pytest.raises(ValueError, match=r"positions for 8 tokens.*texts of 9"):
        SEQUENCE_ENCODERS["self_attention"]()(np.ones((1, 9), "int32"))
    encoder = SEQUENCE_ENCODERS["self_attention"]()
    encoder.build((None, None))
    with pytest.raises(ValueError, match=r"positions for 8 tokens.*texts of 9"):
        encoder(np.ones((1, 9), "int32"))


def test_self_attention_heads_divide_the_width():
    with pytest.raises(ValueError, match="dim=10 and num_heads=4"):
        SelfAttentionEncoder(10, dim=10, num_heads=4)


def test_bag_of_words_encoder_refuses_texts_of_any_length():
    with pytest.raises(ValueError, match=r"\(None, None\).*'lstm'"):
        BagOfWordsEncoder().build((None, None))
