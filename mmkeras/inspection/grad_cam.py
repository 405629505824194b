"""Grad-CAM: which regions of an encoder's last map speak for an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.inspection.gradients import gradient_function
from mmkeras.models.parts import encoder_layers


def grad_cam(
    model: keras.Model, inputs: Mapping[str, Any], modality: str, outputs: Sequence[int]
) -> np.ndarray:
    """A map of the places in an image (or spectrogram, or video) that speak for an output.

    With `A_k` channel `k` of the encoder's last map, whose `Z` places are its tokens, and `y` the
    output's score before the softmax or sigmoid:

        alpha_k = 1/Z sum over places of dy / dA_k
        map = ReLU(sum_k alpha_k A_k)

    As in the paper, `y` is the logit, which the other classes' scores do not enter, as they do the
    probability; a number that is predicted is its own score. A map shows what speaks for the
    output, not against it: it is all zeros where nothing does, and in rows without the modality.
    Maps are not stretched to one maximum, so that a faint one can be told from a strong one.

    `alpha_k` is one number for the whole map, so places are told apart by what they hold alone.
    In a transformer every token may hold something of any place; maps of one are less to be
    trusted than those of convolutions.

    Args:
        model: A model of `build_model`.
        inputs: Arrays by input name, `(rows, ...)` each: a batch of `Pipeline.evaluate()`.
        modality: One whose encoder has a grid of tokens.
        outputs: Which output to explain, for each row; zeros where there is only one.

    Returns:
        `(rows, grid_height, grid_width)`, 0 or more; of a spectrogram `(rows, times,
        frequencies)`, of a video with a 3-D convolution `(rows, times, grid_height, grid_width)`,
        of several images `(rows, images, grid_height, grid_width)`.

    Raises:
        ValueError: For a modality that the model does not have, or whose tokens have no grid.

    Example:

    >>> from mmkeras.models.build import build_model
    >>> from mmkeras.schema import Image, InputSpec, Schema
    >>> schema = Schema([Image("photo")], "label")
    >>> model = build_model(schema, {"photo": InputSpec((16, 24, 3))}, num_outputs=5)
    >>> grad_cam(model, {"photo": np.ones((2, 16, 24, 3), "float32")}, "photo", [4, 0]).shape
    (2, 4, 6)

    References:
        - [Selvaraju et al., 2017](https://arxiv.org/abs/1610.02391) (equations 1 and 2)
    """
    encoders = encoder_layers(model)
    encoder = encoders.get(modality)
    if not hasattr(encoder, "token_grid"):
        known = [name for name, layer in encoders.items() if hasattr(layer, "token_grid")]
        raise ValueError(
            "Grad-CAM needs an encoder whose tokens are places of a map (it has `token_grid`). "
            f"Received: {modality!r}. The model has such encoders for: {known}."
        )
    x = np.asarray(inputs[modality])
    tokens = ops.convert_to_numpy(encoder(x, training=False)).astype(np.float32)
    gradients = gradient_function(model, [encoder], logits=True)
    _, (gradient,) = gradients(inputs, outputs, [tokens])
    alpha = gradient.mean(axis=1, keepdims=True)
    maps = np.maximum((alpha * tokens).sum(axis=-1), 0.0)
    return maps.reshape(len(x), *encoder.token_grid(x.shape[1:]))
