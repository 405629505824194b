"""Encoders for images: a stack of convolutions, or a backbone of `keras.applications`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer


def _check_images(class_name: str, shape: Sequence[int | None]) -> None:
    if len(shape) != 4:
        raise ValueError(
            f"{class_name} reads images of shape (batch, height, width, channels). "
            f"Received: inputs of shape {tuple(shape)}. An image without a channel axis gets one "
            "with `images[..., None]`."
        )


def check_pixels(class_name: str, inputs: Any, what: str = "images") -> None:
    """Raises a `ValueError` unless the inputs are floats."""
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if "float" not in dtype:
        raise ValueError(
            f"{class_name} reads floats between 0 and 1. Received: inputs of dtype {dtype}. "
            f"Divide 8-bit {what} by 255: `{what}.astype('float32') / 255`."
        )


@keras.saving.register_keras_serializable(package="mmkeras")
class ConvEncoder(ConfiguredLayer):
    """Convolutions and max-pooling; every place of the last map is one token.

    Each block is `convs_per_block` times (convolution, optional batch normalisation, ReLU), then
    max-pooling, then optional spatial dropout. The last map `(rows, cols, channels)` becomes
    `rows * cols` tokens, row by row: flattening it to one vector would leave an attention
    nothing to attend to.

    Args:
        filters: The number of channels of each block; as many blocks as numbers.
        convs_per_block: Convolutions in a block.
        kernel_size: Side of a convolution's window, in pixels.
        pool_size: Side of a max-pooling window, and its stride.
        padding: `"same"` keeps the size in a convolution, `"valid"` loses `kernel_size - 1`.
        batch_norm: Whether to normalise over the batch (in training) after each convolution.
        dropout: Share of whole channels that are dropped after each block, in training.

    Call arguments:
        inputs: Floats in [0, 1], `(batch, height, width, channels)`.

    Returns:
        Tokens `(batch, rows * cols, filters[-1])`.

    Example:

    >>> encoder = ConvEncoder(filters=(8, 16))
    >>> encoder(keras.Input((32, 32, 3))).shape
    (None, 64, 16)
    >>> encoder.token_grid((32, 32, 3))
    (8, 8)

    References:
        - [Simonyan and Zisserman, 2015](https://arxiv.org/abs/1409.1556) (blocks of small
          convolutions)
        - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167) (batch normalisation)
        - [Tompson et al., 2015](https://arxiv.org/abs/1411.4280) (spatial dropout)
    """

    def __init__(
        self,
        filters: Sequence[int] = (64, 128),
        convs_per_block: int = 2,
        kernel_size: int = 3,
        pool_size: int = 2,
        padding: str = "same",
        batch_norm: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not filters:
            raise ValueError("`filters` needs one number per block. Received: no number.")
        if padding not in ("same", "valid"):
            raise ValueError(f"`padding` must be 'same' or 'valid'. Received: {padding!r}.")
        self.filters = tuple(int(number) for number in filters)
        self.convs_per_block = int(convs_per_block)
        self.kernel_size = int(kernel_size)
        self.pool_size = int(pool_size)
        self.padding = padding
        self.batch_norm = batch_norm
        self.dropout = dropout

    def build(self, input_shape):
        _check_images(type(self).__name__, input_shape)
        self._last_map(input_shape[1:3])
        self.steps = [step for filters in self.filters for step in self._block(filters)]
        self.steps.append(layers.Reshape((-1, self.filters[-1]), dtype=self.dtype_policy))
        shape = tuple(input_shape)
        for step in self.steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)

    def _block(self, filters: int) -> list[layers.Layer]:
        common = {"data_format": "channels_last", "dtype": self.dtype_policy}
        steps = []
        for _ in range(self.convs_per_block):
            conv = layers.Conv2D(
                filters,
                self.kernel_size,
                padding=self.padding,
                use_bias=not self.batch_norm,
                kernel_initializer="he_normal",
                **common,
            )
            steps.append(conv)
            if self.batch_norm:
                # Keras' momentum of 0.99 takes hundreds of steps to forget where it started,
                # more than an epoch on a small data set has.
                steps.append(layers.BatchNormalization(momentum=0.9, dtype=self.dtype_policy))
            steps.append(layers.ReLU(dtype=self.dtype_policy))
        steps.append(layers.MaxPooling2D(self.pool_size, **common))
        if self.dropout:
            steps.append(layers.SpatialDropout2D(self.dropout, **common))
        return steps

    def call(self, inputs, training=None):
        check_pixels("ConvEncoder", inputs)
        x = inputs
        for step in self.steps:
            x = step(x)
        return x

    def token_mask(self, inputs) -> None:
        """All of an image's tokens count."""
        return None

    def token_grid(self, input_shape: Sequence[int | None]) -> tuple[int | None, int | None]:
        """Rows and columns of the map whose places are the tokens.

        Args:
            input_shape: `(height, width, channels)` of an image; `None` where it varies.

        Returns:
            `(rows, cols)`; token `i` is the place `(i // cols, i % cols)`.
        """
        if len(input_shape) != 3:
            raise ValueError(
                "`token_grid` takes one image's shape (height, width, channels), without the "
                f"batch. Received: {tuple(input_shape)}."
            )
        return self._last_map(input_shape[:2])

    def _last_map(self, sizes: Sequence[int | None]) -> tuple[int | None, int | None]:
        lost = self.convs_per_block * (self.kernel_size - 1) if self.padding == "valid" else 0
        smallest = 1
        for _ in self.filters:
            smallest = smallest * self.pool_size + lost
        grid = []
        for size in sizes:
            if size is not None and size < smallest:
                raise ValueError(
                    f"The map is too small for {len(self.filters)} blocks of "
                    f"{type(self).__name__} with padding={self.padding!r}. Received: "
                    f"{tuple(sizes)}. Give images of at least {smallest}×{smallest} pixels "
                    "(spectrograms of as many frames and bands), or fewer `filters`."
                )
            for _ in self.filters:
                size = None if size is None else (size - lost) // self.pool_size
            grid.append(size)
        rows, cols = grid
        return rows, cols


# What each backbone of `keras.applications` expects of its inputs. "tf" is [-1, 1], "torch" is
# ImageNet's mean and deviation, "caffe" is BGR in [0, 255] less ImageNet's mean (the modes of
# `keras.applications.imagenet_utils.preprocess_input`); "included" is [0, 255], scaled inside.
BACKBONES = {
    "ConvNeXtTiny": "included",
    "DenseNet121": "torch",
    "EfficientNetB0": "included",
    "EfficientNetV2B0": "included",
    "EfficientNetV2S": "included",
    "InceptionV3": "tf",
    "MobileNetV2": "tf",
    "MobileNetV3Large": "included",
    "MobileNetV3Small": "included",
    "ResNet50": "caffe",
    "ResNet50V2": "tf",
    "VGG16": "caffe",
    "Xception": "tf",
}


def scale_for_backbone(images: Any, backbone: str) -> Any:
    """Images in [0, 1] on the scale that the backbone was trained with."""
    images = images * 255.0
    mode = BACKBONES[backbone]
    if mode == "included":
        return images
    return keras.applications.imagenet_utils.preprocess_input(
        images, data_format="channels_last", mode=mode
    )


@keras.saving.register_keras_serializable(package="mmkeras")
class ScaleForBackbone(ConfiguredLayer):
    """Brings images in [0, 1] to the scale that a backbone was trained with.

    Args:
        backbone: A name of `BACKBONES`.

    Call arguments:
        images: Floats `(batch, height, width, 3)`.

    Returns:
        The same, scaled.

    Example:

    >>> ScaleForBackbone("MobileNetV2")(keras.Input((32, 32, 3))).shape
    (None, 32, 32, 3)
    """

    def __init__(self, backbone: str, **kwargs):
        super().__init__(**kwargs)
        self.backbone = backbone

    def build(self, images_shape):
        pass

    def call(self, images):
        return scale_for_backbone(images, self.backbone)


@keras.saving.register_keras_serializable(package="mmkeras")
class BackboneEncoder(ConfiguredLayer):
    """A backbone of `keras.applications`; every place of its last map is one token.

    The inputs are scaled here to what the backbone expects, so that every image encoder reads
    the same floats in [0, 1]. Images of one channel are repeated to three.

    Args:
        backbone: A name of `BACKBONES`.
        weights: `None` for random weights, `"imagenet"` to download the published ones, or the
            path of a weights file. A model loaded from a `.keras` file has its weights in that
            file and downloads nothing.
        trainable: Whether training changes the backbone. If not, its batch normalisation and
            dropout also work as in inference.

    Call arguments:
        inputs: Floats in [0, 1], `(batch, height, width, 1 or 3)`.

    Returns:
        Tokens `(batch, rows * cols, channels)`.

    Example:

    >>> encoder = BackboneEncoder("MobileNetV2")
    >>> encoder(keras.Input((96, 96, 3))).shape
    (None, 9, 1280)

    References:
        - [Sandler et al., 2018](https://arxiv.org/abs/1801.04381) (MobileNetV2); the others are
          listed at <https://keras.io/api/applications/>
    """

    def __init__(
        self,
        backbone: str = "MobileNetV2",
        weights: str | None = None,
        trainable: bool = True,
        **kwargs,
    ):
        super().__init__(trainable=trainable, **kwargs)
        if backbone not in BACKBONES:
            raise ValueError(
                f"`backbone` must be one of {sorted(BACKBONES)}. Received: {backbone!r}."
            )
        self.backbone = backbone
        self.weights_source = weights

    def build(self, input_shape):
        _check_images("BackboneEncoder", input_shape)
        channels = input_shape[-1]
        if channels not in (1, 3):
            raise ValueError(
                "BackboneEncoder reads images of 1 or 3 channels. Received: inputs of shape "
                f"{tuple(input_shape)}."
            )
        # The functions of `keras.applications` take no dtype; they follow the global policy.
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            self.model = getattr(keras.applications, self.backbone)(
                include_top=False, weights=self.weights_source, input_shape=(*input_shape[1:3], 3)
            )
        finally:
            keras.config.set_dtype_policy(policy)
        # A model around this layer asks each variable whether it is trained, not the layer.
        self.model.trainable = self.trainable
        self.to_tokens = layers.Reshape((-1, self.model.output_shape[-1]), dtype=self.dtype_policy)

    def call(self, inputs, training=None):
        check_pixels("BackboneEncoder", inputs)
        x = ops.repeat(inputs, 3, axis=-1) if inputs.shape[-1] == 1 else inputs
        x = scale_for_backbone(x, self.backbone)
        return self.to_tokens(self.model(x, training=training if self.trainable else False))

    def token_mask(self, inputs) -> None:
        """All of an image's tokens count."""
        return None

    def token_grid(self, input_shape: Sequence[int | None]) -> tuple[int | None, int | None]:
        """Rows and columns of the backbone's last map; see `ConvEncoder.token_grid`."""
        if not self.built:
            self.build((None, *input_shape))
        return tuple(self.model.compute_output_shape((None, *input_shape[:2], 3))[1:3])

    @property
    def is_frozen(self) -> bool:
        """Whether training changes nothing of it."""
        return not self.trainable

    def get_config(self) -> dict[str, Any]:
        # Every Keras layer has an attribute `weights`, its variables.
        return {**super().get_config(), "weights": self.weights_source}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BackboneEncoder:
        return super().from_config({**config, "weights": None})
