import numpy as np
import pytest

from mmkeras.encoders import (
    FTTransformerEncoder,
    MLPEncoder,
    PiecewiseLinearEncoder,
    get_encoder,
)
from mmkeras.schema import InputSpec
from tests.layer_checks import call, randomize, to_numpy

ROWS = np.random.default_rng(0).random((3, 5), "float32")
# A number, a number with its missing indicator, and one of three categories.
GROUPS = (1, 2, 3)
COLUMNS = np.array(
    [[0.3, -1.2, 0, 0, 1, 0], [-2.0, 0, 1, 0, 0, 1], [0.0, 0.7, 0, 1, 0, 0]], "float32"
)


def test_a_row_is_one_token():
    assert call(MLPEncoder((8, 6)), {"inputs": ROWS}).shape == (3, 1, 6)


def test_mlp_encoder_has_no_mask():
    assert MLPEncoder().token_mask(ROWS) is None


def test_mlp_encoder_takes_numpy_integers():
    assert MLPEncoder((np.int64(8),))(ROWS).shape == (3, 1, 8)


def test_mlp_encoder_refuses_what_is_no_vector():
    with pytest.raises(ValueError, match=r"\(batch, features\).*Received.*\(3, 5, 1\)"):
        MLPEncoder()(ROWS[..., None])


def test_mlp_encoder_refuses_integers():
    with pytest.raises(ValueError, match="one-hot"):
        MLPEncoder()(np.ones((3, 5), "int32"))


def test_mlp_encoder_needs_a_layer():
    with pytest.raises(ValueError, match="`units`"):
        MLPEncoder(units=())


def small_transformer(**options):
    return FTTransformerEncoder(GROUPS, dim=8, num_heads=2, ff_dim=6, **options)


def test_each_column_is_a_token_behind_one_for_all():
    assert call(small_transformer(), {"inputs": COLUMNS}).shape == (3, 4, 8)
    assert small_transformer().token_mask(COLUMNS) is None


def test_the_tokenizer_follows_the_papers_equation():
    encoder = small_transformer()
    call(encoder, {"inputs": COLUMNS})
    randomize(encoder)
    kernel, bias = (to_numpy(w) for w in (encoder.kernel, encoder.bias))
    tokens = to_numpy(encoder.tokenize(COLUMNS))
    # A number scales its vector; a number and its indicator scale one each.
    np.testing.assert_allclose(tokens[:, 0], bias[0] + COLUMNS[:, :1] * kernel[0], atol=1e-5)
    np.testing.assert_allclose(
        tokens[:, 1],
        bias[1] + COLUMNS[:, 1:2] * kernel[1] + COLUMNS[:, 2:3] * kernel[2],
        atol=1e-5,
    )
    # A category picks a row, as an embedding does.
    np.testing.assert_allclose(tokens[:, 2], bias[2] + kernel[3 + np.array([1, 2, 0])], atol=1e-5)


def test_the_cls_token_is_the_same_for_all_rows_before_the_transformer_and_first_after_it():
    encoder = small_transformer(num_layers=0)
    tokens = call(encoder, {"inputs": COLUMNS})
    # Without layers only the last normalisation is left.
    np.testing.assert_allclose(tokens[:, 0], np.broadcast_to(tokens[0, 0], (3, 8)), atol=1e-6)
    embedded = np.concatenate([to_numpy(encoder.cls), to_numpy(encoder.tokenize(COLUMNS))[0]])
    expected = call(encoder.transformer, {"tokens": embedded[None]})[0]
    np.testing.assert_allclose(tokens[0], expected, atol=1e-6)


def test_the_cls_token_sees_every_column():
    encoder = small_transformer(num_layers=1)
    cls = call(encoder, {"inputs": COLUMNS})[0, 0]
    for place in range(6):
        changed = COLUMNS[:1].copy()
        changed[0, place] += 1
        assert np.abs(call(encoder, {"inputs": changed})[0, 0] - cls).max() > 1e-5


def test_parameters_of_the_tokenizer():
    # 6 floats of 8 weights each, 3 columns' biases, the [CLS] token; one normalisation is left.
    encoder = small_transformer(num_layers=0)
    encoder.build((None, 6))
    assert encoder.count_params() == 6 * 8 + 3 * 8 + 8 + 2 * 8


def test_a_columns_weights_change_that_columns_token_alone():
    encoder = small_transformer()
    call(encoder, {"inputs": COLUMNS})
    before = to_numpy(encoder.tokenize(COLUMNS))
    kernel = to_numpy(encoder.kernel).copy()
    kernel[3:] += 1
    encoder.kernel.assign(kernel)
    changed = np.abs(to_numpy(encoder.tokenize(COLUMNS)) - before).max(axis=(0, 2)) > 1e-5
    assert changed.tolist() == [False, False, True]


def test_ft_transformer_takes_the_columns_from_the_spec():
    encoder = get_encoder("tabular", "ft_transformer", InputSpec((6,), groups=GROUPS), dim=8)
    assert encoder.groups == GROUPS
    with pytest.raises(ValueError, match=r"'ft_transformer'.*widths.*'mlp'"):
        get_encoder("tabular", "ft_transformer", InputSpec((6,)))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (ROWS, r"add up to 6 floats.*\(1, 2, 3\).*Received.*\(3, 5\)"),
        (COLUMNS[..., None], r"\(batch, features\).*Received.*\(3, 6, 1\)"),
        (COLUMNS.astype("int32"), "one-hot"),
    ],
)
def test_ft_transformer_refuses_other_inputs(inputs, message):
    with pytest.raises(ValueError, match=message):
        small_transformer()(inputs)


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [((), {}, "groups"), ((1, 0), {}, r"at least 1.*\(1, 0\)"), ((1,), {"dim": 9}, "dim=9")],
)
def test_ft_transformer_refuses_wrong_options(groups, options, message):
    with pytest.raises(ValueError, match=message):
        FTTransformerEncoder(groups, **options)


def test_piecewise_encoding_by_hand():
    encoder = PiecewiseLinearEncoder((4,), bins=2, groups=(1, 2, 3), numbers=2)
    encoder.build((None, 6))
    low, middle, high = encoder.knots
    assert middle == pytest.approx(0, abs=1e-6) and high == -low
    numbers = np.array([[low / 2, 0, 2 * high]], "float32")
    found = to_numpy(encoder._encoded(numbers)).reshape(3, 2)
    # Half of the first bin; all of it; all of it and, since it is not cut above, twice the last.
    np.testing.assert_allclose(found, [[0.5, 0], [1, 0], [1, 2]], atol=1e-6)
    # One-hot codes are read as they are: two numbers and a sign of absence are spread.
    assert encoder.steps[0].kernel.shape == (6 + 3 * 2, 4)


def test_piecewise_encoding_needs_widths_that_fit():
    with pytest.raises(ValueError, match=r"`groups`.*5 in all.*\(1, 2\)"):
        PiecewiseLinearEncoder(groups=(1, 2)).build((None, 5))
    with pytest.raises(ValueError, match="`bins`"):
        PiecewiseLinearEncoder(bins=0)
