"""Networks of KerasHub, from presets that the tests save themselves."""

import sys

import keras
import numpy as np
import pytest

from mmkeras.data.subwords import Subwords
from mmkeras.encoders import PretrainedEncoder
from tests.layer_checks import call, check_close

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "##s", "house"]


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub")


def test_without_the_package_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"mmkeras\[hub\]"):
        PretrainedEncoder("hub:resnet_18_imagenet").build((None, 32, 32, 3))
    with pytest.raises(ImportError, match=r"mmkeras\[hub\]"):
        Subwords.read("hub:bert_tiny_en_uncased")


def test_a_bert_of_the_hub_gives_the_hubs_tokens(hub, tmp_path):
    backbone = hub.models.BertBackbone(
        vocabulary_size=len(WORDS),
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=32,
    )
    rng = np.random.default_rng(0)
    backbone.set_weights([rng.normal(0, 0.5, w.shape) for w in backbone.get_weights()])
    backbone.save_to_preset(tmp_path / "bert")
    tokenizer = hub.models.BertTokenizer(vocabulary=WORDS, lowercase=True)
    tokenizer.save_to_preset(tmp_path / "bert")
    source = f"hub:{tmp_path / 'bert'}"
    subwords = Subwords(Subwords.read(source))
    assert subwords.pieces(subwords.ids(["Red houses"])[0])[1:-1] == ["red", "house", "##s"]
    ids = np.array([[2, 5, 8, 7, 3, 0], [2, 6, 3, 0, 0, 0]], "int32")
    theirs = backbone(
        {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": ids != 0}
    )
    expected = keras.ops.convert_to_numpy(theirs["sequence_output"])
    tokens = call(PretrainedEncoder(source), {"inputs": ids})
    check_close(tokens[ids != 0], expected[ids != 0], 1e-4)
    with pytest.raises(ValueError, match="at most 32 tokens"):
        PretrainedEncoder(source, max_length=64).build((None, None))


def test_a_network_of_images_of_the_hub_brings_its_scale(hub, tmp_path):
    backbone = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    folder = tmp_path / "images"
    backbone.save_to_preset(folder)
    hub.layers.ResNetImageConverter(scale=1 / 127.5, offset=-1.0).save_to_preset(folder)
    images = np.random.default_rng(0).random((2, 16, 16, 3), "float32")
    expected = keras.ops.convert_to_numpy(backbone(2 * images - 1, training=False))
    encoder = PretrainedEncoder(f"hub:{folder}", train="stack0_block0")
    tokens = call(encoder, {"inputs": images})
    check_close(tokens, expected.reshape(2, -1, expected.shape[-1]), 1e-4)
    assert encoder.token_grid((16, 16, 3)) == expected.shape[1:3]
    trained = [weight.path for weight in encoder.trainable_weights]
    assert trained and not [path for path in trained if "conv1" in path.split("/")[0]]
