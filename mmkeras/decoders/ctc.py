"""A decoder that writes a text along the steps of one modality."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from keras import layers, ops

from mmkeras.decoders.parts.ctc_loss import CTCLoss, blank_where_padding, collapsed, needed_steps
from mmkeras.decoders.parts.decoder import TransformerDecoder, no_label_smoothing
from mmkeras.decoders.parts.memory import Memory
from mmkeras.decoders.parts.pieces import FIRST_PIECE, check_pieces
from mmkeras.decoders.parts.prefix_beams import prefix_beams
from mmkeras.decoders.parts.search import NEVER
from mmkeras.encoders.transformer import TransformerLayers
from mmkeras.fusion.parts.pooling import check_token_shapes, clear_absent
from mmkeras.schema import Schema


@keras.saving.register_keras_serializable(package="mmkeras")
class CTCDecoder(TransformerDecoder):
    """Connectionist temporal classification over the tokens of one modality, its steps.

    With `X` the steps' tokens, `f` the fused vector, and `num_layers` self-attention layers over
    all modalities' tokens (`Memory`), of which those of `X` are kept:

        H = relu(X P + f Q + b)                      without layers
        H = TransformerLayers(Memory(f, X, ...))     with them: other modalities can help a step
        Z = H W + c

    At each step a piece or the blank (id 0); repetitions are one piece and blanks none, so that a
    text needs no alignment, has its pieces in the order of the steps and is never longer than
    those. Steps that are padding, and all of an absent modality, are blank for certain.

    Args:
        vocabulary_size: One more than the largest id: pieces from 4.
        max_length: The longest text, in pieces, with an end.
        place: The index of the modality whose tokens are the steps.
        num_layers: Transformer layers over all tokens; 0 for none.
        beams: How many texts the search for the likeliest keeps; 1 takes the likeliest piece of
            each step.
        dim, num_heads, ff_dim, dropout: Of `H` and of those layers. See `TransformerDecoder`.

    Returns:
        Logits `(batch, steps, vocabulary_size)`. `answer` gives int32 `(batch, max_length)`: the
        pieces, 2, then 0.

    Example:

    >>> import numpy as np
    >>> decoder = CTCDecoder(vocabulary_size=30, max_length=12, place=1)
    >>> tokens = [np.ones((2, 1, 8), "float32"), np.ones((2, 40, 16), "float32")]
    >>> tuple(decoder(np.ones((2, 8), "float32"), tokens).shape)
    (2, 40, 30)
    >>> tuple(decoder.answer(np.ones((2, 8), "float32"), tokens, beams=4).shape)
    (2, 12)

    References:
        - [Graves et al., 2006](https://doi.org/10.1145/1143844.1143891)
    """

    gives_answer = False
    of_modality: ClassVar[bool] = True

    def __init__(
        self,
        vocabulary_size: int,
        max_length: int,
        place: int = 0,
        num_layers: int = 0,
        beams: int = 1,
        **kwargs,
    ):
        super().__init__(num_layers=num_layers, **kwargs)
        self.vocabulary_size, self.max_length = check_pieces(
            "CTCDecoder", vocabulary_size, max_length
        )
        self.place = int(place)
        self.beams = _check_beams(beams)

    @classmethod
    def default_modality(cls, schema: Schema) -> str:
        """The first sound or sequence."""
        heard = [m.name for m in schema.modalities if m.kind in ("audio", "sequence")]
        return (heard or schema.names)[0]

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return (self.max_length,)

    @property
    def answer_dtype(self) -> str:
        return "int32"

    def build(self, vector_shape, tokens_shape):
        check_token_shapes("CTCDecoder", tokens_shape)
        if not 0 <= self.place < len(tokens_shape):
            raise ValueError(
                f"`place` is the index of one of {len(tokens_shape)} modalities. Received: "
                f"{self.place}."
            )
        common = {"dtype": self.dtype_policy}
        hidden = (None, None, self.dim)
        if self.num_layers:
            self.memory = Memory(self.dim, **common)
            self.memory.build(vector_shape, tokens_shape)
            self.transformer = TransformerLayers(**self.layer_options)
            self.transformer.build(hidden)
        else:
            self.of_steps = layers.Dense(self.dim, **common)
            self.of_steps.build(tuple(tokens_shape[self.place]))
            self.of_vector = layers.Dense(self.dim, use_bias=False, **common)
            self.of_vector.build(tuple(vector_shape))
            self.drop = layers.Dropout(self.dropout, **common)
        self.pieces = layers.Dense(self.vocabulary_size, **common)
        self.pieces.build(hidden)

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        cleared, counting = clear_absent(tokens, masks, present)
        if self.num_layers:
            memory, mask = self.memory(vector, tokens, masks, present)
            lengths = [ops.shape(x)[1] for x in tokens]
            first = 1 + sum(lengths[: self.place])
            hidden = self.transformer(memory, key_mask=mask)
            hidden = hidden[:, first : first + lengths[self.place]]
        else:
            added = ops.expand_dims(self.of_vector(vector), axis=1)
            hidden = self.drop(ops.relu(self.of_steps(cleared[self.place]) + added))
        return blank_where_padding(self.pieces(hidden), counting[self.place])

    def answer(self, vector, tokens, masks=None, present=None, **options) -> Any:
        """The text for inputs alone, int32 `(batch, max_length)`.

        Args:
            vector, tokens, masks, present: As in a call.
            **options: `beams` instead of the constructor's.
        """
        beams = _check_beams(options.pop("beams", self.beams))
        if options:
            raise ValueError(f"CTCDecoder.answer has no option {sorted(options)}.")
        logits = ops.cast(self(vector, tokens, masks, present), "float32")
        # Ids that are no pieces do not occur.
        ids = ops.arange(self.vocabulary_size, dtype="int32")
        allowed = ops.logical_or(ids >= FIRST_PIECE, ops.equal(ids, 0))
        logits = ops.where(allowed, logits, NEVER)
        if beams == 1:
            best = ops.cast(ops.argmax(logits, axis=-1), "int32")
            return collapsed(best, self.max_length)
        return prefix_beams(ops.log_softmax(logits, axis=-1), self.max_length, beams)

    def needed_tokens(self, targets):
        return needed_steps(targets)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        no_label_smoothing(self, label_smoothing)
        return CTCLoss()


def _check_beams(beams: int) -> int:
    if beams < 1:
        raise ValueError(f"A search has 1 beam or more. Received: beams={beams}.")
    return int(beams)
