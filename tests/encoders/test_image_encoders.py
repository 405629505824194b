import keras
import numpy as np
import pytest

from mmkeras.encoders import BackboneEncoder, ConvEncoder
from mmkeras.encoders.image import BACKBONES, scale_for_backbone
from tests.layer_checks import call, check_layer, to_numpy

IMAGES = np.random.default_rng(0).random((3, 13, 17, 2), "float32")


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same"},
        {"padding": "valid", "convs_per_block": 1},
        {"batch_norm": True, "dropout": 0.2, "kernel_size": 5, "pool_size": 3},
    ],
)
def test_conv_encoder(options, tmp_path):
    grid = {"same": (3, 4), "valid": (1, 2)}[options.get("padding", "same")]
    if options.get("pool_size") == 3:
        grid = (1, 1)
    check_layer(
        lambda: ConvEncoder((4, 6), **options),
        {"inputs": IMAGES},
        (3, grid[0] * grid[1], 6),
        tmp_path,
    )
    assert ConvEncoder((4, 6), **options).token_grid((13, 17, 2)) == grid


def test_conv_encoder_of_the_documents_model_has_2809_tokens():
    assert ConvEncoder((64, 128), padding="valid").token_grid((224, 224, 3)) == (53, 53)


def test_conv_encoder_tokens_are_the_places_row_by_row():
    # One convolution of one pixel that copies its input, so that a token is its window's maximum.
    encoder = ConvEncoder((1,), convs_per_block=1, kernel_size=1)
    encoder.build((None, 4, 6, 1))
    encoder.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    image = np.zeros((1, 4, 6, 1), "float32")
    image[0, 3, 2] = 1.0
    rows, cols = encoder.token_grid((4, 6, 1))
    tokens = call(encoder, {"inputs": image})[0, :, 0]
    assert np.flatnonzero(tokens).tolist() == [1 * cols + 1]
    assert len(tokens) == rows * cols


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_conv_encoder_says_how_large_an_image_must_be(padding):
    encoder = ConvEncoder((2, 3), padding=padding)
    smallest = {"same": 4, "valid": 16}[padding]
    with pytest.raises(ValueError, match=f"at least {smallest}×{smallest}"):
        encoder(np.ones((1, smallest - 1, 40, 3), "float32"))
    assert encoder.token_grid((smallest, smallest, 3)) == (1, 1)
    assert ConvEncoder((2, 3), padding=padding)(
        np.ones((1, smallest, smallest, 3), "float32")
    ).shape == (1, 1, 3)


def test_conv_encoder_refuses_8_bit_images():
    with pytest.raises(ValueError, match=r"uint8.*/ 255"):
        ConvEncoder((2,))(np.ones((1, 8, 8, 3), "uint8"))


def test_conv_encoder_refuses_images_without_channels():
    with pytest.raises(ValueError, match=r"Received.*\(1, 8, 8\).*images\[\.\.\., None\]"):
        ConvEncoder((2,))(np.ones((1, 8, 8), "float32"))


def test_token_grid_refuses_a_batch_shape():
    with pytest.raises(ValueError, match="without the batch"):
        ConvEncoder((2,)).token_grid((None, 8, 8, 3))


@pytest.mark.parametrize("options", [{"filters": ()}, {"padding": "full"}])
def test_conv_encoder_refuses_wrong_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ConvEncoder(**options)


@pytest.fixture(scope="module")
def backbone():
    encoder = BackboneEncoder("MobileNetV2", trainable=False)
    encoder.build((None, 64, 64, 3))
    return encoder


def test_backbone_encoder_grid_and_tokens_agree(backbone):
    images = np.random.default_rng(1).random((2, 64, 64, 3), "float32")
    assert backbone.token_grid((64, 64, 3)) == (2, 2)
    assert backbone(images).shape == (2, 4, 1280)


def test_grey_images_count_as_three_equal_channels(backbone):
    grey = np.random.default_rng(1).random((1, 64, 64, 1), "float32")
    np.testing.assert_array_equal(
        call(backbone, {"inputs": grey}), call(backbone, {"inputs": grey.repeat(3, axis=-1)})
    )


def test_a_frozen_backbone_is_frozen_in_a_model_too(backbone):
    images = keras.Input((64, 64, 3))
    assert keras.Model(images, backbone(images)).trainable_weights == []


def test_a_frozen_backbone_has_no_training_behaviour(backbone):
    images = np.random.default_rng(1).random((4, 64, 64, 3), "float32")
    assert backbone.trainable_weights == []
    before = backbone.get_weights()
    np.testing.assert_array_equal(
        call(backbone, {"inputs": images}, training=True),
        call(backbone, {"inputs": images}, training=False),
    )
    for old, new in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_loading_a_model_does_not_fetch_the_published_weights_again(tmp_path):
    published = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    file = tmp_path / "published.weights.h5"
    published.save_weights(file)
    encoder = BackboneEncoder("MobileNetV3Small", weights=str(file))
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, encoder(inputs))
    model.save(tmp_path / "model.keras")
    file.unlink()
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for expected, value in zip(published.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_inputs_are_scaled_as_the_backbone_was_trained(name):
    modules = {
        "ConvNeXtTiny": "convnext",
        "DenseNet121": "densenet",
        "EfficientNetB0": "efficientnet",
        "EfficientNetV2B0": "efficientnet_v2",
        "EfficientNetV2S": "efficientnet_v2",
        "InceptionV3": "inception_v3",
        "MobileNetV2": "mobilenet_v2",
        "MobileNetV3Large": "mobilenet_v3",
        "MobileNetV3Small": "mobilenet_v3",
        "ResNet50": "resnet",
        "ResNet50V2": "resnet_v2",
        "VGG16": "vgg16",
        "Xception": "xception",
    }
    images = np.random.default_rng(2).integers(0, 256, (1, 4, 4, 3)).astype("float32")
    expected = getattr(keras.applications, modules[name]).preprocess_input(images.copy())
    scaled = scale_for_backbone(keras.ops.convert_to_tensor(images / 255), name)
    np.testing.assert_allclose(to_numpy(scaled), expected, atol=1e-3)
    assert hasattr(keras.applications, name)


def test_backbone_encoder_refuses_other_names_and_channels():
    with pytest.raises(ValueError, match="MobileNetV2"):
        BackboneEncoder("MobileNet2")
    with pytest.raises(ValueError, match="1 or 3 channels"):
        BackboneEncoder()(np.ones((1, 32, 32, 4), "float32"))


def test_a_convolution_follows_the_written_formula():
    # y[i, j, k] = relu(sum of W[u, v, c, k] x[i + u, j + v, c] + b[k]), then the pool's maximum.
    encoder = ConvEncoder((5,), convs_per_block=1, padding="valid")
    encoder.build(IMAGES.shape)
    kernel, _ = encoder.get_weights()
    bias = np.linspace(-1, 1, 5)
    encoder.set_weights([kernel, bias])
    tokens = call(encoder, {"inputs": IMAGES})
    y = np.zeros((3, 11, 15, 5)) + bias
    for u in range(3):
        for v in range(3):
            y += np.einsum("bijc,ck->bijk", IMAGES[:, u : u + 11, v : v + 15], kernel[u, v])
    y = np.maximum(y, 0)[:, :10, :14].reshape(3, 5, 2, 7, 2, 5).max(axis=(2, 4))
    np.testing.assert_allclose(tokens, y.reshape(3, 35, 5), atol=1e-5)
