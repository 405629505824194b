"""Text networks of the BERT family, in Keras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.pretrained.safetensors import read_safetensors
from mmkeras.encoders.transformer import check_heads
from mmkeras.reading import naming, read_json

_WORDS = "embeddings.word_embeddings.weight"
_ACTIVATIONS = {
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "gelu_new": lambda x: ops.gelu(x, approximate=True),
    "relu": ops.relu,
}


@keras.saving.register_keras_serializable(package="mmkeras")
class BertEmbeddings(ConfiguredLayer):
    """Token ids to vectors: of the token and of its position, added and normalised.

    Args:
        vocabulary_size: How many ids there are.
        positions: The most tokens of a text.
        dim: The width of a token.
        epsilon: Of the normalisation.

    Call arguments:
        ids: Integers `(batch, tokens)`.

    Returns:
        `(batch, tokens, dim)`.

    Example:

    >>> BertEmbeddings(100, positions=20, dim=16)(keras.Input((12,), dtype="int32")).shape
    (None, 12, 16)
    """

    def __init__(
        self, vocabulary_size: int, positions: int, dim: int, epsilon: float = 1e-12, **kwargs
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.positions = positions
        self.dim = dim
        self.epsilon = epsilon

    def build(self, ids_shape):
        common = {"dtype": self.dtype_policy}
        self.word = layers.Embedding(self.vocabulary_size, self.dim, **common)
        self.position = layers.Embedding(self.positions, self.dim, **common)
        self.norm = layers.LayerNormalization(epsilon=self.epsilon, **common)
        self.word.build(ids_shape)
        self.position.build(ids_shape[1:])
        self.norm.build((*ids_shape, self.dim))

    def call(self, ids):
        if isinstance(ids.shape[1], int) and ids.shape[1] > self.positions:
            raise ValueError(
                f"The network has positions for {self.positions} tokens. Received: texts of "
                f"{ids.shape[1]}. Set a smaller `max_length`."
            )
        return self.norm(self.word(ids) + self.position(ops.arange(ops.shape(ids)[1])))


@keras.saving.register_keras_serializable(package="mmkeras")
class BertLayer(ConfiguredLayer):
    """A transformer layer as BERT has it, with the normalisation after each part:

        x <- Norm(x + W0 Attention(x Wq, x Wk, x Wv))
        x <- Norm(x + W2 gelu(W1 x))

    Args:
        num_heads: Attention heads.
        ff_dim: The inner width of the feed-forward part.
        activation: `"gelu"`, `"gelu_new"` (its approximation by tanh) or `"relu"`.
        epsilon: Of the normalisations.

    Call arguments:
        tokens: `(batch, tokens, dim)`.
        key_mask: Boolean `(batch, tokens)`: which tokens can be attended to.

    Returns:
        `(batch, tokens, dim)`.

    Example:

    >>> tokens, mask = keras.Input((12, 16)), keras.Input((12,), dtype="bool")
    >>> BertLayer(num_heads=2, ff_dim=32)(tokens, mask).shape
    (None, 12, 16)

    References:
        - [Devlin et al., 2019](https://arxiv.org/abs/1810.04805)
    """

    def __init__(
        self,
        num_heads: int,
        ff_dim: int,
        activation: str = "gelu",
        epsilon: float = 1e-12,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {list(_ACTIVATIONS)}. Received: {activation!r}."
            )
        self.num_heads = num_heads
        self.ff_dim = ff_dim
        self.activation = activation
        self.epsilon = epsilon

    def build(self, tokens_shape, key_mask_shape=None):
        dim, common = tokens_shape[-1], {"dtype": self.dtype_policy}
        check_heads(dim, self.num_heads)
        # One product for queries, keys and values is faster than three.
        self.query_key_value = layers.Dense(3 * dim, **common)
        self.attended = layers.Dense(dim, **common)
        self.inner = layers.Dense(self.ff_dim, **common)
        self.outer = layers.Dense(dim, **common)
        self.attention_norm = layers.LayerNormalization(epsilon=self.epsilon, **common)
        self.ff_norm = layers.LayerNormalization(epsilon=self.epsilon, **common)
        for layer in (self.query_key_value, self.attended, self.inner):
            layer.build(tokens_shape)
        self.outer.build((*tokens_shape[:-1], self.ff_dim))
        self.attention_norm.build((None, dim))
        self.ff_norm.build((None, dim))

    def call(self, tokens, key_mask):
        dim, length = tokens.shape[-1], ops.shape(tokens)[1]
        # All tokens as one matrix: on TensorFlow, the product of a matrix is one operation, and
        # that of a batch of them twenty.
        x = ops.reshape(tokens, (-1, dim))
        x = self.attention_norm(x + self.attended(self._attention(x, length, key_mask)))
        x = self.ff_norm(x + self.outer(_ACTIVATIONS[self.activation](self.inner(x))))
        return ops.reshape(x, (-1, length, dim))

    def _attention(self, x, length, key_mask):
        """What tokens `(batch * length, dim)` attend to, of the same shape."""
        dim = x.shape[-1]
        size = dim // self.num_heads
        parts = ops.reshape(self.query_key_value(x), (-1, length, 3, self.num_heads, size))
        # (3, batch, heads, tokens, size)
        query, key, value = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), 3)
        scores = ops.matmul(query * size**-0.5, ops.swapaxes(key, -1, -2))
        # Large enough to leave nothing, small enough for float16 and for a row of padding alone.
        hidden = ops.where(key_mask, 0.0, -30_000.0)[:, None, None, :]
        weights = ops.softmax(scores + ops.cast(hidden, scores.dtype))
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return ops.reshape(mixed, (-1, dim))


def bert(config: Mapping[str, Any]) -> keras.Model:
    """A network of the form that a BERT model's `config.json` describes, with random weights.

    Its layers are `embeddings`, `layer_0`, `layer_1` and so on.

    Raises:
        ValueError: The configuration is that of another network.

    Example:

    >>> config = {"model_type": "bert", "vocab_size": 100, "hidden_size": 16}
    >>> config |= {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    >>> bert({**config, "max_position_embeddings": 64}).output_shape
    (None, None, 16)
    """
    wanted = {"model_type": "bert", "position_embedding_type": "absolute", "pad_token_id": 0}
    for name, value in wanted.items():
        if config.get(name, value) != value:
            raise ValueError(
                f"This network of texts is not read: {name} is {config[name]!r} in its "
                f"config.json, and {value!r} in those that are."
            )
    dim, epsilon = config["hidden_size"], config.get("layer_norm_eps", 1e-12)
    ids = keras.Input((None,), dtype="int32", name="ids")
    key_mask = ops.not_equal(ids, 0)
    x = BertEmbeddings(
        config["vocab_size"],
        config["max_position_embeddings"],
        dim,
        epsilon,
        name="embeddings",
    )(ids)
    for number in range(config["num_hidden_layers"]):
        layer = BertLayer(
            config["num_attention_heads"],
            config["intermediate_size"],
            config.get("hidden_act", "gelu"),
            epsilon,
            name=f"layer_{number}",
        )
        x = layer(x, key_mask)
    return keras.Model(ids, x, name="bert")


def read_bert(folder: str | Path, max_length: int | None = None) -> keras.Model:
    """The network of a folder with `config.json` and `model.safetensors`, as BERT models have.

    Args:
        folder: The folder.
        max_length: The longest text that it will be given, in tokens.

    Raises:
        FileNotFoundError: One of the two files is not there.
        ValueError: It is another network, or one with fewer positions than `max_length`.
    """
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}. A pre-trained network of texts is a folder with "
                "config.json, model.safetensors and tokenizer.json."
            )
    keys = {"max_position_embeddings": int, "num_hidden_layers": int}
    config = read_json(folder / "config.json", keys)
    with naming(folder / "config.json"):
        network = bert(config)
    positions = config["max_position_embeddings"]
    if max_length is not None and max_length > positions:
        raise ValueError(
            f"The network of {folder} reads at most {positions} tokens of a text. Received: "
            f"max_length={max_length}. Set a smaller one."
        )
    arrays = read_safetensors(folder / "model.safetensors")
    # Models with a head of their own have the network inside.
    arrays = {name.removeprefix("bert."): array for name, array in arrays.items()}
    if _WORDS not in arrays:
        raise ValueError(f"{folder}/model.safetensors has no {_WORDS!r}: not a BERT network.")
    set_bert_weights(network, arrays, config["num_hidden_layers"])
    return network


def set_bert_weights(
    network: keras.Model, arrays: Mapping[str, np.ndarray], num_layers: int
) -> None:
    """Gives a network of `bert` the weights of a BERT model, by their names in its file."""
    embeddings = network.get_layer("embeddings")
    # Texts are one segment here; its vector goes into those of the positions.
    segment = arrays["embeddings.token_type_embeddings.weight"][0]
    position = arrays["embeddings.position_embeddings.weight"] + segment
    embeddings.set_weights([arrays[_WORDS], position, *_norm(arrays, "embeddings.LayerNorm")])
    for number in range(num_layers):
        network.get_layer(f"layer_{number}").set_weights(
            _layer_weights(arrays, f"encoder.layer.{number}")
        )


def _layer_weights(arrays: Mapping[str, np.ndarray], of: str) -> list[np.ndarray]:
    """A `BertLayer`'s weights, in the order in which it builds its parts."""
    projections = [f"{of}.attention.self.{name}" for name in ("query", "key", "value")]
    kernel = np.concatenate([arrays[f"{name}.weight"].T for name in projections], axis=1)
    bias = np.concatenate([arrays[f"{name}.bias"] for name in projections])
    dense = [kernel, bias]
    for name in ("attention.output.dense", "intermediate.dense", "output.dense"):
        dense += [arrays[f"{of}.{name}.weight"].T, arrays[f"{of}.{name}.bias"]]
    norms = [*_norm(arrays, f"{of}.attention.output.LayerNorm")]
    return [*dense, *norms, *_norm(arrays, f"{of}.output.LayerNorm")]


def _norm(arrays: Mapping[str, np.ndarray], name: str) -> list[np.ndarray]:
    """A normalisation's scale and shift, which older files call gamma and beta."""
    old = f"{name}.gamma" in arrays
    return [arrays[f"{name}.{part}"] for part in (("gamma", "beta") if old else ("weight", "bias"))]
