import numpy as np
import pytest

from mmkeras.encoders import ConvEncoder, SpectrogramEncoder, get_encoder
from mmkeras.schema import InputSpec
from tests.layer_checks import call, check_layer

# Standardised: of any sign.
SOUNDS = np.random.default_rng(0).standard_normal((3, 13, 9)).astype("float32")


def test_spectrogram_encoder(tmp_path):
    check_layer(
        lambda: SpectrogramEncoder((4, 6), convs_per_block=1, batch_norm=True, dropout=0.1),
        {"inputs": SOUNDS},
        (3, 3 * 2, 6),
        tmp_path,
    )


def test_a_spectrogram_is_read_as_a_grey_image():
    encoder, images = SpectrogramEncoder((4, 6)), ConvEncoder((4, 6))
    tokens = call(encoder, {"inputs": SOUNDS})
    images.build((None, 13, 9, 1))
    images.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(call(images, {"inputs": SOUNDS[..., None]}), tokens)


def test_the_grid_of_a_spectrogram_is_times_and_frequencies():
    encoder = SpectrogramEncoder((4, 6))
    assert encoder.token_grid((13, 9)) == (3, 2)
    assert encoder.token_grid((None, 9)) == (None, 2)
    assert encoder.token_mask(SOUNDS) is None
    with pytest.raises(ValueError, match=r"\(frames, bands\), without the batch"):
        encoder.token_grid((3, 13, 9))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (SOUNDS[..., None], r"\(batch, frames, bands\).*Received.*\(3, 13, 9, 1\)"),
        (SOUNDS.astype("int16"), "reads floats.*int16"),
        (SOUNDS[:, :3], r"2 blocks of SpectrogramEncoder.*\(3, 9\).*at least 4×4"),
    ],
)
def test_spectrogram_encoder_refuses_other_inputs(inputs, message):
    with pytest.raises(ValueError, match=message):
        SpectrogramEncoder((4, 6))(inputs)


@pytest.mark.parametrize(
    ("name", "tokens"), [("cnn", 3 * 2), ("tcn", 13), ("recurrent", 13), ("self_attention", 13)]
)
def test_encoders_of_sounds_by_name(name, tokens):
    encoder = get_encoder("audio", name, InputSpec((13, 9)))
    assert encoder(SOUNDS).shape[:2] == (3, tokens)


def test_self_attention_has_a_position_for_each_frame_of_a_sound():
    encoder = get_encoder("audio", "self_attention", InputSpec((700, 9), max_length=700), dim=8)
    encoder.build((None, 700, 9))
    assert encoder.positions.input_dim == 700
    longer = get_encoder("audio", "self_attention", InputSpec((700, 9)), max_length=800)
    assert longer.max_length == 800
