"""Early fusion of aligned sequences: all modalities' features of a step, read by one recurrence."""

from __future__ import annotations

import keras
from keras import layers, ops

from mmkeras.fusion.parts.fusion import Fusion
from mmkeras.fusion.parts.masked_attention import any_mask
from mmkeras.fusion.parts.pooling import check_aligned, clear_absent

CELLS = {"lstm": layers.LSTM, "gru": layers.GRU}


@keras.saving.register_keras_serializable(package="mmkeras")
class EarlyConcatFusion(Fusion):
    """One LSTM or GRU over the modalities' features, side by side at each step (EF-LSTM).

        x[t] = [x_1[t], ..., x_m[t]]
        h[t], c[t] = LSTM(x[t], h[t-1], c[t-1])
        F(X) = h[T]

    When bidirectional, a second LSTM reads from the end, and `F(X)` has the last state of each,
    `[h[T], h'[1]]`.

    What a modality lacks, because it is absent or its step is padding, is zeros in `x[t]`. A
    step counts if it counts in any modality that is present, so a sequence is as long as the
    longest of them. Steps that are padding in all are left out, also in the middle. A row without
    any step gives zeros.

    Args:
        dim: The width of the fused vector, an even number when bidirectional: each direction has
            half of it.
        cell: `"lstm"` or `"gru"`.
        bidirectional: Whether to read in both directions.
        return_sequences: Whether to give a vector for each step, zeros where it is padding.
        dropout: Share of `x[t]`'s features that are dropped, in training.

    Returns:
        `(batch, dim)`; with `return_sequences`, `(batch, steps, dim)`.

    Example:

    >>> text, audio = keras.Input((50, 8)), keras.Input((50, 4))
    >>> EarlyConcatFusion(dim=32)([text, audio]).shape
    (None, 32)

    References:
        - [Zadeh et al., 2018](https://arxiv.org/abs/1802.00927) (the baselines EF-LSTM and, with
          both directions, EF-BLSTM)
        - [Liang et al., 2021](https://arxiv.org/abs/2107.07502) (early fusion in MultiBench)
    """

    aligned = True

    def __init__(
        self,
        dim: int = 64,
        cell: str = "lstm",
        bidirectional: bool = True,
        return_sequences: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"`cell` must be one of {sorted(CELLS)}. Received: {cell!r}.")
        if bidirectional and dim % 2:
            raise ValueError(
                "`dim` must be even, for each direction has half of it. Received: "
                f"dim={dim}. Take another, or `bidirectional=False`."
            )
        self.dim = int(dim)
        self.cell = cell
        self.bidirectional = bidirectional
        self.return_sequences = return_sequences
        self.dropout = dropout

    def build(self, tokens_shape):
        check_aligned("EarlyConcatFusion", tokens_shape)
        common = {"dtype": self.dtype_policy}
        units = self.dim // 2 if self.bidirectional else self.dim
        recurrence = CELLS[self.cell](units, return_sequences=self.return_sequences, **common)
        if self.bidirectional:
            recurrence = layers.Bidirectional(recurrence, **common)
        recurrence.build((None, None, sum(shape[2] for shape in tokens_shape)))
        self.recurrence = recurrence
        self.drop = layers.Dropout(self.dropout, **common)

    def call(self, tokens, masks=None, present=None, training=None):
        tokens, masks = clear_absent(tokens, masks, present)
        x = self.drop(ops.concatenate(tokens, axis=-1), training=training)
        mask = any_mask(masks)
        if mask is None:
            return self.recurrence(x)
        # Real steps first and a row of padding alone read as if it were steps: cuDNN's kernels
        # insist on both. The output of such a row is zeroed.
        length = ops.shape(x)[1]
        places = ops.arange(length, dtype="int32")
        order = ops.argsort(ops.where(mask, places, places + length), axis=1)
        real = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        reads = places < ops.where(real == 0, length, real)
        x = ops.take_along_axis(x, ops.expand_dims(order, axis=-1), axis=1)
        fused = self.recurrence(x, mask=reads)
        if not self.return_sequences:
            return ops.where(real > 0, fused, 0.0)
        back = ops.expand_dims(ops.argsort(order, axis=1), axis=-1)
        return ops.where(mask[:, :, None], ops.take_along_axis(fused, back, axis=1), 0.0)
