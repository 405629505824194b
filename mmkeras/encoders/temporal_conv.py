"""Temporal convolutions: an encoder for feature sequences, and for waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.sequence import check_float_steps, check_sequences, step_mask, zero_padding


def _pad_steps(x: Any, before: int, after: int) -> Any:
    return ops.pad(x, [[0, 0], [before, after]] + [[0, 0]] * (len(x.shape) - 2))


def _shortened(mask: Any, strides: int) -> Any:
    # Keras' own "same" padding depends on the length, so that more padding would move the windows.
    windows = ops.expand_dims(ops.cast(_pad_steps(mask, 0, strides - 1), "float32"), axis=-1)
    most = ops.max_pool(windows, strides, strides, padding="valid", data_format="channels_last")
    return ops.squeeze(most, axis=-1) > 0


@keras.saving.register_keras_serializable(package="mmkeras")
class TemporalConvEncoder(ConfiguredLayer):
    """Residual blocks of dilated convolutions over time; each step of the result is one token.

    A block is two times (convolution, ReLU, dropout of whole channels), added to its input and
    put through a ReLU:

        y = relu(x + F(x)),  F = drop relu conv drop relu conv

    with a convolution of one step on `x` where its width or length changes. Block `i` reads every
    `2 ** i`-th step, so that what a token sees doubles with each block. The paper normalises
    weights; here, if anything, each step's channels are, between convolution and ReLU. Padding
    works like the zeros beyond a sequence's ends: it is put to zero again before every
    convolution, since biases would otherwise leak out of it.

    Args:
        filters: The number of channels of each block; as many blocks as numbers.
        kernel_size: Steps that a convolution reads.
        dilations: Whether the distance between those steps doubles from block to block (1, 2,
            4, ...); 1 in all blocks if not.
        strides: How many steps become one at the beginning of each block: a number for all blocks,
            or one for each. The sequence gets shorter; a waveform needs this. At most
            `kernel_size`, so that no step goes unread.
        causal: Whether a token sees nothing after the first of its steps.
        dropout: Share of whole channels that are dropped after each convolution, in training.
        normalize: Whether layers are normalised (`keras.layers.LayerNormalization`). Deep stacks
            then learn in far fewer epochs.

    Call arguments:
        inputs: Floats `(batch, steps, features)`; a step of zeros alone is padding.

    Returns:
        Tokens `(batch, tokens, filters[-1])`; as many as steps, or with strides `ceil(steps / s)`
        after each block. A token stands for its `s` steps, and counts where one of them does.

    Example:

    >>> TemporalConvEncoder(filters=(16, 32))(keras.Input((None, 7))).shape
    (None, None, 32)
    >>> waveform = TemporalConvEncoder(filters=(16, 32, 64), kernel_size=9, strides=8)
    >>> waveform(keras.Input((16000, 1))).shape
    (None, 32, 64)

    References:
        - [Bai, Kolter and Koltun, 2018](https://arxiv.org/abs/1803.01271)
        - [van den Oord et al., 2016](https://arxiv.org/abs/1609.03499) (dilation over waveforms)
        - [Ba et al., 2016](https://arxiv.org/abs/1607.06450) (normalisation of a layer)
    """

    def __init__(
        self,
        filters: Sequence[int] = (64, 64),
        kernel_size: int = 3,
        dilations: bool = True,
        strides: int | Sequence[int] = 1,
        causal: bool = False,
        dropout: float = 0.0,
        normalize: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not filters:
            raise ValueError("`filters` needs one number per block. Received: no number.")
        self.filters = tuple(int(number) for number in filters)
        self.kernel_size = int(kernel_size)
        self.dilations = dilations
        every = strides if isinstance(strides, Sequence) else [strides] * len(self.filters)
        self.strides = tuple(int(number) for number in every)
        if len(self.strides) != len(self.filters):
            raise ValueError(
                f"`strides` is one number, or one for each of the {len(self.filters)} blocks. "
                f"Received: {strides!r}."
            )
        if not all(1 <= number <= self.kernel_size for number in self.strides):
            raise ValueError(
                f"`strides` must be from 1 to `kernel_size`, or steps go unread. Received: "
                f"strides={strides!r} and kernel_size={kernel_size}."
            )
        self.causal = causal
        self.dropout = dropout
        self.normalize = normalize

    def build(self, input_shape):
        check_sequences("TemporalConvEncoder", input_shape)
        shape = tuple(input_shape)
        self.blocks = []
        for index, (filters, strides) in enumerate(zip(self.filters, self.strides, strict=True)):
            block = _ResidualBlock(
                filters,
                self.kernel_size,
                dilation=2**index if self.dilations else 1,
                strides=strides,
                causal=self.causal,
                dropout=self.dropout,
                normalize=self.normalize,
                name=f"block_{index}",
                dtype=self.dtype_policy,
            )
            block.build(shape)
            shape = (shape[0], None, filters)
            self.blocks.append(block)

    def call(self, inputs, training=None):
        check_float_steps("TemporalConvEncoder", inputs)
        x, mask = inputs, step_mask(inputs)
        for block, strides in zip(self.blocks, self.strides, strict=True):
            after = mask if strides == 1 else _shortened(mask, strides)
            x = block(x, mask, after)
            mask = after
        return x

    def compute_output_shape(self, input_shape):
        # Given here, since JAX cannot tell that both ways through a block leave equally many of an
        # unknown number of steps.
        batch, steps, _ = input_shape
        for strides in self.strides:
            steps = None if steps is None else -(-steps // strides)
        return batch, steps, self.filters[-1]

    def token_mask(self, inputs):
        """True where one of a token's steps is not padding: `(batch, tokens)`."""
        mask = step_mask(inputs)
        for strides in self.strides:
            mask = mask if strides == 1 else _shortened(mask, strides)
        return mask


class _ResidualBlock(layers.Layer):
    def __init__(
        self, filters, kernel_size, dilation, strides, causal, dropout, normalize, **kwargs
    ):
        super().__init__(**kwargs)
        common = {"data_format": "channels_last", "dtype": self.dtype_policy}
        conv = {"kernel_initializer": "he_normal", **common}
        self.causal = causal
        # Frameworks have no convolution with strides and dilation both.
        dilations = (dilation if strides == 1 else 1, dilation)
        self.reaches = [(kernel_size - 1) * number for number in dilations]
        self.first = layers.Conv1D(
            filters, kernel_size, strides=strides, dilation_rate=dilations[0], **conv
        )
        self.second = layers.Conv1D(filters, kernel_size, dilation_rate=dilations[1], **conv)
        # Reads the steps that `call` leaves: TensorFlow crashes on CPUs in the gradient of a
        # convolution of one step with strides over one channel.
        self.shortcut = layers.Conv1D(filters, 1, **common)
        self.norms = [
            layers.LayerNormalization(dtype=self.dtype_policy) for _ in range(2 * normalize)
        ]
        self.drop = layers.SpatialDropout1D(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        after = (input_shape[0], None, self.second.filters)
        self.has_shortcut = self.first.strides[0] > 1 or input_shape[-1] != after[-1]
        self.first.build(input_shape)
        self.second.build(after)
        for norm in self.norms:
            norm.build(after)
        if self.has_shortcut:
            self.shortcut.build(input_shape)

    def call(self, x, real, real_after, training=None):
        x = zero_padding(x, real)
        y = zero_padding(self._activated(self.first(self._pad(x, 0)), 0), real_after)
        y = self._activated(self.second(self._pad(y, 1)), 1)
        x = self.shortcut(x[:, :: self.first.strides[0]]) if self.has_shortcut else x
        return zero_padding(ops.relu(x + y), real_after)

    def _activated(self, y, index: int):
        return self.drop(ops.relu(self.norms[index](y) if self.norms else y))

    def _pad(self, x, index: int):
        before = self.reaches[index] if self.causal else self.reaches[index] // 2
        return _pad_steps(x, before, self.reaches[index] - before)
