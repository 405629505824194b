"""Any Keras model, trained elsewhere, as the encoder of a modality."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.keras_mask import gives_mask
from mmkeras.encoders.pretrained.sources import read_network

PADDING = 0


@keras.saving.register_keras_serializable(package="mmkeras")
class PretrainedEncoder(ConfiguredLayer):
    """A network that was trained elsewhere; its last map, sequence or vector are the tokens.

    The network brings its own preprocessing: it reads what every encoder of its kind reads, images
    in [0, 1] or token ids with 0 for padding. It always works as in inference, also where it is
    tuned: batch statistics stay those of the rows that it comes from, and nothing is dropped.

    A model with this layer is saved with the network inside, its structure and its weights. It is
    loaded, and predicts, without the source.

    Args:
        source: Where the network comes from, as in `read_network`: a folder, a file, or a name
            such as `"applications:MobileNetV2"`. It is read when the layer is built.
        network: The network itself, in place of a source, or as it was read from there: a
            `keras.Model` of one input.
        train: What training changes: `None` for nothing (frozen), `"all"`, or how the name of a
            layer of the network starts, such as `"layer_4"` or `"block_13"`: that layer and all
            that follow it.
        max_length: The longest text, in tokens: refused where the network has fewer positions.

    Call arguments:
        inputs: `(batch, height, width, channels)` in [0, 1] (grey images become colour images
            where the network reads those), token ids `(batch, length)`, or what else the network
            reads.

    Returns:
        Tokens `(batch, tokens, dim)`: of a network that gives a map `(batch, rows, cols, dim)` its
        places, row by row; of one that gives vectors `(batch, dim)` one token.

    Raises:
        ValueError: The network has several inputs or outputs, or no layer that `train` names.

    Example:

    >>> images = keras.Input((32, 32, 3))
    >>> network = keras.Model(images, keras.layers.Conv2D(8, 4, strides=8)(images))
    >>> encoder = PretrainedEncoder(network=network)
    >>> encoder(keras.Input((32, 32, 1))).shape, encoder.token_grid((32, 32, 1))
    ((None, 16, 8), (4, 4))
    """

    def __init__(
        self,
        source: str | None = None,
        network: keras.Model | None = None,
        train: str | None = None,
        max_length: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if source is None and network is None:
            raise ValueError(
                "A pre-trained encoder needs the `source` of its network: a folder, a file, or a "
                "name such as 'applications:MobileNetV2'. Received: none."
            )
        self.source = None if source is None else str(source)
        self.network: Any = network
        self.train = train
        self.max_length = max_length

    def build(self, input_shape):
        if self.network is None:
            policy = keras.config.dtype_policy()
            keras.config.set_dtype_policy(self.dtype_policy)
            try:
                self.network = read_network(self.source or "", input_shape[1:], self.max_length)
            finally:
                keras.config.set_dtype_policy(policy)
        _check_network(self.network, input_shape)
        self._choose_trained()

    @property
    def _reads_ids(self) -> bool:
        return "int" in self.network.inputs[0].dtype

    @property
    def embedding(self) -> keras.layers.Layer:
        """The layer that makes vectors of token ids; not there where others are read."""
        if self.network is None or not self._reads_ids:
            raise AttributeError("This network reads no token ids.")
        known = (x for x in _layers_of(self.network) if not isinstance(x, keras.layers.InputLayer))
        return next(known)

    @property
    def trainable(self) -> bool:
        return super().trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        # A model that is loaded sets it for all its layers, and so would undo `train`.
        keras.layers.Layer.trainable.fset(self, value)
        if value and self.built:
            self._choose_trained()

    @property
    def is_frozen(self) -> bool:
        """Whether training changes nothing of it."""
        return self.train is None

    def _choose_trained(self) -> None:
        parts = list(_layers_of(self.network))
        names = [layer.name for layer in parts]
        first = 0 if self.train == "all" else len(names)
        if self.train not in (None, "all"):
            first = next((i for i, name in enumerate(names) if name.startswith(self.train)), first)
            if first == len(names):
                known = [layer.name for layer in parts if layer.weights]
                raise ValueError(
                    "`train` is None, 'all', or how the name of one of the network's layers "
                    f"starts: {', '.join(known)}. Received: {self.train!r}."
                )
        # A model around this layer asks each variable whether it is trained, not the layer.
        _set_trainable(self.network, self.train is not None)
        for number, layer in enumerate(parts):
            for part in layer._flatten_layers():
                _set_trainable(part, number >= first)

    def call(self, inputs, training=None):
        x = inputs
        if x.shape[-1] == 1 and self.network.input_shape[-1] == 3:
            x = ops.repeat(x, 3, axis=-1)
        x = ops.cast(self.network(x, training=False), self.compute_dtype)
        if len(x.shape) == 2:
            return ops.expand_dims(x, axis=1)
        if len(x.shape) == 4:
            return ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))
        return x

    def token_mask(self, inputs) -> Any | None:
        """Of texts, which ids are not padding, `(batch, length)`; otherwise all tokens count."""
        return ops.not_equal(inputs, PADDING) if self._reads_ids else None

    @property
    def token_grid(self) -> Callable[[Sequence[int | None]], tuple[int | None, int | None]]:
        """Rows and columns of the network's map, by an image's shape; not there without a map."""
        if self.network is None or len(self.network.output_shape) != 4:
            raise AttributeError("This network gives no map of an image.")
        channels = self.network.input_shape[-1]

        def grid(input_shape: Sequence[int | None]) -> tuple[int | None, int | None]:
            shape = (None, *input_shape[:2], channels)
            return tuple(self.network.compute_output_shape(shape)[1:3])

        return grid

    def get_config(self) -> dict[str, Any]:
        network = self.network and keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PretrainedEncoder:
        network = config["network"] and keras.saving.deserialize_keras_object(
            copy.deepcopy(config["network"])
        )
        return cls(**{**config, "network": network})


def _layers_of(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """A network's layers in their order, in place of networks inside it theirs."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_of(layer)
        else:
            yield layer


def _set_trainable(layer: keras.layers.Layer, value: bool) -> None:
    # On TensorFlow's backend a value that an attribute has already is not set again. A layer that
    # is made from a configuration has its own, and has not told it to the layers inside.
    layer.trainable = not value
    layer.trainable = value


def _check_network(network: keras.Model, input_shape: Sequence[int | None]) -> None:
    """Refuses networks whose inputs or outputs are not those of an encoder."""
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ValueError(
            "A pre-trained encoder is a network of one input and one output. Received: "
            f"{network.name!r} of {len(network.inputs)} and {len(network.outputs)}."
        )
    rank = len(network.output_shape)
    is_map = rank == 4 and len(input_shape) == 4
    if not is_map and rank not in (2, 3):
        raise ValueError(
            "A network of images gives a map (batch, rows, cols, dim), any network tokens (batch, "
            f"tokens, dim) or a vector (batch, dim). Received: {network.output_shape} from "
            f"{network.name!r}."
        )
    reads_ids = "int" in network.inputs[0].dtype
    if not reads_ids and gives_mask(network, keras.Input(network.input_shape[1:])):
        raise ValueError(
            f"The network {network.name!r} brings a Keras mask. Give it as the encoder itself, "
            "with network.trainable = False to freeze it; its mask then counts."
        )
