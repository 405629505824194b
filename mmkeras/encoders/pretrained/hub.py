"""Networks of KerasHub: images as they are, BERT models of texts in this project's form."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import layers

from mmkeras.data.subwords import import_hub
from mmkeras.encoders.pretrained.bert import bert, set_bert_weights

# The parts of a transformer layer, as KerasHub calls them and as a BERT file does.
_LAYER = {
    "self_attention_layer/query": "attention.self.query",
    "self_attention_layer/key": "attention.self.key",
    "self_attention_layer/value": "attention.self.value",
    "self_attention_layer/attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
}


def read_hub(
    preset: str, input_shape: Sequence[int | None], max_length: int | None = None
) -> keras.Model:
    """A backbone of KerasHub, with its weights and its preprocessing.

    Args:
        preset: A name, such as `"resnet_18_imagenet"`, or the folder of a preset.
        input_shape: Of one input: of images `(height, width, channels)`, of texts `(None,)`.
        max_length: The longest text, in tokens.

    Raises:
        ImportError: KerasHub is not installed.
        ValueError: It is a network that cannot be used.
    """
    hub = import_hub()
    backbone = hub.models.Backbone.from_preset(preset)
    if len(input_shape) == 3:
        return _images(hub, backbone, preset, input_shape)
    if not isinstance(backbone, hub.models.BertBackbone):
        raise ValueError(
            f"Of KerasHub's networks of texts those of BERT are read. Received: {preset!r}, a "
            f"{type(backbone).__name__}."
        )
    return _texts(backbone, max_length)


def _images(
    hub: ModuleType, backbone: Any, preset: str, input_shape: Sequence[int | None]
) -> keras.Model:
    images = keras.Input((*input_shape[:2], 3), name="images")
    converter = hub.layers.ImageConverter.from_preset(preset)
    scale = np.array(1.0 if converter.scale is None else converter.scale) * 255
    offset = np.array(0.0 if converter.offset is None else converter.offset)
    x = layers.Rescaling(scale.tolist(), offset.tolist(), name="scale")(images)
    outputs = backbone(x)
    if isinstance(outputs, dict):
        raise ValueError(
            f"A network of images gives one map. Received: {preset!r}, which gives "
            f"{sorted(outputs)}."
        )
    return keras.Model(images, outputs, name="hub")


def _texts(backbone: Any, max_length: int | None) -> keras.Model:
    about = backbone.get_config()
    if max_length is not None and max_length > about["max_sequence_length"]:
        raise ValueError(
            f"The network reads at most {about['max_sequence_length']} tokens of a text. Received: "
            f"max_length={max_length}. Set a smaller one."
        )
    config = {
        "model_type": "bert",
        "vocab_size": about["vocabulary_size"],
        "hidden_size": about["hidden_dim"],
        "num_hidden_layers": about["num_layers"],
        "num_attention_heads": about["num_heads"],
        "intermediate_size": about["intermediate_dim"],
        "max_position_embeddings": about["max_sequence_length"],
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-12,
    }
    arrays: dict[str, np.ndarray] = {}
    for name, layer, part in (
        ("embeddings.word_embeddings.weight", "token_embedding", 0),
        ("embeddings.position_embeddings.weight", "position_embedding", 0),
        ("embeddings.token_type_embeddings.weight", "segment_embedding", 0),
        ("embeddings.LayerNorm.weight", "embeddings_layer_norm", 0),
        ("embeddings.LayerNorm.bias", "embeddings_layer_norm", 1),
    ):
        arrays[name] = backbone.get_layer(layer).get_weights()[part]
    dim = about["hidden_dim"]
    for number in range(about["num_layers"]):
        layer = backbone.get_layer(f"transformer_layer_{number}")
        by_path = {weight.path: np.array(weight) for weight in layer.weights}
        for own, name in _LAYER.items():
            of = f"encoder.layer.{number}.{name}"
            parts = {path.rsplit("/", 1)[1]: x for path, x in by_path.items() if f"/{own}/" in path}
            if "gamma" in parts:
                arrays |= {f"{of}.weight": parts["gamma"], f"{of}.bias": parts["beta"]}
                continue
            kernel = parts["kernel"]
            if kernel.ndim == 3:  # the heads are the middle axis, or the first on the way out
                shape = (-1, dim) if own.endswith("attention_output") else (dim, -1)
                kernel = kernel.reshape(shape)
            arrays[f"{of}.weight"] = kernel.T
            arrays[f"{of}.bias"] = parts["bias"].reshape(-1)
    network = bert(config)
    set_bert_weights(network, arrays, about["num_layers"])
    return network
