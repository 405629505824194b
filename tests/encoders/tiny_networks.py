"""Small networks with random weights, in files of the form that pre-trained ones have."""

import functools
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

CONFIG = {
    "model_type": "bert",
    "vocab_size": 16,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 64,
    "layer_norm_eps": 1e-12,
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = ["red", "green", "blue", "round", "square", "big", "small", "a", "is", "the"]
PARTS = ["##s", "##ish"]


def write_safetensors(path, arrays):
    """Arrays of float32 as a safetensors file."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array, "<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def bert_arrays(config=CONFIG, seed=0):
    """The weights of a BERT model, random, by their names in its file."""
    rng = np.random.default_rng(seed)
    dim, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], dim),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], dim),
        "embeddings.token_type_embeddings.weight": (2, dim),
        "embeddings.LayerNorm.weight": (dim,),
        "embeddings.LayerNorm.bias": (dim,),
    }
    sizes = {
        "attention.self.query": (dim, dim),
        "attention.self.key": (dim, dim),
        "attention.self.value": (dim, dim),
        "attention.output.dense": (dim, dim),
        "attention.output.LayerNorm": (dim,),
        "intermediate.dense": (inner, dim),
        "output.dense": (dim, inner),
        "output.LayerNorm": (dim,),
    }
    for layer in range(config["num_hidden_layers"]):
        for name, shape in sizes.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
    return {name: rng.normal(0, 0.5, shape).astype("float32") for name, shape in shapes.items()}


def write_bert(folder, config=CONFIG, seed=0):
    """A folder of a BERT model with its tokenizer."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_safetensors(folder / "model.safetensors", bert_arrays(config, seed))
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *WORDS, *PARTS])}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # Published files say so; the preprocessing pads and cuts by itself.
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(16)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_image_network(path, seed=0):
    """A `.keras` file of a convolution of images of any size."""
    images = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(2.0, offset=-1.0)(images)
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same", activation="relu", name="block_0")(x)
    x = keras.layers.BatchNormalization(name="block_1_norm")(x)
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", name="block_1")(x)
    network = keras.Model(images, x, name="small")
    rng = np.random.default_rng(seed)
    network.set_weights([rng.uniform(0.1, 0.6, w.shape) for w in network.get_weights()])
    network.save(path)
    return path


@functools.cache
def sources():
    """By kind, the source of a small network."""
    folder = Path(tempfile.mkdtemp(prefix="networks"))
    return {
        "image": str(write_image_network(folder / "images.keras")),
        "text": str(write_bert(folder / "texts")),
    }
