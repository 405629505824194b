"""Which tokens of a Keras layer from elsewhere count."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mmkeras")
class KerasMask(layers.Layer):
    """The Keras mask that comes with tokens, e.g. from `Embedding(mask_zero=True)`, as a tensor.

    Call arguments:
        tokens: `(batch, tokens, dim)`.
        mask: Boolean `(batch, tokens)`. Keras hands it over by itself.

    Returns:
        Boolean `(batch, tokens)`: which tokens count, all of them where there is no mask.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, tokens_shape):
        pass

    def call(self, tokens, mask=None):
        return ops.ones(ops.shape(tokens)[:2], dtype="bool") if mask is None else mask

    def compute_output_spec(self, tokens, mask=None):
        return keras.KerasTensor(tokens.shape[:2], dtype="bool")


def gives_mask(encoder: layers.Layer, inputs: Any) -> bool:
    """Whether the output of a built layer has a Keras mask, given its symbolic inputs."""
    # A model's symbolic output shows no mask; the tensors that it computes do.
    probe = MaskProbe(encoder)
    probe(inputs)
    return probe.end.masked


class MaskProbe(layers.Layer):
    """Calls a layer from inside another, with the tensors of the backend."""

    def __init__(self, encoder: layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.end = encoder, MaskProbeEnd()

    def build(self, inputs_shape):
        pass  # The encoder is built.

    def call(self, inputs):
        return self.end(self.encoder(inputs))


class MaskProbeEnd(layers.Layer):
    """Notes whether its input has a mask."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.masked = False

    def call(self, tokens, mask=None):
        self.masked = mask is not None
        return tokens
