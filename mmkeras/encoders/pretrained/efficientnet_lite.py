"""EfficientNet-Lite in Keras, by the weights that PyTorch saved of it."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers

# The first block's stride of each stage; a stage is a run of blocks of one width.
_STRIDES = (1, 2, 2, 2, 1, 2, 1)


def efficientnet_lite(arrays: Mapping[str, np.ndarray]) -> keras.Model:
    """EfficientNet-Lite, from images in [0, 1] to its last map; 0 to 4, as the weights say.

    Unlike EfficientNet it has no squeeze-and-excitation and ReLU6 for swish. Images are scaled
    inside to `(255 x - 127) / 128`. The layers of block `i` are called `block{i}_...`, those before
    and after the blocks `stem_...` and `head_...`.

    Args:
        arrays: A state dict of the PyTorch implementation, by name. That of the classifier is not
            used.

    Raises:
        ValueError: They are the weights of another network.

    References:
        - [Tan and Le, 2019](https://arxiv.org/abs/1905.11946)
        - <https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html>
    """
    needed = ["_conv_stem.weight", "_blocks.0._depthwise_conv.weight", "_conv_head.weight"]
    if missing := [name for name in needed if name not in arrays]:
        raise ValueError(f"These are not the weights of an EfficientNet-Lite: no {missing[0]!r}.")
    images = keras.Input((None, None, 3), name="images")
    x = layers.Rescaling(255 / 128, offset=-127 / 128, name="scale")(images)
    weights: dict[str, list[np.ndarray]] = {}

    def convolved(x, name: str, source: str, norm: str, strides: int = 1, relu: bool = True):
        """A convolution, normalised and cut at 0 and 6."""
        kernel = arrays[f"{source}.weight"]
        common = {"padding": "same", "use_bias": False, "strides": strides}
        common |= {"data_format": "channels_last", "name": f"{name}_conv"}
        if kernel.shape[1] == 1 and "depthwise" in source:
            layer = layers.DepthwiseConv2D(kernel.shape[2:], **common)
            weights[layer.name] = [kernel.transpose(2, 3, 0, 1)]
        else:
            layer = layers.Conv2D(kernel.shape[0], kernel.shape[2:], **common)
            weights[layer.name] = [kernel.transpose(2, 3, 1, 0)]
        x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(layer(x))
        parts = ("weight", "bias", "running_mean", "running_var")
        weights[f"{name}_norm"] = [arrays[f"{norm}.{part}"] for part in parts]
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x

    x = convolved(x, "stem", "_conv_stem", "_bn0", strides=2)
    number, stage, width = 0, -1, 0
    while f"_blocks.{number}._depthwise_conv.weight" in arrays:
        source, name, block = f"_blocks.{number}", f"block{number}", x
        new = len(arrays[f"{source}._project_conv.weight"])
        stage, first = stage + (new != width), new != width
        if stage == len(_STRIDES):
            raise ValueError("These are the weights of an EfficientNet-Lite of more than 7 stages.")
        if f"{source}._expand_conv.weight" in arrays:
            x = convolved(x, f"{name}_expand", f"{source}._expand_conv", f"{source}._bn0")
        strides = _STRIDES[stage] if first else 1
        x = convolved(
            x, f"{name}_depthwise", f"{source}._depthwise_conv", f"{source}._bn1", strides
        )
        x = convolved(x, f"{name}_project", f"{source}._project_conv", f"{source}._bn2", relu=False)
        if not first:
            x = layers.Add(name=f"{name}_add")([x, block])
        number, width = number + 1, new
    x = convolved(x, "head", "_conv_head", "_bn1")
    network = keras.Model(images, x, name="efficientnet_lite")
    for name, values in weights.items():
        network.get_layer(name).set_weights(values)
    return network
