"""What all decoders have in common: what they are called with, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.transformer import check_heads
from mmkeras.schema import Schema


class Decoder(ConfiguredLayer):
    """A layer from the fused vector and the tokens of all modalities to the answer.

    A subclass implements `build(vector_shape, tokens_shape)`, `call` and `loss`, and stores its
    constructor's arguments under their own names, from which its configuration is made.

    What `call` returns is what `loss` compares with the target's arrays (`Task.encode`). Where
    that is not the answer itself, as logits are not, a subclass implements `answer`, too: arrays
    of one shape for all batches, in the form that the task's `decode` reads.

    Whatever is in an absent modality's tokens or in padding does not change the output by a bit.

    Attributes:
        is_head: Whether it is the model's head: `hidden` and `dropout` of the model are arguments
            of its constructor.
        of_modality: Whether it reads one modality's tokens above all: those at the place `place`
            in the schema, an argument of its constructor.
        reads_previous: Whether `call` reads the target itself, one step late (teacher forcing);
            `answer` then goes on from its own steps.
        previous_shape: The shape of that input, without the batch.
        previous_dtype: Its type.
        start: What stands before the first step.
        gives_answer: Whether what `call` returns is the answer.

    Call arguments:
        vector: The fused vector, `(batch, dim)`.
        tokens: List of `(batch, tokens, dim)`, one for each modality.
        masks: `None`, or a list with, for each modality, a boolean `(batch, tokens)` that is False
            at padding, or `None` where all tokens count.
        present: `None`, or boolean `(batch, modalities)`: which modalities a row has.
        previous: With `reads_previous`, the target one step late, `(batch, steps, ...)`.
        training: Whether to drop units.
    """

    is_head: ClassVar[bool] = False
    of_modality: ClassVar[bool] = False
    place: int
    reads_previous: ClassVar[bool] = False
    previous_shape: tuple[int | None, ...] = (None,)
    previous_dtype: ClassVar[str] = "int32"
    start: ClassVar[float] = 0
    gives_answer: ClassVar[bool] = True

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None) -> Any:
        raise NotImplementedError

    @classmethod
    def default_modality(cls, schema: Schema) -> str:
        """With `of_modality`, the name of the modality where none is given."""
        return schema.names[0]

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """The loss of what `call` returns, against the target's arrays."""
        raise NotImplementedError

    def needed_tokens(self, targets: np.ndarray) -> np.ndarray | None:
        """With `of_modality`, how many of its tokens each target needs at least, `(rows,)`.

        `None` where any number will do.
        """
        return None

    def training_metrics(self) -> list[keras.metrics.Metric]:
        """What Keras computes in training besides the loss."""
        return []

    def answer(
        self,
        vector: Any,
        tokens: Sequence[Any],
        masks: Sequence[Any] | None = None,
        present: Any | None = None,
        **options: Any,
    ) -> Any:
        """The answer for inputs alone; `options` replace the constructor's for this call.

        With `gives_answer` what `call` returns, which has no options.

        Returns:
            `(batch, *answer_shape)`.
        """
        if not self.gives_answer or options:
            raise NotImplementedError(
                f"{type(self).__name__} answers without options. Received: {sorted(options)}."
            )
        return self(vector, tokens, masks=masks, present=present)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """The shape of `answer`, without the batch."""
        raise NotImplementedError

    @property
    def answer_dtype(self) -> str:
        """The type of `answer`."""
        return "float32"

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        # Lengths are explicit, in the arrays.
        return None


class TransformerDecoder(Decoder):
    """A decoder with transformer layers over steps of `dim` numbers, or over all tokens.

    Args:
        dim: The width of a step; a multiple of `num_heads`.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        ff_dim: The inner width of their feed-forward parts.
        dropout: Share of units that are dropped, in training.
    """

    def __init__(
        self,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int = 128,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.num_heads = int(num_heads)
        check_heads(self.dim, self.num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout

    @property
    def layer_options(self) -> dict[str, Any]:
        """Constructor arguments of `TransformerLayers` and `DecoderLayers`."""
        names = ("num_heads", "num_layers", "ff_dim", "dropout")
        return {**{name: getattr(self, name) for name in names}, "dtype": self.dtype_policy}


def no_label_smoothing(decoder: Any, label_smoothing: float) -> None:
    """Refuses a setting that would have no effect."""
    if label_smoothing:
        raise ValueError(
            f"{type(decoder).__name__} has no classes for `label_smoothing`. Received: "
            f"{label_smoothing}."
        )
