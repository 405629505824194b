import numpy as np
import pytest

from mmkeras.encoders import Conv3DEncoder, FrameEncoder, get_encoder
from mmkeras.schema import InputSpec
from tests.layer_checks import call, check_layer

VIDEOS = np.random.default_rng(0).random((2, 5, 12, 9, 3), "float32")

ENCODERS = {
    "lstm": (lambda: FrameEncoder((4, 6), units=5, dropout=0.1), (2, 5, 5)),
    "self_attention": (
        lambda: FrameEncoder(
            (4, 6), batch_norm=True, over_time="self_attention", units=8, num_heads=2
        ),
        (2, 5, 8),
    ),
    "none": (lambda: FrameEncoder((4, 6), convs_per_block=2, over_time="none"), (2, 5, 6)),
    # Time 5, 5, 2; rows 12, 6, 3; cols 9, 4, 2.
    "conv3d": (
        lambda: Conv3DEncoder((4, 6), batch_norm=True, dropout=0.1),
        (2, 2 * 3 * 2, 6),
    ),
}


@pytest.mark.parametrize(("make_encoder", "shape"), ENCODERS.values(), ids=ENCODERS)
def test_frames_or_places_are_tokens_that_always_count(make_encoder, shape):
    encoder = make_encoder()
    assert call(encoder, {"inputs": VIDEOS}).shape == shape
    assert encoder.token_mask(VIDEOS) is None


@pytest.mark.parametrize("name", ["self_attention", "none"])
def test_what_the_standard_does_not_try(name, tmp_path):
    check_layer(ENCODERS[name][0], {"inputs": VIDEOS}, ENCODERS[name][1], tmp_path)


@pytest.mark.slow
def test_frame_encoder_with_a_frozen_backbone():
    videos = np.random.default_rng(0).random((2, 2, 32, 32, 3), "float32")
    encoder = FrameEncoder(backbone="MobileNetV3Small", trainable_backbone=False, units=4)
    assert call(encoder, {"inputs": videos}).shape == (2, 2, 4)
    # What is trained is the LSTM alone.
    assert [tuple(w.shape) for w in encoder.trainable_weights] == [(576, 16), (4, 16), (16,)]


def test_a_frame_is_the_mean_over_the_places_of_its_image():
    encoder = FrameEncoder((4, 6), over_time="none")
    tokens = call(encoder, {"inputs": VIDEOS})
    for frame in range(5):
        places = call(encoder.frame_encoder, {"inputs": VIDEOS[:, frame]})
        np.testing.assert_allclose(tokens[:, frame], places.mean(axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("lstm", [False, False, True, True, True]),
        ("self_attention", [True] * 5),
        ("none", [False, False, True, False, False]),
    ],
)
def test_which_tokens_a_changed_frame_changes(name, changes):
    encoder = ENCODERS[name][0]()
    tokens = call(encoder, {"inputs": VIDEOS})
    changed = VIDEOS.copy()
    changed[:, 2] = 1 - changed[:, 2]
    difference = np.abs(call(encoder, {"inputs": changed}) - tokens).max(axis=(0, 2))
    assert (difference > 1e-6).tolist() == changes


def test_an_lstm_reads_any_number_of_frames():
    encoder = FrameEncoder((4,), units=5)
    encoder.build((None, None, 12, 9, 3))
    for frames in (1, 5):
        assert call(encoder, {"inputs": VIDEOS[:, :frames]}).shape == (2, frames, 5)


def test_the_grid_of_a_video_is_frames_rows_and_columns():
    assert Conv3DEncoder((4, 6)).token_grid((5, 12, 9, 3)) == (2, 3, 2)
    assert Conv3DEncoder((2,) * 5).token_grid((3, 8, 2, 1)) == (1, 1, 1)
    tiny = Conv3DEncoder((2,) * 5)
    assert tiny(np.ones((1, 3, 8, 2, 1), "float32")).shape == (1, 1, 2)
    with pytest.raises(ValueError, match="without the batch"):
        Conv3DEncoder((4,)).token_grid((2, 5, 12, 9, 3))


def test_conv3d_tokens_are_the_places_frame_by_frame():
    # A convolution of one pixel that copies its input, so that a token is its window's maximum.
    encoder = Conv3DEncoder((1,), kernel_size=1)
    encoder.build((None, 3, 4, 6, 1))
    encoder.set_weights([np.ones((1, 1, 1, 1, 1)), np.zeros(1)])
    video = np.zeros((1, 3, 4, 6, 1), "float32")
    video[0, 2, 3, 2] = 1.0
    frames, rows, cols = encoder.token_grid((3, 4, 6, 1))
    tokens = call(encoder, {"inputs": video})[0, :, 0]
    assert np.flatnonzero(tokens).tolist() == [(2 * rows + 1) * cols + 1]
    assert len(tokens) == frames * rows * cols


def test_parameters_of_the_3d_convolutions():
    encoder = Conv3DEncoder((4, 6))
    encoder.build((None, 5, 12, 9, 3))
    assert encoder.count_params() == (27 * 3 * 4 + 4) + (27 * 4 * 6 + 6)


@pytest.mark.parametrize("cls", [FrameEncoder, Conv3DEncoder])
def test_video_encoders_refuse_other_inputs(cls):
    with pytest.raises(ValueError, match=r"\(batch, frames, height.*Received.*\(2, 12, 9, 3\)"):
        cls((4,))(VIDEOS[:, 0])
    with pytest.raises(ValueError, match=r"uint8.*/ 255"):
        cls((4,))((VIDEOS * 255).astype("uint8"))
    with pytest.raises(ValueError, match="one picture size"):
        cls((4,)).build((None, 5, None, None, 3))


@pytest.mark.parametrize(
    ("make_encoder", "message"),
    [
        (lambda: FrameEncoder(over_time="gru"), "over_time.*'gru'"),
        (lambda: FrameEncoder(filters=()), "filters"),
        (lambda: FrameEncoder(backbone="VGG"), "VGG16"),
        (lambda: FrameEncoder(over_time="self_attention", units=9), "units=9 and num_heads=4"),
        (lambda: Conv3DEncoder(()), "filters"),
    ],
)
def test_video_encoders_refuse_wrong_options(make_encoder, message):
    with pytest.raises(ValueError, match=message):
        make_encoder()


def test_self_attention_and_3d_convolutions_need_a_known_number_of_frames():
    shape = (None, None, 12, 9, 3)
    with pytest.raises(ValueError, match=r"known number of frames.*'lstm'"):
        FrameEncoder((4,), over_time="self_attention").build(shape)
    with pytest.raises(ValueError, match=r"known number of frames.*'frames'"):
        Conv3DEncoder((4,)).build(shape)


@pytest.mark.parametrize(("name", "tokens"), [("frames", 5), ("conv3d", 2 * 3 * 2)])
def test_encoders_of_videos_by_name(name, tokens):
    encoder = get_encoder("video", name, InputSpec((5, 12, 9, 3)), filters=(4, 6))
    assert encoder(VIDEOS).shape[:2] == (2, tokens)
