"""Encoder for videos: an image encoder on each frame, then an LSTM or self-attention over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.image import BackboneEncoder, ConvEncoder, check_pixels
from mmkeras.encoders.transformer import TransformerLayers, check_heads

OVER_TIME = ("lstm", "self_attention", "none")


def check_videos(class_name: str, shape: Sequence[int | None]) -> None:
    """Raises a `ValueError` unless the shape is a batch of videos of one known picture size."""
    if len(shape) != 5 or None in shape[2:]:
        raise ValueError(
            f"{class_name} reads videos of shape (batch, frames, height, width, channels), of one "
            f"picture size. Received: inputs of shape {tuple(shape)}."
        )


@keras.saving.register_keras_serializable(package="mmkeras")
class FrameEncoder(ConfiguredLayer):
    """An image encoder on every frame, then an LSTM or self-attention; each frame is one token.

    The image encoder's tokens are averaged over the places of a frame. It sees all frames of all
    videos as one large batch, in one pass; `keras.layers.TimeDistributed` takes them in turn.

    Args:
        filters: Channels of each block of a `ConvEncoder`; not used with a backbone.
        convs_per_block: Its convolutions in a block.
        batch_norm: Whether it normalises over the frames of a batch.
        backbone: A name of `BACKBONES` to use a `BackboneEncoder` instead.
        weights: The backbone's weights: `None`, `"imagenet"`, or a path.
        trainable_backbone: Whether training changes the backbone.
        over_time: `"lstm"`, `"self_attention"` (one transformer layer over learnt positions, which
            needs a known number of frames), or `"none"` for frames that know nothing of each
            other.
        units: The width of the LSTM's state, or of the self-attention's tokens.
        num_heads: The self-attention's heads; they must divide `units`.
        dropout: Share of units that are dropped from each frame's vector and within the
            self-attention, in training.

    Call arguments:
        inputs: Floats in [0, 1], `(batch, frames, height, width, channels)`.

    Returns:
        Tokens `(batch, frames, units)`; as wide as a frame's vector if `over_time="none"`.

    Example:

    >>> FrameEncoder(filters=(8, 16), units=32)(keras.Input((10, 32, 32, 3))).shape
    (None, 10, 32)

    References:
        - [Donahue et al., 2015](https://arxiv.org/abs/1411.4389) (LRCN: convolutions, then an
          LSTM over frames)
        - [Arnab et al., 2021](https://arxiv.org/abs/2103.15691) (ViViT's factorised encoder: a
          transformer over frames)
    """

    def __init__(
        self,
        filters: Sequence[int] = (16, 32, 64),
        convs_per_block: int = 1,
        batch_norm: bool = False,
        backbone: str | None = None,
        weights: str | None = None,
        trainable_backbone: bool = True,
        over_time: str = "lstm",
        units: int = 64,
        num_heads: int = 4,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if over_time not in OVER_TIME:
            raise ValueError(f"`over_time` must be one of {OVER_TIME}. Received: {over_time!r}.")
        if over_time == "self_attention":
            check_heads(units, num_heads, "units")
        self.filters = tuple(int(number) for number in filters)
        self.convs_per_block = int(convs_per_block)
        self.batch_norm = batch_norm
        self.backbone = backbone
        self.weights_source = weights
        self.trainable_backbone = trainable_backbone
        self.over_time = over_time
        self.units = int(units)
        self.num_heads = int(num_heads)
        self.dropout = dropout
        # Made here, so that wrong options are refused where they are given.
        if backbone is None:
            self.frame_encoder = ConvEncoder(
                self.filters, self.convs_per_block, batch_norm=batch_norm, dtype=self.dtype_policy
            )
        else:
            self.frame_encoder = BackboneEncoder(
                backbone, weights, trainable=trainable_backbone, dtype=self.dtype_policy
            )

    def build(self, input_shape):
        check_videos("FrameEncoder", input_shape)
        common = {"dtype": self.dtype_policy}
        frames, *frame_shape = input_shape[1:]
        self.frame_encoder.build((None, *frame_shape))
        dim = self._frame_dim()
        self.drop = layers.Dropout(self.dropout, **common)
        if self.over_time == "lstm":
            self.recurrence = layers.LSTM(self.units, return_sequences=True, **common)
            self.recurrence.build((None, frames, dim))
        elif self.over_time == "self_attention":
            if frames is None:
                raise ValueError(
                    "FrameEncoder with over_time='self_attention' needs a known number of frames. "
                    f"Received: inputs of shape {tuple(input_shape)}. Use 'lstm', or give all "
                    "videos one number of frames."
                )
            self.project = layers.Dense(self.units, **common)
            self.project.build((None, frames, dim))
            self.positions = layers.Embedding(frames, self.units, **common)
            self.positions.build((frames,))
            self.transformer = TransformerLayers(
                self.num_heads, ff_dim=2 * self.units, dropout=self.dropout, **common
            )
            self.transformer.build((None, frames, self.units))

    def _frame_dim(self) -> int:
        if self.backbone is None:
            return self.filters[-1]
        return self.frame_encoder.model.output_shape[-1]

    def call(self, inputs, training=None):
        check_pixels("FrameEncoder", inputs, "frames")
        frames = inputs.shape[1] or ops.shape(inputs)[1]
        x = self.frame_encoder(ops.reshape(inputs, (-1, *inputs.shape[2:])))
        x = ops.mean(x, axis=1)
        x = self.drop(ops.reshape(x, (-1, frames, x.shape[-1])))
        if self.over_time == "lstm":
            return self.recurrence(x)
        if self.over_time == "self_attention":
            positions = self.positions(ops.arange(frames, dtype="int32"))
            return self.transformer(self.project(x) + positions)
        return x

    def token_mask(self, inputs) -> None:
        """All frames count, black ones as well."""
        return None

    def get_config(self) -> dict[str, Any]:
        # Every Keras layer has an attribute `weights`, its variables.
        return {**super().get_config(), "weights": self.weights_source}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FrameEncoder:
        # A saved model's weights are in its file; nothing is downloaded for it.
        return super().from_config({**config, "weights": None})
