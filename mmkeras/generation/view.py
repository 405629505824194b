"""One modality of a generative model: inputs to a latent distribution, and a latent to inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.decoders.image import ImageDecoder
from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.fusion.parts.pooling import pool, pooled_dim, resolve_poolings
from mmkeras.generation.densities import DENSITIES, Density
from mmkeras.generation.posteriors import LOG_VARIANCE

# Encoders read inputs within these bounds, and means stay within them, so that a wild row does not
# make hidden layers infinite in half precision (up to 65,504). Densities read inputs as they are.
LARGEST = 1e3


@keras.saving.register_keras_serializable(package="mmkeras")
class View(ConfiguredLayer):
    """An encoder to the mean and log-variance of a latent, and a decoder of latents.

    The encoder's tokens become one vector: side by side where there are always as many, else their
    mean. Pictures, and other inputs with two axes, are made by transposed convolutions
    (`ImageDecoder`) or dense layers, vectors by dense layers.

    Args:
        encoder: A layer from inputs to tokens.
        shape: Of the inputs, without the batch: `(features,)`, `(frames, bands)` or `(height,
            width, channels)`.
        density: A name of `DENSITIES`.
        density_options: Its arguments.
        latent_dim: The width of what is encoded.
        decoded_dim: The width of what is decoded, `latent_dim` by default.
        units: The widths of the dense decoder's hidden layers.
        filters: Channels of the decoder of pictures, at full size; 0 for a dense decoder, which
            is many times faster, and coarser.

    Call arguments:
        inputs: A batch of the modality. The encoder reads values beyond 1,000 as 1,000.

    Returns:
        Mean and log-variance, float32 `(batch, latent_dim)` each.
    """

    def __init__(
        self,
        encoder: layers.Layer,
        shape: Sequence[int | None],
        density: str,
        latent_dim: int,
        density_options: dict[str, Any] | None = None,
        decoded_dim: int | None = None,
        units: Sequence[int] = (128,),
        filters: int = 16,
        **kwargs,
    ):
        super().__init__(**kwargs)
        # Inputs come in float32, to be bounded before half precision makes them infinite.
        self.autocast = False
        self.encoder = encoder
        self.shape = tuple(length for length in shape if length is not None)
        if not 1 <= len(shape) <= 3 or len(self.shape) < len(shape):
            raise ValueError(
                "What is generated are vectors, (frames, bands) or (height, width, channels), of "
                f"one size. Received: inputs of shape {tuple(shape)}."
            )
        self.density = density
        self.density_options = dict(density_options or {})
        self.likelihood: Density = DENSITIES[density](**self.density_options)
        self.latent_dim = int(latent_dim)
        self.decoded_dim = int(decoded_dim or latent_dim)
        self.units = tuple(int(width) for width in units)
        self.filters = int(filters)

    def build(self, input_shape):
        tokens = self.encoder(keras.Input(tuple(input_shape)[1:])).shape
        self.latent = layers.Dense(2 * self.latent_dim, dtype="float32", name="latent")
        self.latent.build((None, pooled_dim(tokens, "flatten")))
        (self.pooling,) = resolve_poolings("flatten", [tokens])
        self.steps: list[layers.Layer] = []
        shape = (None, self.decoded_dim)
        if self._is_dense:
            for width in self.units:
                self.steps.append(layers.Dense(width, activation="relu", dtype=self.dtype_policy))
            self.steps.append(layers.Dense(self.size, dtype="float32"))
            for step in self.steps:
                step.build(shape)
                shape = step.compute_output_shape(shape)
        else:
            picture = (*self.shape, 1) if len(self.shape) == 2 else self.shape
            decoder = ImageDecoder(picture, self.filters, refine=False, dtype=self.dtype_policy)
            decoder.build(shape)
            self.steps.append(decoder)

    def call(self, inputs, training=None):
        inputs = ops.clip(inputs, -LARGEST, LARGEST)
        tokens = self.encoder(inputs, training=training)
        mask = None
        if hasattr(self.encoder, "token_mask"):
            mask = self.encoder.token_mask(inputs)
        mean, log_variance = ops.split(self.latent(pool(tokens, mask, self.pooling)), 2, axis=-1)
        mean = ops.clip(mean, -LARGEST, LARGEST)
        return mean, ops.clip(log_variance, -LOG_VARIANCE, LOG_VARIANCE)

    def decode(self, latent: Any) -> Any:
        """The density's parameters, `(..., *shape)`, of latents `(..., decoded_dim)`."""
        before = ops.shape(latent)[:-1]
        x = ops.reshape(latent, (-1, self.decoded_dim))
        if self._is_dense:
            for step in self.steps:
                x = step(x)
        else:
            x = self.steps[0].logits(x)
        return ops.reshape(x, (*before, *self.shape))

    def log_prob(self, latent: Any, x: Any) -> Any:
        """The log-density of inputs `x` of each row, `(..., batch)`, for `(..., batch, dim)`."""
        return self.likelihood.log_prob(self.decode(latent), x)

    @property
    def _is_dense(self) -> bool:
        return len(self.shape) == 1 or not self.filters

    @property
    def size(self) -> int:
        """How many values a row has."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def get_config(self) -> dict[str, Any]:
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {**super().get_config(), "encoder": encoder}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> View:
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})
