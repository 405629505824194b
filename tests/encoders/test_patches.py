import keras
import numpy as np
import pytest

from mmkeras.encoders import PatchEncoder, SpectrogramPatchEncoder
from tests.layer_checks import call, check_layer, randomize, to_numpy

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((3, 13, 10, 2), "float32")
# Standardised: of any sign.
SOUNDS = RANDOM.standard_normal((3, 13, 10)).astype("float32")


def linear(patch_size=4, dim=6, cls=PatchEncoder, inputs=IMAGES):
    """A built encoder without transformer layers, with random weights."""
    encoder = cls(patch_size, dim, num_heads=2, num_layers=0)
    encoder.build(inputs.shape)
    return randomize(encoder)


@pytest.mark.parametrize(("num_layers", "dropout"), [(0, 0.0), (1, 0.1)])
def test_patch_encoder(num_layers, dropout, tmp_path):
    check_layer(
        lambda: PatchEncoder(4, 6, 2, num_layers, ff_dim=5, dropout=dropout),
        {"inputs": IMAGES},
        (3, 4 * 3, 6),
        tmp_path,
    )


def test_patches_are_projected_as_a_strided_convolution_does():
    images = IMAGES[:, :12, :8]
    encoder = linear(inputs=images)
    kernel, bias = encoder.project.get_weights()
    maps = keras.ops.conv(
        images, kernel.reshape(4, 4, 2, 6), strides=4, padding="valid", data_format="channels_last"
    )
    expected = to_numpy(maps).reshape(3, 6, 6) + bias + to_numpy(encoder.positions)
    np.testing.assert_allclose(call(encoder, {"inputs": images}), expected, atol=1e-5)


