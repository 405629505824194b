"""Hide modalities at random in training, so that a model learns to do without any of them."""

from __future__ import annotations

import keras
from keras import ops, random

from mmkeras.encoders.configured_layer import ConfiguredLayer


@keras.saving.register_keras_serializable(package="mmkeras")
class ModalityDropout(ConfiguredLayer):
    """Declares modalities absent at random, in training.

    Each modality that a row has is hidden with probability `rate`, by itself. A row never loses
    all: if every one of its modalities was drawn, one of them, at random, stays. In inference
    nothing is hidden.

    Args:
        rate: The probability, in [0, 1).
        seed: Decides the draws; by default the global seed does.

    Call arguments:
        present: Boolean `(batch, modalities)`: which modalities a row has.

    Returns:
        Boolean `(batch, modalities)`: which of them the model is shown.

    Example:

    >>> ModalityDropout(0.3)(keras.Input((2,), dtype="bool")).shape
    (None, 2)

    References:
        - [Neverova et al., 2016](https://arxiv.org/abs/1501.00102) (ModDrop)
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` is a probability in [0, 1). Received: {rate}.")
        self.rate = rate
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, present_shape):
        pass

    def call(self, present, training=None):
        present = ops.cast(present, "bool")
        if not training or not self.rate:
            return present
        draws = random.uniform(ops.shape(present), seed=self.seed_generator)
        kept = ops.logical_and(present, draws >= self.rate)
        # Of what a row has, the one with the largest draw is what stays if nothing else does.
        mine = ops.where(present, draws, -1.0)
        last = ops.logical_and(present, ops.equal(mine, ops.max(mine, axis=1, keepdims=True)))
        return ops.where(ops.any(kept, axis=1, keepdims=True), kept, last)

    def compute_output_spec(self, present, training=None):
        return keras.KerasTensor(present.shape, dtype="bool")
