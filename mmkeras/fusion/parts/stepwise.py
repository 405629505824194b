"""Fuse aligned sequences step by step, for models with an output at every step."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion, traits
from mmkeras.fusion.parts.pooling import check_aligned


@keras.saving.register_keras_serializable(package="mmkeras")
class StepwiseFusion(Fusion):
    """Applies any fusion at each step of sequences that run in parallel.

    With `x_i[t]` the token of modality `i` at step `t`, and `F` the fusion:

        y[t] = F(x_1[t], ..., x_m[t])

    A step that is padding in one modality is absent there, for that step. This is the fusion of
    contextual models of dialogue and video, whose encoders have already looked at the steps before
    and after.

    Args:
        fusion: A fusion layer, which is given one token of each modality.

    Returns:
        `(batch, steps, dim)`; with `return_weights`, also what the fusion gives, with an axis for
        the steps after the first.

    Example:

    >>> from mmkeras.fusion import ConcatFusion
    >>> text, audio = keras.Input((None, 8)), keras.Input((None, 4))
    >>> StepwiseFusion(ConcatFusion())([text, audio]).shape
    (None, None, 12)

    References:
        - [Poria et al., 2017](https://aclanthology.org/P17-1081/) (contextual features of
          several modalities, fused for each utterance of a video)
    """

    return_sequences = True

    def __init__(self, fusion: layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.fusion = fusion

    @property
    def has_weights(self) -> bool:  # type: ignore[override]  # its fusion's own
        return traits(self.fusion).has_weights

    @property
    def gives_logits(self) -> bool:  # type: ignore[override]  # its fusion's own
        return traits(self.fusion).gives_logits

    @property
    def pooling(self) -> str:  # type: ignore[override]  # its fusion's own
        return traits(self.fusion).pooling

    def build(self, tokens_shape):
        check_aligned("StepwiseFusion", tokens_shape, at_least=1)
        if not self.fusion.built:  # it is, when it comes from a file
            self.fusion.build([(None, 1, shape[2]) for shape in tokens_shape])

    def call(self, tokens, masks=None, present=None, training=None, return_weights=False):
        steps = ops.shape(tokens[0])[1]
        folded = [ops.reshape(x, (-1, 1, x.shape[2])) for x in tokens]
        arguments = {}
        if present is not None:
            arguments["present"] = ops.repeat(ops.cast(present, "bool"), steps, axis=0)
        if masks is not None and any(mask is not None for mask in masks):
            # As presence, for a fusion gives a modality whose every token is padding its share.
            there = [
                ops.ones_like(x[:, 0, :1], dtype="bool")
                if mask is None
                else ops.reshape(ops.cast(mask, "bool"), (-1, 1))
                for x, mask in zip(folded, masks, strict=True)
            ]
            there = ops.concatenate(there, axis=1)
            known = arguments.get("present", there)
            arguments["present"] = ops.logical_and(known, there)
        if not return_weights:
            return _unfold(self.fusion(folded, training=training, **arguments), steps)
        fused, weights = self.fusion(folded, training=training, return_weights=True, **arguments)
        weights = keras.tree.map_structure(lambda x: _unfold(x, steps), weights)
        return _unfold(fused, steps), weights

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fusion": keras.saving.serialize_keras_object(self.fusion),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StepwiseFusion:
        fusion = keras.saving.deserialize_keras_object(config["fusion"])
        return cls(**{**config, "fusion": fusion})


def _unfold(x: Any, steps: Any) -> Any:
    return ops.reshape(x, (-1, steps, *x.shape[1:]))
