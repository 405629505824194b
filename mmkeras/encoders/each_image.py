"""Several images of one cell: an image encoder reads each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mmkeras")
class EachImage(layers.Layer):
    """One image encoder on each of several images; the tokens of all follow each other.

    With `E` the encoder, of `t` tokens, and `x_1, ..., x_n` a row's images:

        tokens = (E(x_1), ..., E(x_n))

    `n * t` of them. All images share the encoder's weights, and no token knows the number of its
    image: what pools or attends to tokens sees a set of images. A row with fewer than `n` images
    is padded with images of zeros, whose tokens are zeros and masked. In their place the encoder
    is given the row's first image again, so that padding has no part in batch statistics either.

    Args:
        encoder: An image encoder, all of whose tokens count.

    Call arguments:
        inputs: Floats, `(batch, images, height, width, channels)`.

    Returns:
        Tokens `(batch, images * tokens, dim)`.

    Example:

    >>> from mmkeras.encoders.image import ConvEncoder
    >>> encoder = EachImage(ConvEncoder(filters=(8, 16)))
    >>> encoder(keras.Input((3, 32, 32, 3))).shape
    (None, 192, 16)
    >>> encoder.token_grid((3, 32, 32, 3))
    (3, 8, 8)

    References:
        - [Su et al., 2015](https://arxiv.org/abs/1505.00880) (one network for all views, then
          pooling over them)
    """

    def __init__(self, encoder: layers.Layer, **kwargs):
        super().__init__(**{"dtype": encoder.dtype_policy, **kwargs})
        self.encoder = encoder

    def build(self, input_shape):
        if len(input_shape) != 5 or None in input_shape[1:]:
            raise ValueError(
                "EachImage reads images of shape (batch, images, height, width, channels), of one "
                f"number and size. Received: inputs of shape {tuple(input_shape)}."
            )
        one = (None, *input_shape[2:])
        if not self.encoder.built:  # it is, when it comes from a file
            self.encoder.build(one)
        of_one = self.encoder.compute_output_spec(keras.KerasTensor(one, self.compute_dtype))
        self.tokens = of_one.shape[1]

    def call(self, inputs, training=None):
        there = _there(inputs)
        images, shape = inputs.shape[1], inputs.shape[2:]
        x = ops.where(there, inputs, inputs[:, :1])
        x = self.encoder(ops.reshape(x, (-1, *shape)), training=training)
        x = ops.reshape(x, (-1, images, self.tokens, x.shape[-1]))
        x = ops.where(there[:, :, 0], x, 0.0)
        return ops.reshape(x, (-1, images * self.tokens, x.shape[-1]))

    def token_mask(self, inputs) -> Any:
        """The tokens of images of zeros, which are padding, do not count."""
        return ops.repeat(_there(inputs)[:, :, 0, 0, 0], self.tokens, axis=1)

    @property
    def token_grid(self) -> Callable[[Sequence[int | None]], tuple[int | None, ...]]:
        """Images, and rows and columns of each one's tokens; not there if the encoder has none."""
        of_one = self.encoder.token_grid
        return lambda input_shape: (input_shape[0], *of_one(input_shape[1:]))

    @property
    def is_frozen(self) -> bool:
        """Whether training changes nothing of the encoder."""
        return getattr(self.encoder, "is_frozen", False)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EachImage:
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})


def _there(inputs: Any) -> Any:
    """Which images are not padding, boolean `(batch, images, 1, 1, 1)`."""
    return ops.any(ops.not_equal(inputs, 0), axis=(2, 3, 4), keepdims=True)
