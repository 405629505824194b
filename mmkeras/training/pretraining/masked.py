"""Masked modality modelling: from what is shown of a row, say what was hidden of it."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops, random

from mmkeras.encoders.transformer import TransformerLayers
from mmkeras.fusion.crossmodal import sine_positions
from mmkeras.fusion.parts.joint_tokens import JointTokens
from mmkeras.fusion.parts.masked_attention import join_masks
from mmkeras.fusion.parts.pooling import clear_absent, masked_mean
from mmkeras.models.parts import PRESENT, encoder_layers, fusion_inputs, known_inputs
from mmkeras.training.pretraining.hiding import Hidden, hidden_of


class MaskedModel(keras.Model):
    """Trains a model's encoders to predict hidden inputs, without labels.

    Of each row, places of all modalities are hidden at random (`mmkeras.training.pretraining.
    hiding` says what a place is), and sometimes a whole modality, which then has to be predicted
    from the others. What is hidden is hidden from the encoders, too: in the inputs it is zeros (or
    unknown words), and its token, of which neighbours may know something, is a learnt mask token
    `e_m`. With `E_m` the encoders, `h` what is hidden and `p` sinusoidal positions:

        X_m = E_m(x_m without h), and e_m where h
        Z = Transformer(JointTokens(X_1, ..., X_M) + p)
        y_m = Z_m W_m + b_m
        L = 1/M sum_m L_m(y_m, x_m where h)

    The inputs themselves are predicted, not features, so that nothing can collapse. A vector is
    predicted as a whole, from the mean of its tokens. Modalities that a row lacks and padding are
    neither read nor predicted. The transformer and what follows it are used here only.

    Compile it with an optimizer and without a loss, and fit it on the batches that any model of
    these modalities is fitted on; targets are not read.

    Args:
        model: A model of `build_model`. Its encoders are shared, so that training this trains
            them.
        share: Of the places, how many are hidden.
        whole: Of the rows that have two modalities or more, how many lose one of them wholly.
        dim: The width of the joint tokens; a multiple of `num_heads`.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        ff_dim: The inner width of their feed-forward parts.
        seed: Decides what is hidden; by default the global seed does.

    Call arguments:
        inputs: A batch, a dict.

    Returns:
        By modality a dict of `said`, `true` (what was there) and `weight`, float32
        `(batch, places)`, 1 for what was hidden and counts.

    Raises:
        ValueError: It is not known of which part of a modality's inputs a token is.

    Example:

    >>> from mmkeras.models.build import build_model
    >>> from mmkeras.schema import Image, InputSpec, Schema, Tabular
    >>> schema = Schema([Image("photo"), Tabular("facts", ["a"])], "label")
    >>> inputs = {"photo": InputSpec((8, 8, 1)), "facts": InputSpec((3,))}
    >>> masked = MaskedModel(build_model(schema, inputs, num_outputs=2), dim=16)
    >>> masked.compile("adam")
    >>> x = {"photo": keras.random.uniform((16, 8, 8, 1)), "facts": keras.random.normal((16, 3))}
    >>> history = masked.fit(x, verbose=0)

    References:
        - [He et al., 2022](https://arxiv.org/abs/2111.06377) (MAE: hidden patches of images)
        - [Geng et al., 2022](https://arxiv.org/abs/2205.14204) (M3AE: of images and texts, read
          by one transformer; large shares of both are hidden)
        - [Xie et al., 2022](https://arxiv.org/abs/2111.09886) (SimMIM: hidden in the inputs of any
          encoder, predicted by a linear head)
        - [Bachmann et al., 2022](https://arxiv.org/abs/2204.01678) (MultiMAE: several modalities)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        share: float = 0.5,
        whole: float = 0.3,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 1,
        ff_dim: int = 128,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not 0.0 < share < 1.0:
            raise ValueError(f"`share` is between 0 and 1. Received: {share}.")
        if not 0.0 <= whole <= 1.0:
            raise ValueError(f"`whole` is from 0 to 1. Received: {whole}.")
        self.share, self.whole = float(share), float(whole)
        tokens, arguments = fusion_inputs(model)
        tensors = known_inputs(model)
        encoders = encoder_layers(model)
        own = {name: tensors[name] for name in tokens}
        self.names = tuple(tokens)
        self.parts: list[Hidden] = [
            hidden_of(name, encoders[name], own[name], tokens[name]) for name in tokens
        ]
        self.reads_present = PRESENT in tensors
        self.encode = keras.Model(own, list(tokens.values()), name="tokens")
        masks = zip(self.names, arguments.get("masks") or [None] * len(tokens), strict=True)
        counting = {name: mask for name, mask in masks if mask is not None}
        # Of the inputs as they are: a hidden step is no padding.
        self.counting = keras.Model(own, counting, name="counting") if counting else None
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.mask_tokens = [
            self.add_weight(shape=(x.shape[-1],), initializer=small, name=f"{name}_mask_token")
            for name, x in tokens.items()
        ]
        self.joint = JointTokens(dim)
        self.joint.build([x.shape for x in tokens.values()])
        self.transformer = TransformerLayers(num_heads, num_layers, ff_dim)
        self.transformer.build((None, None, dim))
        self.heads = [
            layers.Dense(part.width, dtype="float32", name=f"{name}_head")
            for name, part in zip(self.names, self.parts, strict=True)
        ]
        for head in self.heads:
            head.build((None, None, dim))
        self.seeds = random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        own = {name: inputs[name] for name in self.names}
        present = ops.cast(inputs[PRESENT], "bool") if self.reads_present else None
        counts = [None] * len(own)
        if self.counting is not None:
            counting = self.counting(own)
            counts = [counting.get(name) for name in self.names]
        whole = self._whole(own[self.names[0]], present)
        hidden, shown = [], {}
        for place, (name, part) in enumerate(zip(self.names, self.parts, strict=True)):
            x = own[name]
            shape = (ops.shape(x)[0], part.places(x))
            chosen = random.uniform(shape, seed=self.seeds) < self.share
            hidden.append(ops.logical_or(chosen, whole[:, place : place + 1]))
            shown[name] = part.hide(x, hidden[-1])
        tokens = self._with_mask_tokens(self.encode(shown, training=training), hidden, whole)
        tokens, masks = clear_absent(tokens, counts, present)
        z = self.joint(tokens)
        positions = [sine_positions(ops.shape(x)[1], z.shape[-1]) for x in tokens]
        z = z + ops.cast(ops.concatenate(positions, axis=0), z.dtype)
        z = self.transformer(z, key_mask=join_masks(tokens, masks), training=training)
        said, first = {}, 0
        for place, (name, x) in enumerate(zip(self.names, tokens, strict=True)):
            after = first + ops.shape(x)[1]
            said[name] = self._prediction(
                place, own[name], z[:, first:after], hidden[place], masks[place]
            )
            first = after
        return said

    def _whole(self, x: Any, present: Any | None) -> Any:
        """Which modality of which row is hidden wholly: boolean `(batch, modalities)`."""
        shape = (ops.shape(x)[0], len(self.names))
        there = ops.ones(shape, "bool") if present is None else present
        scores = ops.where(there, random.uniform(shape, seed=self.seeds), -1.0)
        first = ops.cast(ops.one_hot(ops.argmax(scores, axis=1), len(self.names)), "bool")
        rows = random.uniform((shape[0], 1), seed=self.seeds) < self.whole
        several = ops.sum(ops.cast(there, "int32"), axis=1, keepdims=True) > 1
        return ops.logical_and(first, ops.logical_and(rows, several))

    def _with_mask_tokens(self, tokens: list[Any], hidden: list[Any], whole: Any) -> list[Any]:
        replaced = []
        for place, (x, part) in enumerate(zip(tokens, self.parts, strict=True)):
            gone = hidden[place] if part.token_is_place else whole[:, place : place + 1]
            mask_token = ops.cast(self.mask_tokens[place], x.dtype)
            replaced.append(ops.where(ops.expand_dims(gone, axis=-1), mask_token, x))
        return replaced

    def _prediction(
        self, place: int, x: Any, z: Any, weight: Any, counts: Any | None
    ) -> dict[str, Any]:
        part = self.parts[place]
        if part.token_is_place:
            weight = weight if counts is None else ops.logical_and(weight, counts)
        else:
            if counts is not None:
                weight = ops.logical_and(weight, ops.any(counts, axis=1, keepdims=True))
            z = masked_mean(z, counts)
        weight = ops.cast(weight, "float32")
        return {"said": self.heads[place](z), "true": part.target(x), "weight": weight}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        losses = [
            part.loss(**y_pred[name]) for name, part in zip(self.names, self.parts, strict=True)
        ]
        return sum(losses) / len(losses) + sum(self.losses)