def test_tokens_follow_the_written_formula():
    encoder = linear(patch_size=5, inputs=IMAGES[:, :10])
    kernel, bias = encoder.project.get_weights()
    tokens = call(encoder, {"inputs": IMAGES[:, :10]})
    for i in range(4):
        row, col = 5 * (i // 2), 5 * (i % 2)
        pixels = IMAGES[:, row : row + 5, col : col + 5].reshape(3, 50)
        expected = pixels @ kernel + bias + to_numpy(encoder.positions)[i]
        np.testing.assert_allclose(tokens[:, i], expected, atol=1e-5)


def test_pixels_of_all_patches_in_another_order_need_the_projection_in_that_order():
    images, order = IMAGES[:, :12, :8], RANDOM.permutation(4 * 4 * 2)
    encoder = PatchEncoder(4, 6, num_heads=2, num_layers=1)
    encoder.build(images.shape)
    randomize(encoder)
    expected = call(encoder, {"inputs": images})
    shuffled = np.empty_like(images)
    for row in range(0, 12, 4):
        for col in range(0, 8, 4):
            patch = images[:, row : row + 4, col : col + 4].reshape(3, -1)
            shuffled[:, row : row + 4, col : col + 4] = patch[:, order].reshape(3, 4, 4, 2)
    assert np.abs(call(encoder, {"inputs": shuffled}) - expected).max() > 0.1
    kernel, bias = encoder.project.get_weights()
    encoder.project.set_weights([kernel[order], bias])
    np.testing.assert_allclose(call(encoder, {"inputs": shuffled}), expected, atol=1e-4)


def test_sides_are_filled_up_with_zeros_at_the_bottom_and_the_right():
    padded = np.pad(IMAGES, ((0, 0), (0, 3), (0, 2), (0, 0)))
    encoder, other = linear(), linear(inputs=padded)
    np.testing.assert_array_equal(
        call(encoder, {"inputs": IMAGES}), call(other, {"inputs": padded})
    )


def test_every_patch_looks_at_every_other_and_places_count():
    encoder = PatchEncoder(4, 6, num_heads=2, num_layers=1)
    encoder.build(IMAGES.shape)
    randomize(encoder)
    before = call(encoder, {"inputs": IMAGES})
    changed = IMAGES.copy()
    changed[:, :4, :4] += 1
    assert (np.abs(call(encoder, {"inputs": changed}) - before).max(axis=2) > 1e-4).all()
    # The same patch everywhere: only positions tell one place from another.
    same = np.tile(IMAGES[:, :4, :4], (1, 3, 2, 1))
    assert np.ptp(call(linear(inputs=same), {"inputs": same}), axis=1).min() > 0.01


def test_number_of_weights():
    encoder = PatchEncoder(patch_size=4, dim=6, num_heads=2, num_layers=2, ff_dim=5)
    encoder.build((None, 13, 10, 3))
    embedding = (4 * 4 * 3) * 6 + 6 + (4 * 3) * 6
    attention = 4 * (6 * 6 + 6)
    feed_forward = (6 * 5 + 5) + (5 * 6 + 6)
    norm = 2 * 6
    assert encoder.count_params() == embedding + 2 * (attention + feed_forward + 2 * norm) + norm


def test_a_spectrogram_is_read_as_a_grey_image():
    encoder = SpectrogramPatchEncoder(4, 6, num_heads=2, num_layers=1)
    tokens = call(encoder, {"inputs": SOUNDS})
    images = PatchEncoder(4, 6, num_heads=2, num_layers=1)
    images.build((None, 13, 10, 1))
    images.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(call(images, {"inputs": SOUNDS[..., None]}), tokens)


def test_the_grid_counts_patches_row_by_row():
    encoder = linear(dim=2)
    assert encoder.token_grid((13, 10, 2)) == (4, 3)
    assert encoder.token_grid((12, None, 2)) == (3, None)
    assert encoder.token_mask(IMAGES) is None
    before, changed = call(encoder, {"inputs": IMAGES}), IMAGES.copy()
    changed[:, 9, 3] += 1
    differ = (call(encoder, {"inputs": changed}) != before).any(axis=(0, 2))
    assert np.flatnonzero(differ).tolist() == [2 * 3 + 0]
    with pytest.raises(ValueError, match=r"\(height, width, channels\), without the batch"):
        encoder.token_grid((3, 13, 10, 2))
    sounds = SpectrogramPatchEncoder(4)
    assert sounds.token_grid((13, 10)) == (4, 3)
    with pytest.raises(ValueError, match=r"\(frames, bands\), without the batch"):
        sounds.token_grid((3, 13, 10))


@pytest.mark.parametrize(
    ("cls", "shape", "dtype", "message"),
    [
        (PatchEncoder, (1, 8, 8), "float32", r"Received.*\(1, 8, 8\).*images\[\.\.\., None\]"),
        (PatchEncoder, (None, None, 8, 3), "float32", r"one size.*Received.*ImageSettings.size"),
        (PatchEncoder, (1, 8, 8, 3), "uint8", "uint8.*/ 255"),
        (SpectrogramPatchEncoder, (1, 8, 8, 1), "float32", r"frames, bands.*\(1, 8, 8, 1\)"),
        (SpectrogramPatchEncoder, (None, None, 8), "float32", "AudioSettings.seconds.*'cnn'"),
        (SpectrogramPatchEncoder, (1, 8, 8), "int16", "reads floats.*int16"),
    ],
)
def test_other_inputs_are_refused(cls, shape, dtype, message):
    with pytest.raises(ValueError, match=message):
        cls()(keras.Input(shape[1:], dtype=dtype) if None in shape else np.ones(shape, dtype))


@pytest.mark.parametrize(
    ("cls", "inputs"), [(PatchEncoder, IMAGES), (SpectrogramPatchEncoder, SOUNDS)]
)
def test_another_size_than_the_first_is_refused(cls, inputs):
    encoder = linear(cls=cls, inputs=inputs)
    with pytest.raises(ValueError, match=r"expected shape=.*13, 10.*found shape=.*12, 10"):
        encoder(inputs[:, :12])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 0}, "`patch_size`"),
        ({"num_layers": -1}, "`num_layers`"),
        ({"dim": 10, "num_heads": 4}, "multiple of `num_heads`"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PatchEncoder(**options)


def test_dropout_is_for_training_with_and_without_layers():
    for num_layers in (0, 1):
        encoder = PatchEncoder(4, 8, num_layers=num_layers, dropout=0.5)
        calm = call(encoder, {"inputs": IMAGES}, training=False)
        np.testing.assert_array_equal(call(encoder, {"inputs": IMAGES}), calm)
        assert (call(encoder, {"inputs": IMAGES}, training=True) != calm).any()
