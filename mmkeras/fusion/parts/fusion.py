"""What all fusions have in common: what they are called with, and what they can do."""

from __future__ import annotations

from typing import Any

from mmkeras.encoders.configured_layer import ConfiguredLayer


class Fusion(ConfiguredLayer):
    """A layer from the tokens of all modalities to one vector for each row.

    A subclass implements `build(tokens_shape)` and `call`, and stores its constructor's arguments
    under their own names, from which its configuration is made. What it can do are attributes of
    its class; the defaults are:

    - `has_weights = False`: whether `call` takes `return_weights=True` and then returns
      `(vector, weights)`: what the fusion weighs its modalities or tokens with.
    - `gives_logits = False`: whether the vector is the model's logits, so that no dense layers
      follow. Such a fusion has the arguments `num_outputs` and `activation`.
    - `aligned = False`: whether the modalities must be sequences of one length, read step by step.
      Such a fusion has the argument `return_sequences`.
    - `return_sequences = False`: whether the vector is one for each step, `(batch, steps, dim)`.
    - `pooling = "mean"`: how a modality's tokens become one vector, also where a modality is taken
      alone (`mmkeras.fusion.parts.pooling.pool`).

    Whatever is in an absent modality's tokens or in padding does not change the output by a
    bit, NaN and infinity included; `mmkeras.fusion.parts.pooling.clear_absent` sees to that.

    Call arguments:
        tokens: List of `(batch, tokens, dim)`, one for each modality, all of one length for a
            fusion that is `aligned`. A fusion that relates modalities needs at least two.
        masks: `None`, or a list with, for each modality, a boolean `(batch, tokens)` that is False
            at padding, or `None` where all tokens count.
        present: `None`, or boolean `(batch, modalities)`: which modalities a row has.
        training: Whether to drop units and to add losses.
        return_weights: For a fusion that `has_weights`: whether to return these too.

    Returns:
        `(batch, dim)`.
    """

    has_weights: bool = False
    gives_logits: bool = False
    aligned: bool = False
    return_sequences: bool = False
    pooling: str = "mean"

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        # A vector has no tokens to mask; those of the inputs arrive as `masks`.
        return None


def traits(layer: Any) -> Fusion | type[Fusion]:
    """What a fusion layer can do: its attributes, or the defaults for any other Keras layer."""
    return layer if isinstance(layer, Fusion) else Fusion
